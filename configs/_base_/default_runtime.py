# What every run shares: where our modules are found, hooks, seed, processes. Every hook stands in default_hooks by
# name, so that one is changed, or switched off by None, without touching the others; custom_hooks is yours.
default_scope = "yolo_plugins"
custom_imports = dict(imports=["yolo_plugins.registry"], allow_failed_imports=False)
randomness = dict(seed=0)
runner_type = "yolo_plugins.YOLORunner"  # for MMDetection's tools; ours take it anyway
env_cfg = dict(mp_cfg=dict(opencv_num_threads=1), dist_cfg=dict(backend="nccl"))

default_hooks = dict(
    checkpoint=dict(type="AtomicCheckpointHook", interval=1, max_keep_ckpts=2, save_best="ap50"),
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    epoch_seed=dict(type="EpochSeedHook"),
    class_check=dict(type="ClassCheckHook"),
    ema=dict(type="StepEMAHook"),
    finite_loss=dict(type="FiniteLossHook"),
    record=dict(type="RunRecordHook"),
    console=dict(type="ConsoleHook"),
    visualization=dict(type="mmdet.DetVisualizationHook"),  # where `test.py --show-dir` of MMDetection tells it to draw
)
visualizer = dict(type="mmdet.DetLocalVisualizer", name="visualizer")  # tools of MMDetection ask for a name
vis_backends = []  # where scalars go besides record.json and the log, such as dict(type="TensorboardVisBackend")
log_level = "INFO"
load_from = None
resume = False
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
