"""Inside the model: what the dual model's step is made of, and how exactly it equals attention."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.explain import looking
from dashboard.screens.explain.explain_text import LABEL_LETTERS
from dashboard.screens.explain.identity_chart import describe as describe_meter
from dashboard.screens.explain.identity_chart import meter, worst
from dashboard.screens.explain.step_chart import describe, step_map
from dashboard.text.formats import plural, signed
from dashboard.text.literal import md
from dashboard.ui.chart import chart
from dashboard.ui.notices import card, colours, heading
from db.runs import Run

Result = Mapping[str, Any]


def draw(run: Run) -> None:
    """The cards of this section."""
    with card("identity", stretch=False):
        identity_card(run)
    with card("step", stretch=False):
        step_card(run)


def identity_card(run: Run) -> None:
    """How exactly attention equals the dual model, layer by layer."""
    heading(
        "Equivalence meter",
        "Attention against the dual model in every layer, where this prompt's answer is predicted. Dashed: "
        "what the number format's rounding may take.",
    )
    looking.draw(
        "identity",
        run,
        ("Check the identity", "Checking the identity"),
        "Every layer's attention rebuilt as one gradient step. Two passes of the model.",
        lambda result: _identity(result, run),
        height=200,
    )


def _identity(result: Result, run: Run) -> None:
    left, right = st.columns(2, gap="small")
    with left:
        chart(
            meter(result, colours()),
            key=f"identity-{run.key[:12]}",
            alt=describe_meter(result["layers"]),
            name="equivalence",
        )
    with right:
        st.dataframe(
            pd.DataFrame(
                {
                    "layer": [layer["layer"] + 1 for layer in result["layers"]],
                    "rebuilt attention": [f"{worst(layer):.1e}" for layer in result["layers"]],
                    "layer-local against true zero-shot": [
                        f"{layer['zero_shot_gap']:.1e}" for layer in result["layers"]
                    ],
                }
            ),
            hide_index=True,
            height=min(250, 36 * (len(result["layers"]) + 1)),
        )
    st.markdown(md(result["said"]))
    st.caption(
        f"Relative errors in {md(result['dtype'])}, the largest of forms A, B and C, at "
        f"{plural(result['positions'], 'position')}. The identity holds for any weights, trained or not."
    )


def step_card(run: Run) -> None:
    """The second reading of LRGD's metric, beside effects."""
    heading(
        "The dual model's step",
        "How far the dual model's own loss falls through each demonstration's part of its one gradient step. "
        "A second reconstruction of LRGD's metric, beside effects: it knows neither query nor target, so it "
        "cannot say what helps.",
    )
    looking.draw(
        "step",
        run,
        ("Measure the step", "Measuring the step"),
        "What the step is made of, layer by layer, and whether its order is that of measured effects.",
        lambda result: _step(result, run),
    )


def _step(result: Result, run: Run) -> None:
    titles = [str(demo["answer"]["title"]) for demo in run.result["demonstrations"]]
    left, right = st.columns(2, gap="small")
    with left:
        chart(
            step_map(result, titles, colours()),
            key=f"step-{run.key[:12]}",
            alt=describe(result),
            name="steps of the dual model",
        )
    with right:
        table = pd.DataFrame(
            {
                "": [str(at) for at in range(1, len(titles) + 1)],
                "demonstration": [md(title, LABEL_LETTERS) for title in titles],
                "share of the step": [f"**{100 * row['share']:.1f} %**" for row in result["rows"]],
                "effect": [signed(row["effect"]) for row in result["rows"]],
            }
        )
        st.table(table, border="horizontal", hide_index=True)
        st.markdown(md(result["said"]))
        st.caption("Shares are means over layers and heads and add up to 100 %. Effect: if you turn it down.")
