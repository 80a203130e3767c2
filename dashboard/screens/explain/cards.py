"""The cards of the Explain page: effects and their marks, how far to trust them, spread, forward tuning."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard.charts.base import CONFIG
from dashboard.charts.dots import Dot, dots
from dashboard.charts.dots import describe as describe_dots
from dashboard.screens.explain.explain_text import (
    agreement,
    disagreement,
    effect_dots,
    effect_table,
    estimator,
    forward_sentence,
    spread_dots,
    spread_sentence,
)
from dashboard.screens.explain.forward_chart import HEIGHT_PX, forward
from dashboard.screens.explain.forward_chart import describe as describe_forward
from dashboard.state import session
from dashboard.state.outcome import DIRECT, ESTIMATE
from dashboard.state.waiting import Answer
from dashboard.text import values, words
from dashboard.text.literal import md
from dashboard.ui import progress
from dashboard.ui.notices import (
    colours,
    empty,
    heading,
    problem,
)
from db import jobs
from db.choices import EDITS, EFFECT_MODES
from db.jobs import Job
from db.requests.run import FORWARD_MOST
from db.runs import Run

ROOM_PX = 240
LABEL_PX = 190
LOOKED_AT = 60  # newest jobs of a kind
DRAWN = ("weights", "dropout", "order")
Result = Mapping[str, Any]


def mode_of() -> str:
    """What taking one out is to mean; the stored kinds of effects are shown at once, others on request."""
    picked = st.segmented_control(
        "Taking one out",
        list(EFFECT_MODES),
        default=DIRECT,
        required=True,
        format_func=lambda mode: EFFECT_MODES[mode].label,
        key="explain-mode",
        label_visibility="collapsed",
    )
    return picked or DIRECT


def latest(kind: str, run: Run, mode: str = DIRECT) -> Job | None:
    """The newest job of a kind about this run's request."""
    request = run.request.to_json()
    newest = jobs.listing(session.store(), kinds=[kind], limit=LOOKED_AT)
    for job in newest:
        if job.payload.get("request") == request and job.payload.get("mode", DIRECT) == mode:
            return job
    return None


def _ask(kind: str, run: Run, options: Mapping[str, Any]) -> None:
    jobs.submit(session.store(), kind, {"request": run.request.to_json(), **options})


def _waits(job: Job | None, what: str, draw: Callable[[Result], None], nothing: tuple[str, str]) -> None:
    """The result of a job, or how far it is, or why there is none."""
    if job is None:
        empty(*nothing, ROOM_PX)
        return
    answer = Answer(job)
    if answer.pending:
        progress.watch(job, what)
        st.skeleton(height=ROOM_PX)
    elif answer.result is None:
        problem(answer.error or "")
    else:
        draw(answer.result)


def effects_card(run: Run, effects: Result | None, mode: str) -> None:
    """A row per demonstration: effect, taking out, reprompting."""
    st.caption(f"{EFFECT_MODES[mode].about}.")
    if effects is None:
        job = latest("effects", run, mode)
        if job is not None and job.state in (jobs.QUEUED, jobs.RUNNING):
            progress.watch(job, "Measuring effects")
            st.skeleton(height=ROOM_PX)
            return
        if job is not None and job.error:
            problem(job.error)
        empty("Not measured yet", "Effects are measured when a run is made on Recommend, or here.", 120)
        if st.button("Measure effects", type="primary", key="explain-measure"):
            _ask("effects", run, ESTIMATE if mode == DIRECT else {**ESTIMATE, "mode": mode})
            st.rerun()
        return
    _dots(effect_dots(effects, run.result["demonstrations"]), f"explain-effects-{run.key}-{mode}")
    st.markdown(md(words.shares(run.result["demonstrations"], effects)))


def _dots(rows: list[Dot], key: str) -> None:
    st.plotly_chart(
        dots(rows, "nats off the target's loss", colours(), 0.0, None, LABEL_PX),
        key=key,
        theme=None,
        config=CONFIG,
        alt=describe_dots(rows, "Effect in nats"),
    )


def trust_card(run: Run, effects: Result | None) -> None:
    """The estimator, its bound, and where other ways of measuring disagree."""
    heading("How far to trust them", "How they were measured, how exactly, and whether other ways agree.")
    if effects is None:
        empty("Nothing measured yet", "Measure the effects first.", 120)
        return
    cells = agreement(effects)
    for cell, (label, value, note) in zip(st.columns(len(cells), gap="small"), cells, strict=True):
        cell.metric(label, value, delta=note, delta_color="off", delta_arrow="off")
    st.markdown(md(estimator(effects)))
    st.markdown(md(disagreement(effects, run.result["demonstrations"])))
    st.caption(
        "Over many users: the study Faithfulness. A reconstruction of LRGD "
        "([arXiv 2504.04386](https://arxiv.org/abs/2504.04386))."
    )


