"""How plots look on every page: colours, and plotly's layout and axes.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart, without their yellow, which white
paper swallows.
"""

from typing import Any

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
BAND_OPACITY = 0.15  # of the colour between the ends of an interval

LAYOUT: dict[str, Any] = {
    "template": None,
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1a1a1a"},
    "margin": {"l": 60, "r": 12, "t": 12, "b": 50},
    "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
    "hoverlabel": {"bgcolor": "white", "bordercolor": "#1a1a1a", "font": {"color": "#1a1a1a"}},
}
AXIS: dict[str, Any] = {"gridcolor": "#e3e3e3", "linecolor": "#1a1a1a", "zeroline": False, "ticks": "outside"}


def fill_band(color: str) -> dict[str, Any]:
    """What fills the trace that goes round an interval."""
    return {"fill": "toself", "fillcolor": color, "opacity": BAND_OPACITY, "line": {"width": 0}}
