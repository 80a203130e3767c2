"""A learning curve: the loss while training and the validation, against how much was read."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import ends, framed
from dashboard.screens.tune.tuning_text import Measure, amount, is_number
from dashboard.text.formats import number
from dashboard.ui.theme import Palette

HEIGHT_PX = 330
MARGIN = {"l": 52, "r": 128, "t": 12, "b": 44}
APART_PX = 17  # of two labels at the right edge
Point = Mapping[str, Any]


def curve(points: Sequence[Point], measure: Measure, palette: Palette) -> go.Figure:
    """Two lines with their names at their ends; the best validation is ringed.

    Losses share one axis. A validation of another unit has an unseen axis of its own; the number at its end
    says how high it is.
    """
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    shared = measure.less_is_better
    lines = [
        (_line(points, "loss"), measure.loss, palette.muted, palette.same, "y"),
        (
            _line(points, "validation"),
            measure.validation,
            palette.up_text,
            palette.up,
            "y" if shared else "y2",
        ),
    ]
    for (xs, ys), name, _, colour, axis in lines:
        figure.add_scatter(
            x=xs,
            y=ys,
            yaxis=axis,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 4 if len(xs) > 1 else 7},
            hovertext=[
                f"{name}: {number(y, 3)} after {amount(x)} {measure.reads}"
                for x, y in zip(xs, ys, strict=True)
            ],
            hoverinfo="text",
        )
    _ring(figure, lines[1][0], measure, palette, lines[1][4])
    most = max((point["tokens"] for point in points), default=1) or 1
    figure.update_xaxes(
        range=[-0.02 * most, 1.02 * most], title_text=f"{measure.reads} read", tickformat="~s"
    )
    ranges = {axis: _range([ys for (_, ys), *_, at in lines if at == axis]) for axis in ("y", "y2")}
    figure.update_layout(
        yaxis={"range": ranges["y"], "title_text": f"loss, {measure.unit or 'nats'}", "tickformat": "~g"},
        yaxis2={
            "range": ranges["y2"],
            "overlaying": "y",
            "side": "right",
            "visible": False,
            "fixedrange": True,
        },
    )
    height = HEIGHT_PX - MARGIN["t"] - MARGIN["b"]
    ends(figure, height, _names(lines, ranges), (0.0, 1.0), 2 * APART_PX)
    return figure


def _line(points: Sequence[Point], field: str) -> tuple[list[float], list[float]]:
    known = [point for point in points if is_number(point.get(field))]
    return [point["tokens"] for point in known], [point[field] for point in known]


def _ring(
    figure: go.Figure, line: tuple[list[float], list[float]], measure: Measure, palette: Palette, axis: str
) -> None:
    xs, ys = line
    if not ys:
        return
    at = ys.index((min if measure.less_is_better else max)(ys))
    figure.add_scatter(
        x=[xs[at]],
        y=[ys[at]],
        yaxis=axis,
        mode="markers",
        marker={
            "size": 11,
            "color": "rgba(0,0,0,0)",
            "line": {"color": palette.up, "width": 2},
        },
        hoverinfo="skip",
    )


def _range(lines: Sequence[list[float]]) -> list[float]:
    values = [value for line in lines for value in line]
    if not values:
        return [0.0, 1.0]
    low, high = min(values), max(values)
    pad = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return [low - pad, high + pad]


def _names(lines: Sequence[Any], ranges: Mapping[str, Sequence[float]]) -> list[tuple[float, str, str]]:
    """The lines' last values, as parts of the range of their own axis, with their names and inks."""
    return [
        (
            (ys[-1] - ranges[axis][0]) / (ranges[axis][1] - ranges[axis][0]),
            f"<b>{number(ys[-1], 3)}</b><br>{name}",
            ink,
        )
        for (_, ys), name, ink, _, axis in lines
        if ys
    ]


def describe(points: Sequence[Point], measure: Measure) -> str:
    """One sentence for screen readers."""
    (_, losses), (xs, validated) = _line(points, "loss"), _line(points, "validation")
    if not xs:
        return "No point of the learning curve yet."
    course = f"{measure.validation} from {number(validated[0], 3)} to {number(validated[-1], 3)}"
    seen = f", {measure.loss} {number(losses[-1], 3)} at the end" if losses else ""
    return (
        f"Learning curve over {amount(xs[-1])} {measure.reads}: {f'{course} {measure.unit}'.strip()}{seen}."
    )
