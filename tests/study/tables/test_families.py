"""What a model belongs to, and which of the groups of a study are drawn and compared with."""

import pytest

from yolo_plugins.study.tables.families import (
    ALL,
    compared_groups,
    drawn_groups,
    family_of,
    group_title,
    is_yolov5,
    reference_group,
)

HEAD = "YOLOAnchorHead"


@pytest.mark.parametrize(
    ("modules", "family"),
    [
        ({"backbone": "YOLOv5CSP", "neck": "YOLOv5PAFPN", "bbox_head": HEAD}, "yolov5"),
        ({"detector": "YOLODetector", "backbone": "YOLOv5CSP", "neck": "YOLOv5PAFPN", "bbox_head": HEAD}, "yolov5"),
        (
            {
                **{"backbone": "yolo_plugins.YOLOv5CSP", "neck": "yolo_plugins.YOLOv5PAFPN"},
                **{"bbox_head": f"yolo_plugins.{HEAD}"},
            },
            "yolov5",
        ),
        ({"backbone": "YOLOv4CSP", "neck": "YOLOv4CSPPAN", "bbox_head": HEAD}, "scaled_yolov4"),
        ({"backbone": "YOLOv4Tiny", "neck": "YOLOv4TinyFPN", "bbox_head": HEAD}, "scaled_yolov4"),
        ({"backbone": "YOLOv4CSP", "neck": "YOLOv5PAFPN", "bbox_head": HEAD}, "other"),
        ({"backbone": "YOLOv5CSP", "neck": "YOLOv5PAFPN", "bbox_head": "mmdet.YOLOXHead"}, "other"),
        ({"backbone": "PyramidBackbone(mmpretrain.ResNet)", "neck": "YOLOv5PAFPN", "bbox_head": HEAD}, "other"),
        ({"detector": "mmdet.RetinaNet", "backbone": "mmdet.ResNet", "neck": "mmdet.FPN"}, "other"),
        ({"detector": "mmdet.DETR"}, "other"),
        ({}, "other"),
    ],
)
def test_family_is_a_backbone_on_its_own_neck_and_head(modules, family):
    assert family_of(modules) == family


def test_releases_of_yolov5_are_told_by_their_names():
    names = ("yolov5", "yolov5_p6", "yolov50", "flexible_yolov5")
    assert [is_yolov5(name) for name in names] == [True, True, False, False]


@pytest.mark.parametrize(
    ("groups", "drawn", "reference"),
    [
        (["all", "other", "yolov5"], ("yolov5", "other"), "other"),
        (["all", "a", "b", "not_yolov5", "yolov5", "yolov5_p6"], ("yolov5", "not_yolov5"), "not_yolov5"),
        (["all", "not_yolov5", "yolov5"], ("yolov5", "not_yolov5"), "not_yolov5"),
        (["all", "a", "not_yolov5"], ("not_yolov5",), "not_yolov5"),
        (["all", "other", "yolov5_p6", "yolov5_flexible"], ("yolov5_p6", "yolov5_flexible", "other"), "other"),
        (["all", "yolov5"], ("yolov5",), "all"),
        (["all", "320", "640"], ("320", "640"), "all"),
        (["all"], ("all",), "all"),
        ([], (), "all"),
    ],
)
def test_drawn_are_yolov5_and_the_models_outside_it_which_others_are_compared_with(groups, drawn, reference):
    assert drawn_groups(groups) == drawn
    assert reference_group(groups) == reference
    assert len(drawn) < 2 or ALL not in drawn, "all models share theirs with every other group"


def test_a_group_of_no_row_has_its_own_name():
    assert [group_title(group) for group in ("yolov5", "mine")] == ["YOLOv5", "mine"]


@pytest.mark.parametrize(
    ("groups", "pairs"),
    [
        (["all", "other", "yolov5"], {"yolov5": "other"}),
        (["all", "a", "b", "not_yolov5", "yolov5", "yolov5_p6"], {"yolov5": "not_yolov5", "yolov5_p6": "not_yolov5"}),
        (["all", "320", "640"], {"320": "640"}),
        (["all", "320", "640", "1280"], {}),
        (["all", "yolov5"], {}),
        (["all"], {}),
    ],
)
def test_lines_are_tested_against_the_models_outside_yolov5(groups, pairs):
    assert compared_groups(groups) == pairs
