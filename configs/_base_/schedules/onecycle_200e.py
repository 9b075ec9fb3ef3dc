# The study's schedule: one-cycle per iteration, from 0.01 to 0.1 at 30 % of the run, then down to 0.000001.
_base_ = "sgd_200e.py"
default_hooks = dict(param_scheduler=dict(type="ScheduleHook", schedule="one_cycle", peak=10.0, rise=0.3, final=1e-4))
