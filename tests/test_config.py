"""What is said of a config: its name, its hash, its parts."""

import pytest
from mmengine.config import Config

from yolo_plugins.config import describe_config, input_hw, load_config, mask_config, size_hw
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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n\nx = undefined", "own.py, line 3, cannot be read: NameError: name 'undefined' is not defined"),
        ("x = 1 / 0", "own.py, line 1, cannot be read: ZeroDivisionError"),
        ("x = 1\nx = (", "own.py, line 2, cannot be read: SyntaxError: '(' was never closed"),
        (
            "_base_ = 'sound.py'\nimport no_such_module",
            "own.py, line 2, cannot be read: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("import sys\nsys.exit(0)", "own.py, line 2, cannot be read: SystemExit: 0"),
        ("x = 1\0", "own.py cannot be read: SyntaxError: source code string cannot contain null bytes"),
        ("_base_ = 'own.py'", "own.py cannot be read: it inherits from itself by _base_"),
        ("_base_ = 'missing.py'", "missing.py cannot be read: no such file"),
        ("_base_ = 5", "own.py cannot be read: TypeError"),
        ("_base_ = 'broken.py'", "broken.py, line 2, cannot be read: ZeroDivisionError"),
        ("_base_ = 'unclosed.py'", "unclosed.py, line 3, cannot be read: SyntaxError"),
        ("", "own.py: no model"),
        ("x = 1", "own.py: no model"),
        ("trian_cfg = dict()\nmodel = dict(type='A')", "did you mean 'train_cfg'?"),
    ],
)
def test_a_config_whose_code_fails_is_one_line_with_its_place(tmp_path, text, sentence):
    (tmp_path / "broken.py").write_text("x = 1\ny = x / 0\n")
    (tmp_path / "sound.py").write_text("y = 1\n")
    (tmp_path / "unclosed.py").write_text("x = 1\n\ny = [\n")
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_config(str(tmp_path / "own.py"))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["own.json", "own.yaml", "own.txt", "own"])
def test_a_config_that_is_no_python_file_is_refused(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match=f"{name} is no Python file"):
        load_config(str(tmp_path / name))


def test_a_config_of_other_bytes_than_text_is_refused(tmp_path):
    (tmp_path / "own.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"own\.py cannot be read: it is no text in UTF-8"):
        load_config(str(tmp_path / "own.py"))


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        load_config(str(tmp_path))


def test_a_secret_is_no_part_of_the_hash_and_is_masked_in_a_copy_alone():
    config, other = (
        Config({"model": {"type": "A"}, "custom_hooks": [{"type": "B", "api_key": key}]}) for key in ("one", "two")
    )
    assert describe_config(config) == describe_config(other) == describe_config(mask_config(config))
    assert mask_config(config).custom_hooks[0].api_key == "***"
    assert config.custom_hooks[0].api_key == "one"


def test_a_folder_with_blanks_and_commas_reaches_the_data_sets():
    config = load_config("yolov5_n_voc", ["data_root=my data, new/VOCdevkit"])
    assert config.train_dataloader.dataset.data_root == "my data, new/VOCdevkit"
