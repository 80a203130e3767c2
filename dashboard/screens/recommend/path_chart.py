"""The path of an optimization: what each step is worth where it was chosen and where it was not."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.charts.base import ends, framed
from dashboard.screens.recommend.optimize_text import ACTIONS, STAGES, Step
from dashboard.text.formats import number, signed
from dashboard.text.literal import svg
from dashboard.ui.theme import Palette

HEIGHT_PX = 280
MARGIN = {"l": 52, "r": 116, "t": 26, "b": 40}
APART_PX = 34  # of the two names at the right edge
CHOSE, JUDGED = "used to choose", "held out"


def path(steps: Sequence[Step], at: int, palette: Palette) -> go.Figure:
    """Two lines over the steps, against no demonstrations, in their measure; the step `at` is marked.

    The held-out line has only the steps at which the held-out interactions were measured.
    """
    figure = go.Figure(layout=framed(palette, HEIGHT_PX, MARGIN))
    lines = [
        ("objective", CHOSE, palette.same, palette.muted, "circle"),
        ("held_out", JUDGED, palette.up, palette.up_text, "diamond"),
    ]
    low, high = span(steps)
    _stages(figure, steps, palette)
    figure.add_hline(y=0, line={"color": palette.border, "width": 1.5}, layer="below")
    if 0 <= at < len(steps):
        figure.add_vline(x=at, line={"color": palette.text, "width": 1.5}, layer="below")
    names: list[tuple[float, str, str]] = []
    for field, name, colour, ink, symbol in lines:
        known = [
            (row, value) for row, step in enumerate(steps) if (value := getattr(step, field)) is not None
        ]
        figure.add_scatter(
            x=[row for row, _ in known],
            y=[value for _, value in known],
            mode="lines+markers",
            line={"color": colour, "width": 2.5 if field == "held_out" else 2},
            marker={"size": 9, "symbol": symbol, "color": colour, "opacity": 1},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
            customdata=[row for row, _ in known],
            hovertext=[hover(row, steps[row]) for row, _ in known],
            hoverinfo="text",
        )
        if known:
            names.append((known[-1][1], f"<b>{signed(known[-1][1])}</b><br>{name}", ink))
    last = max(len(steps) - 1, 1)
    figure.update_xaxes(
        range=[-0.35, last + 0.35], tickvals=list(range(len(steps))), title_text="step", tickformat="d"
    )
    figure.update_yaxes(range=[low, high], title_text="gain", tickformat="+.2~f")
    ends(figure, HEIGHT_PX - MARGIN["t"] - MARGIN["b"], names, (low, high), APART_PX)
    return figure


def span(steps: Sequence[Step]) -> tuple[float, float]:
    """The range of the axis: zero inside."""
    values = [value for step in steps for value in (step.objective, step.held_out) if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    pad = 0.08 * (high - low) or 0.1
    return low - pad, high + pad


def hover(row: int, step: Step) -> str:
    """What a step did and what it is worth."""
    lines = [f"<b>Step {row}: {svg(ACTIONS.get(step.action, step.action), 40)}</b>"]
    if step.objective is not None:
        lines.append(f"{CHOSE}: {signed(step.objective, 3)}")
    if step.held_out is not None:
        lines.append(f"{JUDGED}: {signed(step.held_out, 3)}")
    lines.append(f"{len(step.ids)} demonstrations")
    return "<br>".join(lines)


def _stages(figure: go.Figure, steps: Sequence[Step], palette: Palette) -> None:
    """The stages' names over their steps."""
    for stage in sorted({step.stage for step in steps} - {0}):
        rows = [row for row, step in enumerate(steps) if step.stage == stage]
        figure.add_vrect(
            x0=rows[0] - 0.5,
            x1=rows[-1] + 0.5,
            fillcolor=palette.surface if stage % 2 else "rgba(0,0,0,0)",
            line_width=0,
            layer="below",
        )
        figure.add_annotation(
            x=(rows[0] + rows[-1]) / 2,
            y=1.0,
            yref="paper",
            yanchor="bottom",
            text=STAGES.get(stage, f"stage {stage}"),
            showarrow=False,
            font={"color": palette.muted, "size": 12},
        )


def describe(steps: Sequence[Step]) -> str:
    """One sentence for screen readers."""
    if not steps:
        return "No step yet."
    last = next((step.held_out for step in reversed(steps) if step.held_out is not None), None)
    first = f"{len(steps)} steps, from {number(steps[0].objective or 0.0)} to "
    end = f"{number(steps[-1].objective or 0.0)} where it was chosen"
    return f"Path of the optimization: {first}{end}" + (
        f", {number(last)} held out." if last is not None else "."
    )
