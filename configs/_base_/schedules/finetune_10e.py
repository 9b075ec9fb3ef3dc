# Ten epochs from trained weights, found by trying (docs/training.md): a straight line per epoch from 0.0003 towards
# 0.000003, a warm-up from zero over one epoch, and a moving average short enough to matter in a few hundred steps.
_base_ = "../default_runtime.py"
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=10, val_interval=1)
optim_wrapper = dict(
    type="YOLOOptimWrapper",
    constructor="YOLOOptimWrapperConstructor",
    # weight_decay is stated for 64 images a step and applies to convolution weights alone
    optimizer=dict(type="SGD", lr=3e-4, momentum=0.937, nesterov=True, weight_decay=5e-4),
    clip_grad=dict(max_norm=10.0),
    amp=False,
)
default_hooks = dict(
    param_scheduler=dict(
        type="ScheduleHook",
        schedule="linear",
        final=0.01,
        warmup_epochs=1,
        warmup_min_iters=0,
        warmup_bias_lr=0.0,
        warmup_momentum=0.8,
    ),
    ema=dict(decay=0.99, ramp=50),
)
