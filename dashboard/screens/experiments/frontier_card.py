"""What quality costs: NDCG@10 against tokens or time, and the cheapest row that keeps it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.screens.experiments.experiment_text import Experiment
from dashboard.screens.experiments.frontier_chart import describe_frontier, frontier
from dashboard.text.literal import md
from dashboard.ui.chart import chart
from dashboard.ui.notices import colours, heading
from dashboard.ui.remembered import remembered


def known(experiment: Experiment) -> dict[str, Mapping[str, Any]]:
    """The frontiers that the result has, by what they cost."""
    found = experiment.found
    both = {"tokens": found.get("frontier"), "time": (found.get("timings") or {}).get("frontier")}
    return {name: each for name, each in both.items() if each and each.get("rows")}


def draw(experiment: Experiment) -> None:
    """The card, where some row has costs."""
    frontiers, job = known(experiment), experiment.job.id
    heading(
        "What quality costs",
        "A point is a row. The dotted line joins the rows that no other one beats in both; the star is the "
        "cheapest row that is not inferior to the best (diamond).",
    )
    names = list(frontiers)
    cost = names[0]
    if len(names) > 1:
        cost = remembered(
            st.segmented_control,
            "Cost",
            f"experiment-cost-{job}",
            names[0],
            options=names,
            required=True,
            label_visibility="collapsed",
        )
    found = frontiers[cost]
    unit = str(found.get("unit") or cost)
    figure = frontier(found["rows"], unit, colours(), str(found.get("best")), str(found.get("cheapest")))
    chart(
        figure,
        f"experiment-frontier-{job}",
        describe_frontier(found["rows"], unit),
        f"NDCG@10 against {cost}",
        found["rows"],
    )
    if found.get("said"):
        st.markdown(md(found["said"]))
