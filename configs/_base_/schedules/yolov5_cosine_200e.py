# YOLOv5 v6.0: cosine per epoch from 0.01 towards 0.001, warm-up over 3 epochs.
_base_ = "sgd_200e.py"
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
