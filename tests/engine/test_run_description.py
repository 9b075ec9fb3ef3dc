"""On what a run happens."""

from yolo_plugins.engine import run_description


def test_versions_name_the_whole_stack():
    versions = run_description.describe_versions()
    assert set(versions) >= {"python", "torch", "torchvision", "mmengine", "mmcv", "mmdet", "numpy", "yolo_plugins"}
    assert versions["mmengine"]
