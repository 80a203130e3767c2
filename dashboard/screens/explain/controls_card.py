"""Controls: what is left of the help when answers are permuted, titles shuffled, or nothing was learned."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.charts.dots import Dot, describe, dots
from dashboard.screens.explain import looking
from dashboard.screens.explain.explain_text import colour
from dashboard.text.formats import plural, signed
from dashboard.text.literal import md
from dashboard.ui.chart import chart, data_of
from dashboard.ui.notices import card, colours, heading
from db.runs import Run

LABEL_PX = 170
AXIS = "change of the log of the target's share"
Result = Mapping[str, Any]


def draw(run: Run) -> None:
    """One card."""
    with card("controls", stretch=False):
        heading(
            "Controls",
            "What the demonstrations add, and what is left when answers are permuted among them, when all "
            "their titles are shuffled, and in a model of random weights. Bar: lowest to highest draw.",
        )
        looking.draw(
            "controls",
            run,
            ("Run controls", "Running controls"),
            "Without controls no effect means much: this ranks up to nine changed prompts, and a twin of "
            "the model with random weights.",
            lambda result: _shown(result, run),
        )


def control_dots(result: Result) -> list[Dot]:
    """A row per control, the run first."""
    return [
        Dot(
            row["label"],
            (gain := row["gain"])["mean"],
            gain["low"],
            gain["high"],
            colour(gain["mean"]),
            f"{signed(gain['mean'], 3)} over {plural(row['draws'], 'draw')}",
        )
        for row in result["rows"]
    ]


def _shown(result: Result, run: Run) -> None:
    rows = control_dots(result)
    chart(
        dots(rows, AXIS, colours(), 0.0, None, LABEL_PX),
        key=f"controls-{run.key[:12]}",
        alt=describe(rows, AXIS),
        name="controls",
        rows=data_of(rows),
    )
    st.markdown(md(result["said"]))
    if result["identity"] is not None:
        st.caption(
            f"The twin's attention equals its dual model as well (largest error {result['identity']:.0e}): "
            "that identity is bookkeeping and no evidence of learning."
        )
