"""What is said of a config: its name, its hash, its parts."""

import pytest
from mmengine.config import Config

from yolo_plugins.config import describe_config, input_hw, load_config, size_hw
from yolo_plugins.errors import UsageError


def test_config_hash_ignores_where_and_how_a_run_happens():
    base = {"model": {"type": "A"}, "work_dir": "x", "resume": False, "randomness": {"seed": 0}}
    loader = {"num_workers": 0, "dataset": {"data_root": "here"}}
    first = describe_config(Config(base | {"train_dataloader": loader}, filename=None))
    other = {"work_dir": "y", "resume": True, "randomness": {"seed": 1}}
    other_loader = {"num_workers": 8, "dataset": {"data_root": "there"}}
    assert describe_config(Config(base | other | {"train_dataloader": other_loader})) == first
    assert describe_config(Config(base | {"model": {"type": "B"}})) != first


def test_modules_are_named_with_the_network_that_they_wrap():
    wrapped = {"type": "PyramidBackbone", "net": {"type": "mmpretrain.ResNet", "depth": 18}}
    from_timm = {"type": "PyramidBackbone", "net": {"type": "timm", "model_name": "ghostnet_100"}}
    for backbone, name in ((wrapped, "mmpretrain.ResNet"), (from_timm, "ghostnet_100")):
        cfg = Config({"model": {"type": "YOLODetector", "backbone": backbone, "neck": {"type": "YOLOv5PAFPN"}}})
        modules = describe_config(cfg)["modules"]
        assert modules == {"detector": "YOLODetector", "backbone": f"PyramidBackbone({name})", "neck": "YOLOv5PAFPN"}


@pytest.mark.parametrize(
    ("option", "expected"), [("320", (320, 320)), ("192,320", (192, 320)), ("(192,320)", (192, 320))]
)
def test_a_size_given_once_is_that_of_every_data_set_and_of_the_letterbox(option, expected):
    config = load_config("yolov5_n_voc", [f"img_size={option}"])
    assert input_hw(config) == expected
    test = config.test_dataloader.dataset
    letterbox = next(step for step in test.pipeline if step.type.endswith("Letterbox"))
    sizes = [config.train_dataloader.dataset.img_size, config.val_dataloader.dataset.img_size, test.img_size]
    assert {size_hw(size) for size in [*sizes, letterbox.img_size]} == {expected}


def test_a_test_set_without_a_size_is_told_what_to_state():
    with pytest.raises(UsageError, match=r"test_dataloader\.dataset states no size"):
        input_hw(Config({"test_dataloader": {"dataset": {"pipeline": [{"type": "PackEval"}]}}}))
