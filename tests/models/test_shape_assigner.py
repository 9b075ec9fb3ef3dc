"""Facts about who is responsible for what."""

import pytest
import torch

from yolo_plugins.models.task_modules import ShapeAssigner

ANCHORS = torch.tensor([[[16.0, 16.0], [64.0, 64.0]]])
STRIDES = torch.tensor([8.0])
SIZES = torch.tensor([[10.0, 10.0]])


def assign(*targets):
    return ShapeAssigner().assign(torch.tensor(targets).reshape(-1, 6), ANCHORS, STRIDES, SIZES)


def box(cx: float, cy: float, w: float, h: float) -> list[float]:
    return [0, 5, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def cells(assigned) -> set[tuple[int, int]]:
    return set(zip(assigned.columns.tolist(), assigned.rows.tolist(), strict=True))


def test_assigner_ignores_empty_image():
    assert len(assign().labels) == 0


def test_centre_in_upper_left_quarter_takes_left_and_upper_cell():
    assert cells(assign(box(42.0, 50.0, 16, 16))) == {(5, 6), (4, 6), (5, 5)}


def test_centre_in_lower_right_quarter_takes_right_and_lower_cell():
    assert cells(assign(box(46.0, 54.0, 16, 16))) == {(5, 6), (6, 6), (5, 7)}


def test_centre_on_grid_line_takes_both_sides():
    assigned = assign(box(40.0, 46.0, 16, 16))  # x = 5.0 cells, y = 5.75 cells
    assert sorted(zip(assigned.columns.tolist(), assigned.rows.tolist(), strict=True)) == [
        (4, 5),
        (5, 5),
        (5, 5),
        (5, 6),
    ]


@pytest.mark.parametrize(("centre", "cell"), [(2.0, 0), (79.0, 9)])
def test_border_cells_have_no_neighbour_outside(centre, cell):
    assigned = assign(box(centre, centre, 16, 16))
    assert (assigned.columns.tolist(), assigned.rows.tolist()) == ([cell], [cell])  # nor the own cell once more


def test_centre_at_the_far_edge_lands_in_the_last_cell():
    assigned = assign(box(80.0, 80.0, 16, 16))
    assert cells(assigned) == {(9, 9)}
    assert assigned.bboxes_cxcywh[0, :2].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("side", "anchors"), [(4.0, set()), (4.1, {0}), (32.0, {0, 1}), (63.9, {0, 1}), (64.0, {1})])
def test_ratio_of_four_is_exclusive(side, anchors):
    assert set(assign(box(44.0, 44.0, side, side)).anchors.tolist()) == anchors


def test_ratio_counts_on_the_worse_side():
    assert len(assign(box(44.0, 44.0, 16, 3)).labels) == 0
