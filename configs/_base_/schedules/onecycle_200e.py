# The study's schedule: 200 epochs, one-cycle per iteration from 0.01 over 0.1 (at 30 %) to 0.000001; no other warm-up.
_base_ = "../default_runtime.py"
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=200, val_interval=1)
optim_wrapper = dict(
    type="YOLOOptimWrapper",
    constructor="YOLOOptimWrapperConstructor",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.937, nesterov=True, weight_decay=5e-4),
    clip_grad=dict(max_norm=10.0),
)
default_hooks = dict(param_scheduler=dict(type="ScheduleHook", schedule="one_cycle", peak=10.0))
