"""The left card: the two lists, where this result comes from, and the row of numbers under it."""

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.charts.bump import height, pair, shown
from dashboard.screens.recommend import other_lists, welcome
from dashboard.state.outcome import Outcome
from dashboard.state.view import View
from dashboard.text import words
from dashboard.text.formats import (
    ARROW,
    ago,
    number,
    plural,
    rank,
    rank_number,
    seconds,
    signed,
)
from dashboard.text.literal import md
from dashboard.ui import help, progress
from dashboard.ui.notices import HEAD_PX, empty, problem
from dashboard.ui.two_lists import two_lists
from db.requests import request_notes
from db.runs import Run

MOST = 20  # ranks shown
SAME = 0.02  # of two log-shares that are the same number
NUMBERS_PX = 92  # the metric row, reserved while there is none


def board(view: View, outcome: Outcome, past: str) -> Any:
    """Draw the card's content; its height does not depend on how far the work is.

    `past`: what users of this data set did with an item, such as bought. Returns the cell for `total_effect`,
    which is known later than the list; None without a run.
    """
    run = outcome.run
    with st.container(
        horizontal=True, vertical_alignment="center", key="board-head", height=HEAD_PX, border=False
    ):
        st.subheader("Recommendations", anchor=False, width="content")
        if run is not None and outcome.current:
            other_lists.opener(run)
        with st.container(key="board-status"):
            _status(outcome)
    gold = f"really {past} next" if view.options.target == "test" else f"{past} before the last"
    st.caption(
        f"{_of_before(outcome)}"
        "Rank of each candidate without demonstrations (left) and with the desk's (right). "
        f"Gold: what this user {gold}."
    )
    with st.container(key="board", gap="xsmall"):
        return _body(view, outcome)


def _of_before(outcome: Outcome) -> str:
    """A sentence where the list is not what this version of the engine would answer to this setting."""
    if outcome.run is None:
        return ""
    if outcome.outdated:
        return (
            ":orange[Not current:] an earlier version of the engine or of the model made this list, or one "
            "with another number format or device. Run ranks it anew. "
        )
    return "" if outcome.current else ":orange[Not current:] this list belongs to the setting before. "


def _body(view: View, outcome: Outcome) -> Any:
    run = outcome.run
    if outcome.problem:
        problem(outcome.problem)
    if run is None:
        places = shown(view.options.candidates, MOST)
        if not outcome.pending:
            empty(
                "Not ranked yet",
                f"Run ranks {view.options.candidates} candidates without and with the demonstrations.",
                height(places) + NUMBERS_PX,
            )
        else:
            st.skeleton(height=height(places) + NUMBERS_PX)
        return None
    rows = pair(run.result["zero_shot"], run.result["items"])
    two_lists(rows, "bump", most=MOST, run=run.key)
    cell = _numbers(run)
    request = view.request()
    own = request_notes(request, run.result) if request is not None and outcome.current else []
    for note in [*(run.result.get("notes") or []), *own]:
        st.caption(f":orange[Note:] {md(note)}")
    return cell


def _status(outcome: Outcome) -> None:
    """Where the numbers come from, or what is being waited for."""
    if outcome.pending is not None:
        progress.watch(outcome.pending, "Ranking", welcome.around())
        return
    run = outcome.run
    if run is None or not outcome.current:
        return
    text = provenance(run, fresh=outcome.fresh, now=time.time())
    st.caption(text, width="stretch", text_alignment="right")


def provenance(run: Run, *, fresh: bool, now: float) -> str:
    """Computed just now, or served from the store with its original timing."""
    took = seconds(total_s(run.timings_ms))
    if fresh:
        return f"Computed just now in {took}."
    return f":blue-badge[cached] first computed {ago(run.created_at, now)} in {took}."


def total_s(timings_ms: Mapping[str, float]) -> float | None:
    """Seconds a run took in all."""
    total = timings_ms.get("total")
    if total is None:
        total = sum(timings_ms.values()) if timings_ms else None
    return None if total is None else total / 1000


