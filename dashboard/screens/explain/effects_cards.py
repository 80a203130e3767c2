"""Cards about effects: the effects with their marks, pairs, how far to trust them, and all numbers."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.screens.explain.effects_chart import AXES, effect_chart
from dashboard.screens.explain.explain_text import (
    agreement,
    disagreement,
    effect_dots,
    effect_table,
    estimator,
)
from dashboard.state import session
from dashboard.state.measuring import file_effects, newest, obstacle
from dashboard.state.outcome import REPROMPT
from dashboard.state.waiting import Answer
from dashboard.text import words
from dashboard.text.literal import md
from dashboard.ui import effects_offer, forms, progress, rights
from dashboard.ui.notices import empty, heading
from dashboard.ui.remembered import remembered
from db.choices import EFFECT_MODES
from db.effect_results import proxied
from db.endpoints import Endpoint
from db.runs import Run
from db.shared_items import evidence, summary

Result = Mapping[str, Any]


def mode_of(start: str) -> str:
    """What leaving one out means, at first `start`. Stored effects are shown, others measured on request."""
    return remembered(
        st.segmented_control,
        "What leaving out means",
        "explain-mode",
        start,
        options=[mode for mode in EFFECT_MODES if mode != "auto"],
        required=True,
        format_func=lambda mode: EFFECT_MODES[mode].label,
        label_visibility="collapsed",
    )


def effects_card(run: Run, effects: Result | None, mode: str, other: Result | None = None) -> None:
    """A row per demonstration: effect, interval, and that one alone left out. `other`: with both ways."""
    st.caption(f"{EFFECT_MODES[mode].about}.")
    if effects is None:
        empty("Not measured yet", "A run's effects are measured once and stored with it.", 120)
        effects_offer.draw(run, "Measure effects", mode)
        return
    rows = effect_dots(effects, run.result["demonstrations"])
    effect_chart(rows, f"explain-effects-{run.key}-{mode}", effects["measure"])
    st.markdown(md(words.shares(run.result["demonstrations"], effects)))
    if other is not None and (said := words.opposed(other)):
        st.caption(f":orange[Note:] {md(said)}")
    for note in effects.get("notes") or []:
        st.caption(f":orange[Note:] {md(note)}")


def trust_card(run: Run, effects: Result | None) -> None:
    """The estimator, its intervals, and where leaving one out alone disagrees."""
    heading("How far to trust them", "How the effects were measured, how exactly, and what confirms them.")
    if effects is None:
        empty("Nothing measured yet", "Measure the effects first.", 120)
        return
    cells = agreement(effects)
    for cell, (label, value, note) in zip(st.columns(len(cells), gap="small"), cells, strict=True):
        cell.metric(label, value, delta=note, delta_color="off", delta_arrow="off")
    st.markdown(md(estimator(effects)))
    st.markdown(md(disagreement(effects, run.result["demonstrations"])))
    st.caption(
        "The study Faithfulness measures this over many users. A reconstruction of LRGD "
        "([arXiv 2504.04386](https://arxiv.org/abs/2504.04386))."
    )


def proxy(run: Run, effects: Result | None, endpoint: Endpoint) -> None:
    """A local model whose effects stand beside: which, how far both agree, and how to measure it."""
    names = [model.name for model in session.local_models()]
    if not names or effects is None:
        return
    if beside := effects.get("proxy"):
        st.markdown(md(proxied(beside)))
    job = newest("effects", run, REPROMPT)
    if job is not None and Answer(job).pending:
        progress.watch(job, "Measuring with a local model")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = forms.model("Local model beside it", "explain-proxy", session.local_models())
        rights.work_button(
            "Measure beside it",
            key=f"proxy-go-{run.key[:12]}",
            disabled=name is None or obstacle(run) is not None,
            on_click=file_effects,
            args=(run, REPROMPT, name),
            help=f"The local model's effects of the same demonstrations, without calls to {endpoint.served}.",
        )


def shared_card(run: Run) -> None:
    """Which items of the user's history each demonstration shows, in words."""
    heading(
        "What they share with the user", "Items of the history in the prompt that a demonstration shows too."
    )
    rows = evidence(run.result)
    st.markdown("\n".join(f"{row.number}. {md(row.sentence)}" for row in rows))
    st.markdown(md(summary(rows)))


def table_card(run: Run, effects: Result) -> None:
    """All numbers of all demonstrations."""
    heading(
        "All numbers",
        f"In prompt order: {AXES[effects['measure']]}. Second reading: nats off the loss of the target's "
        "title. Attention: the query's share of attention on each.",
    )
    st.table(effect_table(effects, run.result["demonstrations"]), border="horizontal", hide_index=True)
