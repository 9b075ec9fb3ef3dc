"""The plots of a report as plotly figures. Plotly reads HTML tags in texts, so every name is escaped."""

import html
from typing import Any

import numpy as np

from yolo_plugins.evaluation.matching import FALSE, TRUE, Floats, index_of_half
from yolo_plugins.pages.style import AXIS, COLORS, LAYOUT
from yolo_plugins.results.collect import Tested

_DASHES = ("solid", "dash", "dashdot", "dot")
_SHOWN = 8  # classes with the most objects, whose curves are not hidden at first
_MOST_POINTS = 300  # of a curve


def draw_precision_recall(tested: Tested) -> dict[str, Any]:
    """Precision by recall at IoU 0.5, never rising, as AP sees it: a line for each class with objects, most first.

    Returns:
        A plotly figure.
    """
    n_gt = tested.matches.n_gt
    traces = []
    for place, k in enumerate(np.argsort(-n_gt, kind="stable")[: np.count_nonzero(n_gt)].tolist()):
        recall, precision = precision_recall(tested, k)
        name = html.escape(f"{tested.classes[k]} {tested.scores.ap50_per_class[k]:.3f}", quote=False)
        style = {"color": COLORS[place % len(COLORS)], "dash": _DASHES[place // len(COLORS) % len(_DASHES)]}
        traces.append(
            {
                **{
                    "type": "scatter",
                    "mode": "lines",
                    "name": name,
                    "visible": True if place < _SHOWN else "legendonly",
                },
                **{"x": recall.tolist(), "y": precision.tolist(), "line": {**style, "width": 2, "shape": "vh"}},
                "hovertemplate": f"{name}<br>recall %{{x:.3f}}, precision %{{y:.3f}}<extra></extra>",
            }
        )
    axes = {
        f"{axis}axis": {**AXIS, "title": {"text": title}, "range": [0, 1.02], "automargin": True}
        for axis, title in (("x", "recall"), ("y", "precision"))
    }
    return {"data": traces, "layout": {**LAYOUT, **axes, "hovermode": "closest", "showlegend": True}}


def precision_recall(tested: Tested, label: int) -> tuple[Floats, Floats]:
    """Recall and precision of one class at IoU 0.5, at its true detections and at recall 0, of long curves at some."""
    half = index_of_half(tested.matches.iou_thresholds)
    outcome = tested.matches.outcome[half, tested.matches.class_slices()[label]]
    tp, fp = np.cumsum(outcome == TRUE), np.cumsum(outcome == FALSE)
    at = np.flatnonzero(outcome == TRUE)
    precision = tp[at] / np.maximum(tp[at] + fp[at], 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    recall = tp[at] / tested.matches.n_gt[label]
    if len(at) > _MOST_POINTS:
        chosen = np.linspace(0, len(at) - 1, _MOST_POINTS).round().astype(int)
        recall, envelope = recall[chosen], envelope[chosen]
    return np.append(0, recall), np.append(envelope[:1] if len(at) else 0, envelope)
