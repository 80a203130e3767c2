"""Pairs: which demonstrations teach the same and which need each other, from effects or on request."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.screens.explain import looking
from dashboard.screens.explain.pairs_chart import describe, pairs
from dashboard.state.outcome import DIRECT, REPROMPT, effects_of
from dashboard.text import words
from dashboard.text.literal import md
from dashboard.ui.chart import chart
from dashboard.ui.notices import card, colours, empty, heading
from db.choices import EFFECT_MODES
from db.runs import Run

PICTURE_PX = 560
Result = Mapping[str, Any]
OF = {
    "shapley": "Averaged over all sets of the others, measured by turning demonstrations down.",
    "last": "What two lose together beyond what each loses alone, with all the others there: all sets would "
    "be too many. Measured by turning demonstrations down.",
}


def draw(run: Run) -> None:
    """One card."""
    measured = [each for mode in (REPROMPT, DIRECT) if (each := effects_of(run.key, mode)) is not None]
    effects = next((each for each in measured if each.get("interactions")), None)
    with card("pairs", stretch=False):
        heading(
            "Pairs",
            "Interaction of every two. Below zero (orange) they teach the same: beside one, the other adds "
            "less. Above (blue) they need each other.",
        )
        if len(run.result["demonstrations"]) < 2:
            empty("No pair", "There is one demonstration.", 120)
        elif effects is not None:
            _picture(effects, run)
            st.markdown(md(words.redundancy(effects) or "No pair plainly teaches the same."))
            mode = EFFECT_MODES[effects["mode"]].label
            st.caption(f"Averaged over all sets of the others, measured with the effects {md(mode)}.")
        else:
            looking.draw(
                "pairs",
                run,
                ("Measure pairs", "Measuring pairs"),
                "Which demonstrations teach the same. Effects of up to 6 demonstrations bring their pairs "
                "along; of more, every two are turned down together.",
                lambda result: _measured(result, run),
            )


def _measured(result: Result, run: Run) -> None:
    rows = [{"id": demo["id"]} for demo in run.result["demonstrations"]]
    _picture({**result, "demonstrations": rows}, run)
    st.markdown(md(result["said"]))
    st.caption(OF[result["of"]])


def _picture(effects: Result, run: Run) -> None:
    titles = [str(demo["answer"]["title"]) for demo in run.result["demonstrations"]]
    chart(
        pairs(effects, titles, colours()),
        key=f"explain-pairs-{run.key[:12]}",
        width=PICTURE_PX,
        alt=describe(effects),
        name="pairs",
    )
