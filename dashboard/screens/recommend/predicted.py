"""The pool in the order of what each demonstration would do to the target, where a person asks for it.

The order has seen the target, and the page says so: it is offered once a run of this user shows the target,
and nothing that chooses demonstrations reads it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.state import session
from dashboard.state.outcome import MEASURE
from dashboard.state.view import View
from dashboard.state.waiting import Answer
from dashboard.text.literal import md
from dashboard.ui import progress
from dashboard.ui.notices import problem
from dashboard.ui.remembered import remembered
from db.datasets import Interaction
from db.effect_results import SEEN, UNITS, of_pool

NAME = "pool-predicted"  # of the switch
COLUMN = "predicted effect"
ROOM_PX = 300
ABOUT = (
    f"What adding it last, to what is on the desk, changes ({UNITS[MEASURE]}; above 0: for the target). Of a "
    "large pool the 64 most similar are measured."
)

Effects = Mapping[str, float | None]
Ask = Callable[[str, dict[str, Any]], Answer]
Draw = Callable[[Effects], None]


def shown(
    view: View, rows: Sequence[Mapping[str, Any]], target: Interaction | None, ask: Ask, draw: Draw
) -> None:
    """The switch, and the pool drawn by `draw` with the effects of its rows, or with none.

    ask: a job's kind and payload to its `Answer`. target: None while it must not be named.
    """
    request, why = view.request(), obstacle(view, target)
    on = remembered(
        st.toggle, "By predicted effect", NAME, False, "value", disabled=why is not None, help=ABOUT
    )
    if why is not None:
        st.caption(why)
    if not on or why is not None or request is None:
        draw({})
        return
    ids = [row["id"] for row in rows]
    answer = ask("predicted", {"request": request.to_json(), "demonstrations": ids, "measure": MEASURE})

    def ended(answer: Answer) -> None:
        if answer.result is None:
            problem(answer.error or "")
            draw({})
            return
        st.caption(f"{md(of_pool(answer.result))} :orange[{md(SEEN)}]")
        draw(answer.result["effects"])

    progress.later(answer, "Adding each of the pool to the prompt", ROOM_PX, ended)


def obstacle(view: View, target: Interaction | None) -> str | None:
    """Why there is no such order here, in a sentence; None where there is."""
    if session.endpoint(view.model) is not None:
        return "By predicted effect: only with a model whose weights are here."
    options = view.options
    if (options.prompts > 1 and view.chosen is None) or options.perturb or options.forward:
        return "By predicted effect: only for one plain prompt, without perturbation or forward tuning."
    if target is None:
        return "By predicted effect: only once the target is known. Run the list first."
    return None


def ordered(rows: Sequence[Any], effects: Effects) -> list[Any]:
    """The rows with the largest effect first; those without one in their order, last."""
    known = {row["id"]: effects.get(row["id"]) for row in rows}
    return sorted(rows, key=lambda row: (known[row["id"]] is None, -(known[row["id"]] or 0.0)))


def with_column(frame: pd.DataFrame, rows: Sequence[Mapping[str, Any]], effects: Effects) -> pd.DataFrame:
    """The pool's table with a column of effects, where there are any."""
    if effects:
        frame.insert(0, COLUMN, [effects.get(row["id"]) for row in rows])
    return frame
