# Scaled-YOLOv4: cosine per epoch from 0.01 towards 0.002, a warm-up over 3 epochs and at least 1000 iterations,
# gradients not clipped.
_base_ = "yolov5_cosine_200e.py"
train_cfg = dict(max_epochs=300)
optim_wrapper = dict(clip_grad=None)
default_hooks = dict(param_scheduler=dict(final=0.2, warmup_min_iters=1000, warmup_momentum=0.9))
