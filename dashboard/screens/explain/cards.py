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
from dashboard.screens.explain.pairs_chart import describe as describe_pairs
from dashboard.screens.explain.pairs_chart import pairs
from dashboard.state import session
from dashboard.state.measuring import file, file_effects, newest, obstacle
from dashboard.state.outcome import REPROMPT
from dashboard.state.waiting import Answer
from dashboard.text import values, words
from dashboard.text.literal import md
from dashboard.ui import effects_offer, forms, progress
from dashboard.ui.notices import (
    colours,
    empty,
    heading,
    problem,
)
from dashboard.ui.remembered import remembered
from db.choices import EDITS, EFFECT_MODES
from db.effect_results import proxied
from db.endpoints import Endpoint
from db.requests.run import FORWARD_MOST
from db.runs import Run

ROOM_PX = 240
LABEL_PX = 250
DRAWN = ("weights", "dropout", "order")
AXES = {"margin": "change of the log of the target's share", "loss": "nats off the target's loss"}
"""What each measure of effects is, at an axis."""
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


def _waits(kind: str, run: Run, what: str, draw: Callable[[Result], None], nothing: tuple[str, str]) -> None:
    """The result of this kind of job about the run, or how far it is, or why there is none."""
    job = newest(kind, run)
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


def effects_card(run: Run, effects: Result | None, mode: str, other: Result | None = None) -> None:
    """A row per demonstration: effect, interval, and that one alone left out. `other`: with both ways."""
    st.caption(f"{EFFECT_MODES[mode].about}.")
    if effects is None:
        empty("Not measured yet", "A run's effects are measured once and stored with it.", 120)
        effects_offer.draw(run, "Measure effects", mode)
        return
    rows = effect_dots(effects, run.result["demonstrations"])
    _dots(rows, f"explain-effects-{run.key}-{mode}", effects["measure"])
    st.markdown(md(words.shares(run.result["demonstrations"], effects)))
    if other is not None and (said := words.opposed(other)):
        st.caption(f":orange[Note:] {md(said)}")
    for note in effects.get("notes") or []:
        st.caption(f":orange[Note:] {md(note)}")


def _dots(rows: list[Dot], key: str, measure: str) -> None:
    st.plotly_chart(
        dots(rows, AXES[measure], colours(), 0.0, None, LABEL_PX),
        key=key,
        theme=None,
        config=CONFIG,
        alt=describe_dots(rows, f"Effect: {AXES[measure]}"),
    )


def pairs_card(run: Run, effects: Result) -> None:
    """Which demonstrations teach the same and which need each other."""
    heading(
        "Pairs",
        "Interaction of every two. Below zero (orange) they teach the same: beside one, the other adds less. "
        "Above (blue) they need each other.",
    )
    if not effects.get("interactions"):
        empty(*no_pairs(effects), 120)
        return
    titles = [str(demo["answer"]["title"]) for demo in run.result["demonstrations"]]
    st.plotly_chart(
        pairs(effects, titles, colours()),
        key=f"explain-pairs-{run.key}-{effects['mode']}",
        theme=None,
        config=CONFIG,
        alt=describe_pairs(effects),
    )
    st.markdown(md(words.redundancy(effects) or "No pair plainly teaches the same."))


def no_pairs(effects: Result) -> tuple[str, str]:
    """Why there is no picture of pairs."""
    if len(effects["demonstrations"]) < 2:
        return "No pair", "There is one demonstration."
    return "Not measured", "Pairs take all subsets: exact effects have them, and effects are exact up to 6."


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
        st.button(
            "Measure beside it",
            key=f"proxy-go-{run.key[:12]}",
            disabled=name is None or obstacle(run) is not None,
            on_click=file_effects,
            args=(run, REPROMPT, name),
            help=f"The local model's effects of the same demonstrations, without calls to {endpoint.served}.",
        )


