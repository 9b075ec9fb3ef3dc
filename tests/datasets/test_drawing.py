"""Boxes and names on pictures: nothing is cut off, classes keep their colours."""

import numpy as np
import pytest
from PIL import Image

from yolo_plugins.datasets.drawing import class_colour, draw_boxes

SIZE = 200


def drawn(bbox: list[float], name: str = "", dashed: bool = False, label: int = 0) -> np.ndarray:
    image = Image.new("RGB", (SIZE, SIZE), "white")
    draw_boxes(image, [bbox], [label], [name], [dashed])
    return np.asarray(image)


def is_coloured(image: np.ndarray) -> np.ndarray:
    return (image != 255).any(axis=-1)


@pytest.mark.parametrize("corner", [(0, 0), (SIZE, 0), (0, SIZE), (SIZE, SIZE), (SIZE - 20, 3)])
def test_a_name_at_an_edge_of_the_picture_is_as_whole_as_one_in_the_middle(corner):
    middle, edge = (is_coloured(drawn([*place, *place], "pottedplant")).sum() for place in ((100, 100), corner))
    assert abs(int(edge) - int(middle)) <= 9  # the point that stands for the box


def test_all_sides_of_a_box_as_large_as_the_picture_are_seen():
    coloured = is_coloured(drawn([0, 0, SIZE, SIZE]))
    assert coloured[SIZE // 2, 0] and coloured[SIZE // 2, -1] and coloured[-1, SIZE // 2]


def test_dashed_sides_have_gaps_and_others_have_none():
    for is_dashed in (True, False):
        image = is_coloured(drawn([50, 50, 150, 150], dashed=is_dashed))
        for side in (image[149:151, 60:140].any(0), image[60:140, 149:151].any(1)):
            assert side.any()
            assert side.all() != is_dashed


def test_a_class_has_one_colour_and_no_two_classes_have_the_same():
    assert len({class_colour(label) for label in range(80)}) == 80
    image = drawn([50, 50, 150, 150], label=7)
    assert {tuple(pixel) for pixel in image[is_coloured(image)].tolist()} >= {class_colour(7)}


def test_a_picture_without_boxes_stays_as_it_is():
    image = Image.new("RGB", (SIZE, SIZE), "white")
    draw_boxes(image, [], [], [])
    assert not is_coloured(np.asarray(image)).any()
