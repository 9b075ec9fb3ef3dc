# YOLOv5 v6.0: cosine per epoch from 0.01 towards 0.001, warm-up over 3 epochs.
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
default_hooks = dict(
    param_scheduler=dict(
        type="ScheduleHook",
        schedule="cosine",
        final=0.1,
        warmup_epochs=3,
        warmup_min_iters=100,
        warmup_bias_lr=0.1,
        warmup_momentum=0.8,
    )
)
