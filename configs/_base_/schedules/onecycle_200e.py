# The study's schedule: one-cycle per iteration, from 0.01 to 0.1 at 30 % of the run, then down to 0.000001.
_base_ = "../default_runtime.py"
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=200, val_interval=1)
optim_wrapper = dict(
    type="YOLOOptimWrapper",
    constructor="YOLOOptimWrapperConstructor",
    # weight_decay is stated for 64 images a step and applies to convolution weights alone
    optimizer=dict(type="SGD", lr=0.01, momentum=0.937, nesterov=True, weight_decay=5e-4),
    clip_grad=dict(max_norm=10.0),
    amp=False,
)
default_hooks = dict(param_scheduler=dict(type="ScheduleHook", schedule="one_cycle", peak=10.0, rise=0.3, final=1e-4))
