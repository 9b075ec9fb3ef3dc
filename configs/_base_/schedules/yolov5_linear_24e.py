# The demo's 24 epochs: YOLOv5's straight line per epoch from 0.01 towards 0.0001, a step of the optimizer for every 16
# images.
_base_ = "../default_runtime.py"
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=24, val_interval=1)
optim_wrapper = dict(
    type="YOLOOptimWrapper",
    constructor="YOLOOptimWrapperConstructor",
    # weight_decay is stated for 64 images a step and applies to convolution weights alone
    optimizer=dict(type="SGD", lr=0.01, momentum=0.937, nesterov=True, weight_decay=5e-4),
    clip_grad=dict(max_norm=10.0),
    amp=False,
)
default_hooks = dict(
    param_scheduler=dict(
        type="ScheduleHook",
        schedule="linear",
        final=0.01,
        warmup_epochs=3,
        warmup_min_iters=100,
        warmup_bias_lr=0.1,
        warmup_momentum=0.8,
        nominal_batch_size=16,
    )
)