def table_card(run: Run, effects: Result) -> None:
    """All numbers of all demonstrations."""
    heading(
        "All numbers",
        f"In prompt order: {AXES[effects['measure']]}. Second reading: nats off the loss of the target's "
        "title. Attention: the query's share of attention on each.",
    )
    st.table(effect_table(effects, run.result["demonstrations"]), border="horizontal", hide_index=True)


def spread_card(run: Run, effects: Result | None) -> None:
    """Effects under random changes of weights, titles or order."""
    heading(
        "Perturbation spread",
        "Effects under random perturbations, if you turn one down. Dot and bar: mean and standard deviation. "
        "Tick: robust effect, mean minus deviation. Ring: effect without perturbation.",
    )
    picked = remembered(
        st.pills,
        "Perturbations",
        "spread-kinds",
        list(DRAWN),
        options=list(EDITS),
        selection_mode="multi",
        format_func=lambda name: EDITS[name].label,
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="spread-start"):
        draws = _number("Draws of each", "spread-draws", 16, min_value=2, max_value=256)
        options = {"kinds": list(picked), "draws": int(draws or 16)}
        _run("Run perturbations", "spread", run, options, disabled=not picked)
    nothing = ("Not measured yet", "Select perturbations and press Run perturbations.")
    _waits("spread", run, "Running perturbations", lambda result: _spread(result, run, effects), nothing)


def _number(label: str, name: str, start: float | None, **how: Any) -> Any:
    return remembered(st.number_input, label, name, start, "value", width=140, **how)


def _run(label: str, kind: str, run: Run, options: Mapping[str, Any], *, disabled: bool = False) -> None:
    """A button that files a job about the run."""
    reason = obstacle(run)
    st.button(
        label,
        key=f"{kind}-go",
        disabled=disabled or reason is not None,
        help=md(reason) if reason else None,
        on_click=file,
        args=(kind, run, options),
    )


def _spread(result: Result, run: Run, effects: Result | None) -> None:
    kinds = {kind["name"]: kind for kind in result.get("kinds") or []}
    if not kinds:
        empty("Nothing was measured", "No perturbation applies to these demonstrations.", ROOM_PX)
        return
    options = list(kinds)
    picked = st.segmented_control(
        "Perturbation shown",
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
    unperturbed = (result.get("plain") or {}).get("effects") or {
        entry["id"]: entry["effect"] for entry in (effects or {}).get("demonstrations", [])
    }
    measure = str(result.get("measure") or "loss")  # earlier versions had no other
    rows = spread_dots(kind, unperturbed, run.result["demonstrations"], measure)
    _dots(rows, f"spread-{run.key}-{kind['name']}", measure)
    st.markdown(md(spread_sentence(kind, run.result["demonstrations"], measure)))
    for left_out in result.get("left_out") or []:
        st.caption(f":orange[Left out:] {md(left_out.get('reason'), 200)}")


def forward_card(run: Run) -> None:
    """Processing the demonstrations several times before the query."""
    heading(
        "Forward tuning",
        "The model processes the demonstrations several times, each time adjusted by the pass before, then "
        "answers the query (arXiv 2305.13016). Below zero is better.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="forward-start"):
        count = _number("Most iterations", "forward-count", 8, min_value=1, max_value=FORWARD_MOST)
        step = _number(
            "Step size",
            "forward-step",
            None,
            min_value=0.01,
            max_value=2.0,
            step=0.05,
            format="%.2f",
            placeholder="default",
        )
        options = {"iterations": int(count or 8)} | ({"step": float(step)} if step else {})
        _run("Run forward tuning", "forward", run, options)
    nothing = ("Not measured yet", "Set the number of iterations and press Run forward tuning.")
    _waits("forward", run, "Running forward tuning", lambda result: _forward(result, run), nothing)


def _forward(result: Result, run: Run) -> None:
    curve = result.get("curve") or []
    if not curve:
        empty("Nothing was measured", "The result holds no iteration.", HEIGHT_PX)
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
    st.markdown(md(forward_sentence(result)))
    st.caption(
        "Ringed: the number of iterations chosen on the last known interaction, never on the target. To rank "
        "with it, set forward tuning under Options, Methods on Recommend."
    )
