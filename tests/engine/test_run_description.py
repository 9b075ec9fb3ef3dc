"""On what a run happens."""

from yolo_plugins.engine import run_description


def test_versions_name_the_whole_stack():
    versions = run_description.describe_versions()
    assert set(versions) >= {"python", "torch", "torchvision", "mmengine", "mmcv", "mmdet", "numpy", "yolo_plugins"}
    assert versions["mmengine"]


def test_git_is_unknown_outside_of_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(run_description.yolo_plugins, "__file__", str(tmp_path / "__init__.py"))
    assert run_description.describe_git() is None
