"""The equivalence meter over the layers: how exactly attention is rebuilt, and what its inputs have seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import framed
from dashboard.ui.theme import Palette

HEIGHT_PX = 250
MARGIN = {"l": 62, "r": 16, "t": 30, "b": 44}
LEAST = 1e-17  # below it the axis of powers has no place
Layer = Mapping[str, Any]


def meter(result: Mapping[str, Any], palette: Palette) -> go.Figure:
    """Relative errors on an axis of powers of ten; dashed: what the format's rounding may take."""
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    layers = result["layers"]
    places = [layer["layer"] + 1 for layer in layers]
    lines = (
        ("zero_shot", [layer["zero_shot_gap"] for layer in layers], palette.demo, "dot"),
        ("rebuilt", [worst(layer) for layer in layers], palette.up, "solid"),
    )
    for name, values, colour, dash in lines:
        figure.add_scatter(
            x=places,
            y=[max(value, LEAST) for value in values],
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash},
            marker={"size": 6},
            hovertext=[
                f"<b>layer {place}</b><br>{NAMES[name]}: {value:.1e}"
                for place, value in zip(places, values, strict=True)
            ],
            hoverinfo="text",
        )
    figure.add_hline(
        y=result["tolerance"], line={"color": palette.muted, "width": 1.2, "dash": "dash"}, layer="below"
    )
    step = max(1, len(places) // 12)
    figure.update_xaxes(title_text="layer", tickvals=places[::step])
    figure.update_yaxes(type="log", title_text="relative error", exponentformat="power", dtick=2)
    for text, place, anchor, ink in (
        ("— attention, rebuilt", 0.0, "left", palette.up_text),
        ("┄ layer-local against true zero-shot", 1.0, "right", palette.muted),
    ):
        figure.add_annotation(
            x=place, y=1.0, xref="paper", yref="paper", xanchor=anchor, yanchor="bottom", yshift=6,
            text=text, showarrow=False, font={"size": 12, "color": ink},
        )  # fmt: skip
    return figure


NAMES = {"rebuilt": "attention, rebuilt", "zero_shot": "layer-local against true zero-shot"}


def worst(layer: Layer) -> float:
    """The largest error of the three forms."""
    return max(layer["form_a"], layer["form_b"], layer["form_c"])


def describe(layers: Sequence[Layer]) -> str:
    """One sentence for screen readers."""
    told = [f"{each['layer'] + 1}: {worst(each):.0e} and {each['zero_shot_gap']:.0e}" for each in layers]
    return (
        f"Error of the rebuilt attention, and the gap to the true zero-shot run, by layer: {', '.join(told)}."
    )
