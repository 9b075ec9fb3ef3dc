# RTMDet's optimiser: AdamW at 0.0005 for 32 pictures (0.004 for 256), down to 5 % of it on a cosine per epoch, after a
# warm-up over one epoch. Every iteration is a step.
_base_ = "../default_runtime.py"
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=200, val_interval=1)
optim_wrapper = dict(
    type="YOLOOptimWrapper",
    constructor="YOLOOptimWrapperConstructor",
    optimizer=dict(type="AdamW", lr=5e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=35.0),
    amp=False,
)
default_hooks = dict(
    param_scheduler=dict(
        type="ScheduleHook",
        schedule="cosine",
        final=0.05,
        nominal_batch_size=32,
        warmup_epochs=1,
        warmup_min_iters=0,
        warmup_bias_lr=0.0,
        warmup_momentum=0.9,
    )
)