def _numbers(run: Run) -> Any:
    """The metric row: before, an arrow, after. Returns the cell of the total effect."""
    result, metrics = run.result, run.result["metrics"]
    zero = metrics["zero_shot"]
    up = zero["rank"] - metrics["rank"]
    cells = st.columns((0.95, 1.35, 1.05, 1.12, 0.93), gap="xsmall")
    cells[0].metric(
        "Target's rank",
        f"{rank_number(zero['rank'])} {ARROW} {rank_number(metrics['rank'])}",
        help=ties_help(metrics),
        delta=f"{rank_number(abs(up))} {'up' if up > 0 else 'down'}" if up else "same",
        delta_color="blue" if up > 0 else "orange" if up else "gray",
        delta_arrow="up" if up > 0 else "down" if up else "off",
    )
    cells[1].metric(
        "Loss of the target",
        "–"
        if result["loss"] is None
        else _change(result["loss_zero_shot"], result["loss"], loss_digits(result["loss_zero_shot"])),
        delta="nats, less is better",
        delta_color="off",
        delta_arrow="off",
    )
    cells[3].metric(
        "NDCG@10",
        _change(zero["ndcg10"], metrics["ndcg10"], 2),
        delta="1 is best",
        delta_color="off",
        delta_arrow="off",
    )
    cells[4].metric(
        "Time",
        seconds(total_s(run.timings_ms)),
        help=" · ".join(f"{md(step)} {seconds(ms / 1000)}" for step, ms in run.timings_ms.items()) or None,
        delta=plural(result["prompt"]["tokens"], "token"),
        delta_color="off",
        delta_arrow="off",
    )

    return cells[2].empty()


def ties_help(metrics: Mapping[str, Any]) -> str | None:
    """Where the target is tied, in which list and with how many; None where it is not."""
    lists = {"without demonstrations": metrics["zero_shot"], "with them": metrics}
    tied = [f"{rank(entry)} {which}" for which, entry in lists.items() if entry.get("tied")]
    return f"{'; '.join(tied)}. The number is the mean over a random order of equal scores." if tied else None


def loss_digits(loss: float) -> int:
    """Digits after the point: a long title loses hundreds of nats, and two of them stand side by side."""
    return 2 if abs(loss) < 100 else 1 if abs(loss) < 1000 else 0


def total_effect(cell: Any, run: Run, effects: Mapping[str, Any] | None) -> None:
    """The total in its cell; until it is measured, the change between the two lists."""
    if run.result["loss"] is None:
        cell.metric("Total effect", "–", help="Free text has no likelihoods that could change.")
        return
    total, measure = _total(run, effects)
    cell.metric(
        "Total effect",
        signed(total),
        help=help.more(total_help(run, effects), "formulas#effects"),
        delta={"margin": "log-share", "loss": "nats off loss"}[measure],
        delta_color="blue" if total > 0.005 else "orange" if total < -0.005 else "gray",
        delta_arrow="off",
    )


def _total(run: Run, effects: Mapping[str, Any] | None) -> tuple[float, str]:
    """The total effect and its measure."""
    if effects:
        return effects["effect_total"], effects["measure"]
    margins = run.result.get("margin_zero_shot"), run.result.get("margin")
    if margins[0] is not None and margins[1] is not None:
        return margins[1] - margins[0], "margin"
    return run.result["loss_zero_shot"] - run.result["loss"], "loss"


def total_help(run: Run, effects: Mapping[str, Any] | None) -> str:
    """What the total is of, and whether it is the change between the two lists."""
    if effects and effects["measure"] == "margin":
        change = _change(effects["value_zero_shot"], effects["value"], 2)
        own = run.result.get("margin_zero_shot"), run.result.get("margin")
        said = f"Sum of the effects {words.MODES[effects['mode']]}: the log of the target's share ({change})."
        if own[0] is None or own[1] is None:
            return said
        if abs(own[1] - own[0] - effects["effect_total"]) < SAME:
            return f"{said} It is the change between the two lists."
        lists = _change(own[0], own[1], 2)
        return f"{said} Between the two lists it changes otherwise ({lists}): {_why(effects)}"
    if not effects:
        what = {"margin": "log of the target's share", "loss": "loss of the target"}[_total(run, None)[1]]
        return f"The change of the {what} between the two lists. No effect is measured yet."
    change = _change(effects["value_zero_shot"], effects["value"], 2)
    said = f"Sum of the effects {words.MODES[effects['mode']]}: the loss of the target ({change} nats)."
    if abs(run.result["loss_zero_shot"] - run.result["loss"] - effects["effect_total"]) < SAME:
        return f"{said} It is the change on the left."
    return f"{said} On the left it changes otherwise: {_why(effects)}"


def _why(effects: Mapping[str, Any]) -> str:
    """Why effects do not add up to the change between two lists, by what leaving out means."""
    if effects["mode"] == "reprompt":
        return (
            "dropped, a demonstration of weight 0 is not in the prompt, and the history stays as short as "
            "demonstrations made it."
        )
    return (
        "turned down, demonstrations keep their place in the prompt, and a model also reacts to where words "
        "stand."
    )


def _change(before: float, after: float, digits: int) -> str:
    return f"{number(before, digits)} {ARROW} {number(after, digits)}"
