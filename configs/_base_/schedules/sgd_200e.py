# Optimizer and length of every run of the study. weight_decay is stated for 64 images a step and applies to
# convolution weights alone.
_base_ = "../default_runtime.py"
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=200, val_interval=1)
optim_wrapper = dict(
    type="YOLOOptimWrapper",
    constructor="YOLOOptimWrapperConstructor",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.937, nesterov=True, weight_decay=5e-4),
    clip_grad=dict(max_norm=10.0),
    amp=False,
)
