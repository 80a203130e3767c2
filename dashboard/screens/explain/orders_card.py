"""The order map: what another order would have done, and where in a list the target does best."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.explain import looking
from dashboard.screens.explain.orders_chart import HEIGHT_PX, describe, order_map
from dashboard.text.formats import number, rank_number, signed
from dashboard.text.literal import md
from dashboard.ui.chart import chart
from dashboard.ui.notices import card, colours, heading
from db.runs import Run

BEST = 3  # orders in the table
Result = Mapping[str, Any]


def draw(run: Run) -> None:
    """One card."""
    with card("orders", stretch=False):
        heading(
            "Order map",
            "The same demonstrations in other orders, each ranked anew: measured, not divided. Right: the "
            "same question as a list of all candidates, with the target at each place.",
        )
        looking.draw(
            "orders",
            run,
            ("Try other orders", "Trying other orders"),
            "How far the margin depends on the order of the demonstrations, and on where the target stands "
            "in a list. Up to 24 rankings and 20 listwise prompts.",
            lambda result: _shown(result, run),
            height=HEIGHT_PX,
        )


def _shown(result: Result, run: Run) -> None:
    titles = [demo["answer"]["title"] for demo in run.result["demonstrations"]]
    chart(
        order_map(result, titles, colours()),
        key=f"orders-{run.key[:12]}",
        alt=describe(result),
        name="orders",
    )
    st.markdown(md(result["said"]))
    if result["places"] and run.request.scoring != "listwise":
        st.caption(
            "The list is a probe: the run itself scores each candidate alone, where no place can matter."
            if run.request.scoring != "yes_no"
            else "The list is a probe: the run itself asks about each candidate alone."
        )
    st.table(_table(result), border="horizontal", hide_index=True)


def _table(result: Result) -> pd.DataFrame:
    """The run's order, the best ones and the worst."""
    rows = result["orders"]
    ordered = sorted(rows[1:], key=lambda row: -row["margin"])
    shown = [("this run", rows[0])]
    shown += [("best" if not at else "", row) for at, row in enumerate(ordered[:BEST])]
    shown += [("worst", ordered[-1])] if len(ordered) > BEST else []
    return pd.DataFrame(
        {
            "": [name for name, _ in shown],
            "order": [" · ".join(str(demo + 1) for demo in row["order"]) for _, row in shown],
            "margin": [f"**{signed(row['margin'])}**" for _, row in shown],
            "loss, nats": [number(row["loss"]) for _, row in shown],
            "rank": [rank_number(row["rank"]) for _, row in shown],
        }
    )
