"""A widget whose answer outlives its page, for choices that belong to no request."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard.state import widgets


def remembered(
    widget: Callable[..., Any], label: str, name: str, start: Any, given: str = "default", **how: Any
) -> Any:
    """Draw `widget` and return the answer kept under `name`, at first `start`.

    `given`: the name of the widget's parameter for its default. An answer that is no option any more gives
    way to `start`. `how`: as the widget takes it.
    """
    answer = widgets.kept(name, start)
    chosen = answer if isinstance(answer, list) else [answer]
    if "options" in how and any(option not in how["options"] for option in chosen):
        answer = start
    key = widgets.showing(name, answer)

    def keep() -> None:
        widgets.keep(name, st.session_state[key])

    widget(label, key=key, on_change=keep, **{given: answer}, **how)
    return answer
