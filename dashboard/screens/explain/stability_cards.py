"""Cards about stability: effects under perturbations, and forward tuning."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard.screens.explain.effects_chart import effect_chart
from dashboard.screens.explain.explain_text import forward_sentence, spread_dots, spread_sentence
from dashboard.screens.explain.forward_chart import HEIGHT_PX, forward
from dashboard.screens.explain.forward_chart import describe as describe_forward
from dashboard.state.measuring import file, newest, obstacle
from dashboard.state.waiting import Answer
from dashboard.text import values
from dashboard.text.literal import md
from dashboard.ui import progress, rights
from dashboard.ui.chart import chart
from dashboard.ui.notices import colours, empty, heading, problem
from dashboard.ui.remembered import remembered
from db.choices import EDITS
from db.requests.run import FORWARD_MOST
from db.runs import Run

ROOM_PX = 240
DRAWN = ("weights", "dropout", "order")
Result = Mapping[str, Any]


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
    rights.work_button(
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
    effect_chart(rows, f"spread-{run.key}-{kind['name']}", measure)
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
    chart(
        forward(
            curve,
            colours(),
            result.get("probe_curve") or (),
            result.get("chosen"),
        ),
        key=f"forward-{run.key}",
        alt=describe_forward(curve),
        name="forward tuning",
    )
    st.markdown(md(forward_sentence(result)))
    st.caption(
        "Ringed: the number of iterations chosen on the last known interaction, never on the target. To rank "
        "with it, set forward tuning under Options, Methods on Recommend."
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