def table_card(run: Run, effects: Result) -> None:
    """All numbers of all demonstrations."""
    heading("All numbers", "In desk order, in nats; attention is the share the question's words pay to each.")
    st.table(effect_table(effects, run.result["demonstrations"]), border="horizontal", hide_index=True)


def spread_card(run: Run, effects: Result | None) -> None:
    """Effects when weights, titles or order are disturbed."""
    heading(
        "Perturbation spread",
        "Effects while something is disturbed at random: dot and bar are mean and standard deviation, tick "
        "the robust effect (mean less the deviation), ring the undisturbed one.",
    )
    picked = st.pills(
        "Disturb",
        list(EDITS),
        selection_mode="multi",
        default=list(DRAWN),
        format_func=lambda name: EDITS[name].label,
        key="spread-kinds",
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="spread-start"):
        draws = st.number_input("Draws of each", 2, 256, value=16, key="spread-draws", width=140)
        if st.button("Disturb", key="spread-go", disabled=not picked):
            _ask("spread", run, {"kinds": list(picked), "draws": int(draws or 16)})
            st.rerun()
    nothing = ("Not measured yet", "Pick what to disturb and press Disturb.")
    _waits(latest("spread", run), "Disturbing", lambda result: _spread(result, run, effects), nothing)


def _spread(result: Result, run: Run, effects: Result | None) -> None:
    kinds = {kind["name"]: kind for kind in result.get("kinds") or []}
    if not kinds:
        empty("Nothing was measured", "No disturbance applies to these demonstrations.", ROOM_PX)
        return
    options = list(kinds)
    picked = st.segmented_control(
        "Disturbance",
        options,
        default=options[0],
        required=True,
        format_func=lambda name: md(kinds[name].get("label") or name, 40),
        key=f"spread-shown-{run.key}-{'-'.join(options)}",
        label_visibility="collapsed",
    )
    kind = kinds[picked] if picked in kinds else kinds[options[0]]
    about = EDITS[kind["name"]].about if kind["name"] in EDITS else ""
    if about:
        st.caption(f"{md(values.sentence(about))}.")
    undisturbed = (result.get("plain") or {}).get("effects") or {
        entry["id"]: entry["effect"] for entry in (effects or {}).get("demonstrations", [])
    }
    _dots(spread_dots(kind, undisturbed, run.result["demonstrations"]), f"spread-{run.key}-{kind['name']}")
    st.markdown(md(spread_sentence(kind, run.result["demonstrations"])))
    for left_out in result.get("left_out") or []:
        st.caption(f":orange[Left out:] {md(left_out.get('reason'), 200)}")


def forward_card(run: Run) -> None:
    """Going over the demonstrations several times before the question."""
    heading(
        "Forward tuning",
        "The demonstrations are read several times, each time moved by what was read before, then the "
        "question is answered (arXiv 2305.13016). Below zero is better.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="forward-start"):
        count = st.number_input("Times, at most", 1, FORWARD_MOST, value=8, key="forward-count", width=140)
        step = st.number_input(
            "Step",
            0.01,
            2.0,
            value=None,
            step=0.05,
            format="%.2f",
            key="forward-step",
            width=140,
            placeholder="usual",
        )
        if st.button("Read again", key="forward-go"):
            asked = {"iterations": int(count or 8)} | ({"step": float(step)} if step else {})
            _ask("forward", run, asked)
            st.rerun()
    nothing = ("Not measured yet", "Choose how often they are read and press Read again.")
    _waits(latest("forward", run), "Reading again", lambda result: _forward(result, run), nothing)


def _forward(result: Result, run: Run) -> None:
    curve = result.get("curve") or []
    if not curve:
        empty("Nothing was measured", "The result holds no pass.", HEIGHT_PX)
        return
    st.plotly_chart(
        forward(
            curve,
            colours(),
            result.get("probe_curve") or (),
            result.get("chosen"),
        ),
        key=f"forward-{run.key}",
        theme=None,
        config=CONFIG,
        alt=describe_forward(curve),
    )
    st.markdown(md(forward_sentence(result, run.result["target"])))
    st.caption(
        "The ring is chosen on the last known purchase alone; the target's own curve is there to report. To "
        "rank with it, set the times under Options, Methods on Recommend."
    )
