"""Which configs of a folder are like the models of a study; the others are counted by reason."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from yolo_plugins.config import load_config
from yolo_plugins.costs.meta import count_config
from yolo_plugins.errors import UsageError
from yolo_plugins.files import REPO
from yolo_plugins.protocol import config_recipe, protocol_of
from yolo_plugins.recommend.candidates import LeftOut, caveats, config_networks, train_command

VOC = "VOC VOC2007/train+VOC2012/train > VOC2007/test"
SIZE = ("img_size=320",)


@pytest.fixture
def make_folder(tmp_path):
    """A folder of configs, by their names the config of this package that each inherits from, and lines of its own."""

    def make_folder(**configs: str) -> Path:
        for name, text in configs.items():
            base, _, more = text.partition("\n")
            (tmp_path / f"{name}.py").write_text(f"_base_ = {str(REPO / 'configs' / base)!r}\n{more}\n")
        return tmp_path

    return make_folder


def networks_of(models, options, folder):
    return config_networks(models, options, count_config, folder)


def names(networks):
    return [network.name for network in networks]


def test_each_network_is_there_once_by_rising_products_with_the_command_that_trains_it(models, make_folder):
    folder = make_folder(yolov5_s_voc="yolov5_s_voc.py", again="yolov5_n_voc.py", yolov5_n_voc="yolov5_n_voc.py")
    networks, left_out = networks_of(models, SIZE, folder)
    assert names(networks) == ["yolov5_n_voc", "yolov5_s_voc"]
    assert [network.candidate.measured for network in networks] == ["yolov5_n_voc", None]
    assert left_out.names == {"of a network that another config has too": ["yolov5_n_voc"]}
    assert networks[1].command == "yolo-plugins train yolov5_s_voc --cfg-options img_size=320"
    assert networks[1].input_hw == (320, 320)


def test_a_study_has_no_config(models, make_folder):
    folder = make_folder(yolov5_n_voc="yolov5_n_voc.py")
    (folder / "study_x.py").write_text("runs = dict(yolov5_n_voc=[0])\n")
    assert names(networks_of(models, (), folder)[0]) == ["yolov5_n_voc"]


def test_other_data_sizes_losses_and_damaged_configs_are_left_out_and_counted(make_models, make_folder):
    loss = "model = dict(bbox_head=dict(loss_cls=dict(loss_weight=9.0)))"
    folder = make_folder(
        yolov5_n_voc="yolov5_n_voc.py",
        coco="yolov5_n_coco.py",
        coco_320="yolov5_n_coco.py\nimg_size = 320",
        demo="yolov5_n_demo.py",
        other_loss=f"yolov5_n_voc.py\n{loss}",
        broken="yolov5_n_voc.py\nmodel = dict(backbone=dict(type='Unknown'))",
    )
    own = own_loss(folder / "yolov5_n_voc.py")
    models = make_models("train_loss", train_loss=[0.5 - 0.03 * i for i in range(12)], loss=own, dataset=VOC)
    networks, left_out = networks_of(models, (), folder)
    assert names(networks) == ["yolov5_n_voc"]
    (broken,) = (reason for reason in left_out.names if "cannot be built" in reason)
    assert "Unknown" in broken and "\n" not in broken and str(folder) not in broken
    assert {reason: names for reason, names in left_out.names.items() if reason != broken} == {
        "of another input size": ["coco", "demo"],
        "of another loss": ["other_loss"],
        "of other data": ["coco_320"],
    }
    assert left_out.count == 5
    assert "2 of another input size (coco, demo)" in str(left_out)


def own_loss(path):
    from yolo_plugins.protocol import loss_name

    return loss_name(load_config(str(path)).to_dict())


def recorded(models, path, **changes):
    """The study, trained by the protocol of a config."""
    config = load_config(str(path))
    known = {"epochs": config.train_cfg.max_epochs} | protocol_of(config_recipe(config)) | changes
    rows = [{"protocol_sha256": "a" * 64, "key": key, "value": json.dumps(value)} for key, value in known.items()]
    return replace(models, protocols=pd.DataFrame(rows))


def test_a_config_of_another_protocol_is_left_out_where_the_study_records_its_own(make_models, make_folder):
    folder = make_folder(yolov5_n_voc="yolov5_n_voc.py", yolov5_s_cosine="yolov5_n_voc_cosine.py")
    models = recorded(make_models(protocol_sha256="a" * 64), folder / "yolov5_n_voc.py")
    networks, left_out = networks_of(models, (), folder)
    assert names(networks) == ["yolov5_n_voc"]
    assert left_out.names == {"of another protocol": ["yolov5_s_cosine"]}
    assert caveats(networks) == []


def test_where_it_records_none_the_configs_of_its_models_tell_it(models, make_folder):
    wide = "model = dict(backbone=dict(widen_factor=0.5), neck=dict(widen_factor=0.5))"
    folder = make_folder(
        yolov5_n_voc="yolov5_n_voc.py",
        finetune=f"yolov5_n_finetune.py\n{wide}",
        tuned="yolov5_n_finetune.py",
        yolov5_s_voc="yolov5_s_voc.py",
    )
    networks, left_out = networks_of(models, (), folder)
    assert names(networks) == ["yolov5_n_voc", "yolov5_s_voc"]
    assert left_out.names == {"trained otherwise than the configs of the models": ["finetune", "tuned"]}
    (told,) = caveats(networks)
    assert told.startswith("how the models were trained is not recorded") and told.endswith(
        "(yolov5_n_voc, yolov5_s_voc)"
    )


def test_a_model_of_the_study_in_another_training_is_not_that_model_and_lets_no_other_protocol_in(models, make_folder):
    folder = make_folder(
        yolov5_n_voc="yolov5_n_voc.py", yolov5_n_voc_cosine="yolov5_n_voc_cosine.py", yolov5_s_voc="yolov5_s_voc.py"
    )
    networks, left_out = networks_of(models, (), folder)
    assert names(networks) == ["yolov5_n_voc", "yolov5_s_voc"]
    assert left_out.names == {"trained otherwise than the configs of the models": ["yolov5_n_voc_cosine"]}


def test_what_is_allowed_to_be_unlike_is_told_without_paths(make_models, make_folder):
    folder = make_folder(small="yolov5_pico_demo.py", yolov5_n_voc="yolov5_n_voc.py")
    networks, left_out = networks_of(make_models(allow_mixed=True), (), folder)
    told = caveats(networks)
    assert not left_out.names.keys() - {"of a network that another config has too"}
    (size,) = (sentence for sentence in told if "160 x 160 pixels" in sentence)
    assert size.endswith("(small)") and "--allow-mixed" in size and str(folder) not in size


def test_where_none_is_like_the_models_the_reasons_are_told(models, make_folder):
    folder = make_folder(coco="yolov5_n_coco.py")
    with pytest.raises(
        UsageError, match=r"none of 1 configs is like .*: 1 of another input size \(coco\); give --study"
    ):
        networks_of(models, (), folder)


def test_a_line_of_what_is_left_out_names_three():
    left_out = LeftOut()
    for name in "abcd":
        left_out.add(name, "of other data")
    left_out.add("e", "of another loss")
    assert str(left_out) == "4 of other data (a, b, c, ...), 1 of another loss (e)"
    assert left_out.count == 5


def test_a_command_can_be_pasted_into_a_shell():
    assert train_command("a b.py", ["x=[1, 2]"]) == "yolo-plugins train 'a b.py' --cfg-options 'x=[1, 2]'"
