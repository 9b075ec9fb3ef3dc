"""What is said of a config: its name, its hash, its parts."""

from mmengine.config import Config

from yolo_plugins.config import describe_config


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
