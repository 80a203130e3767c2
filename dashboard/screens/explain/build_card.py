"""Build-up: the learning curve over added demonstrations, and the path of all weights from 0 to twice."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.screens.explain import looking
from dashboard.screens.explain.build_chart import HEIGHT_PX, added, describe, path
from dashboard.text.literal import md
from dashboard.ui.chart import chart
from dashboard.ui.notices import card, colours, heading
from db.runs import Run

Result = Mapping[str, Any]


def draw(run: Run) -> None:
    """One card with both pictures."""
    with card("build", stretch=False):
        heading(
            "Build-up",
            "Left: demonstrations added one by one, each time as a prompt of its own. Right: one prompt "
            "whose demonstrations are all turned up together. Both are measured; up is better.",
        )
        looking.draw(
            "build",
            run,
            ("Measure the build-up", "Measuring the build-up"),
            "How the margin and the loss change with every added demonstration, and along the weights.",
            lambda result: _shown(result, run),
            height=HEIGHT_PX,
        )


def _shown(result: Result, run: Run) -> None:
    titles = [str(demo["answer"]["title"]) for demo in run.result["demonstrations"]]
    pictures = (
        ("added", added(result["added"], titles, colours()), describe(result["added"], "count")),
        ("path", path(result["path"], colours()), describe(result["path"], "weight")),
    )
    for cell, (name, figure, said) in zip(st.columns(2, gap="small"), pictures, strict=True):
        with cell:
            chart(figure, f"build-{name}-{run.key[:12]}", said, f"build-up, {name}")
    st.markdown(md(result["said"]))
    st.caption(
        "The two need not end at the same place on the left: without demonstrations the prompt is shorter, "
        "while at weight 0 they stand there unseen."
    )
