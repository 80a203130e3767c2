"""A metric against the periods since a model was frozen: one line per series, named at its end."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from dashboard.charts.base import ends, framed
from dashboard.text.formats import number, plural
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette
from db.choices import COPIES

HEIGHT_PX = 360
MARGIN = {"l": 58, "r": 216, "t": 12, "b": 44}
APART_PX = 17  # of two names at the right edge

# The model studied in the accent, conventional recommenders in greys; dashes mark what is kept from them.
STYLES = {
    "llm_fresh": ("up", "solid", 3.0),
    "llm_renewed": ("up", "dashdot", 2.0),
    "llm_stale": ("up", "dash", 2.0),
    "llm_zero_shot": ("up", "dot", 2.0),
    "sasrec_retrained": ("muted", "solid", 2.0),
    "sasrec_frozen": ("muted", "dash", 2.0),
    "itemknn_realtime": ("text", "solid", 1.5),
    "itemknn_retrained": ("same", "solid", 1.5),
    "itemknn_frozen": ("same", "dash", 1.5),
    **dict.fromkeys(("llm_placebo", "llm_placebo-users"), ("up", "dot", 1.0)),
    **dict.fromkeys(COPIES, ("text", "dot", 1.0)),
}
OTHERS = (("text", "solid", 2.0), ("text", "dash", 2.0), ("muted", "dot", 2.0), ("same", "dashdot", 2.0))
Series = Mapping[str, Any]


def drift(series: Sequence[Series], measure: str, palette: Palette) -> go.Figure:
    """`series`: `{name, label, points: [{elapsed, period, mean, low, high, n}]}`. The first has its band."""
    shown = [line for line in series if line["points"]]
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    if shown:
        _band(figure, shown[0], palette)
    for at, line in enumerate(reversed(shown)):
        colour, dash, width = style(line["name"], len(shown) - 1 - at)
        figure.add_scatter(
            x=[point["elapsed"] for point in line["points"]],
            y=[point["mean"] for point in line["points"]],
            mode="lines+markers",
            line={"color": getattr(palette, colour), "dash": dash, "width": width},
            marker={"size": 6},
            hovertext=[_hover(line, point, measure) for point in line["points"]],
            hoverinfo="text",
        )
    elapsed = sorted({point["elapsed"] for line in shown for point in line["points"]}) or [1]
    values = [point["mean"] for line in shown for point in line["points"]]
    values += [point[end] for line in shown[:1] for point in line["points"] for end in ("low", "high")]
    low, high = min(values, default=0.0), max(values, default=1.0)
    pad = 0.06 * (high - low) or 0.05
    figure.update_xaxes(
        range=[elapsed[0] - 0.15, elapsed[-1] + 0.15],
        tickvals=elapsed,
        title_text="periods since the cut",
    )
    figure.update_yaxes(range=[low - pad, high + pad], title_text=svg(measure, 20), tickformat=".2f")
    height = HEIGHT_PX - MARGIN["t"] - MARGIN["b"]
    ends(figure, height, _names(shown, palette), (low - pad, high + pad), APART_PX)
    return figure


def style(name: str, at: int) -> tuple[str, str, float]:
    """Colour name, dash and width of a series; others than the known ones by their place."""
    return STYLES.get(name, OTHERS[at % len(OTHERS)])


def _band(figure: go.Figure, series: Series, palette: Palette) -> None:
    points = series["points"]
    figure.add_scatter(
        x=[point["elapsed"] for point in points] + [point["elapsed"] for point in reversed(points)],
        y=[point["high"] for point in points] + [point["low"] for point in reversed(points)],
        fill="toself",
        fillcolor=getattr(palette, style(series["name"], 0)[0]),
        opacity=0.13,
        mode="none",
        hoverinfo="skip",
    )


def _hover(series: Series, point: Mapping[str, Any], measure: str) -> str:
    return (
        f"<b>{svg(series['label'], 60)}</b><br>{svg(measure, 20)} {number(point['mean'], 3)} "
        f"({number(point['low'], 3)} to {number(point['high'], 3)})<br>"
        f"{plural(point['elapsed'], 'period')} after the cut (period {point['period']}), "
        f"{plural(point['n'], 'user')}"
    )


def _names(series: Sequence[Series], palette: Palette) -> list[tuple[float, str, str]]:
    """Every line's last value, its name and its ink."""
    inks = {"up": palette.up_text, "text": palette.text}
    return [
        (
            line["points"][-1]["mean"],
            svg(line["label"], 40),
            inks.get(style(line["name"], at)[0], palette.muted),
        )
        for at, line in enumerate(series)
    ]


def describe(series: Sequence[Series], measure: str) -> str:
    """One sentence for screen readers."""
    ends = [(line["label"], line["points"][0], line["points"][-1]) for line in series if line["points"]]
    parts = [f"{label} from {number(a['mean'], 3)} to {number(b['mean'], 3)}" for label, a, b in ends]
    return f"{measure} over the periods since the cut. {'; '.join(parts) or 'No points'}."
