"""Fill by: how the desk is to be filled. A strategy, its size, several prompts, a model that pre-scores."""

from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard.state import desk, session, widgets
from dashboard.state.outcome import forget
from dashboard.state.view import View
from dashboard.text.formats import plural
from dashboard.ui import forms, help
from db.choices import SET, STRATEGIES
from db.requests import RunOptions
from db.requests.fields import field_of

COUNT, TOKENS = "count", "tokens"
UNITS = {COUNT: "this many", TOKENS: "this many tokens"}
USUAL = {COUNT: 4, TOKENS: 300}


def popover(view: View) -> None:
    """The form. It starts from the view and keeps a draft until the desk is filled in another way."""
    with st.popover("Fill by", key="fill"):
        name, _, size = view.options.demos.partition(":")
        if name == SET.name:  # which chooses nothing
            name, _, size = field_of(RunOptions, "demos").default.partition(":")
        unit = TOKENS if size.endswith("t") else COUNT
        number = int(size.removesuffix("t") or USUAL[COUNT])
        _strategy(view, name)
        picked = _unit(view, unit)
        start = number if picked == unit else USUAL[picked]
        key = widgets.drafting(f"fill-{picked}", view.options.demos)
        start = st.session_state.get(key, start)
        if picked == TOKENS:
            st.number_input("Tokens", 1, 99_999, value=start, step=20, key=key)
        else:
            st.number_input("How many", 0, max(forms.MOST, number), value=start, key=key)
        if (_option("prompts", view) or 1) > 1:
            st.caption("With several prompts there are no weights and no effects.")
        _option("prescore", view)
        if locked := len(desk.locked(view)):
            st.caption(f"{plural(locked, 'locked demonstration')} stay and count among them.")
        st.button("Fill the desk", on_click=_filled, key="fill-go", type="primary")


def _strategy(view: View, start: str) -> None:
    key = widgets.drafting("fill-name", view.options.demos)
    names = list(STRATEGIES)
    name = st.session_state.get(key, start)
    st.selectbox(
        "Strategy",
        names,
        index=names.index(name) if name in names else 0,
        format_func=lambda strategy: STRATEGIES[strategy].label,
        key=key,
        help=help.of(field_of(RunOptions, "demos")),
    )


def _unit(view: View, start: str) -> str:
    key = widgets.drafting("fill-unit", view.options.demos)
    return st.segmented_control(
        "Size",
        list(UNITS),
        default=st.session_state.get(key, start),
        required=True,
        format_func=UNITS.__getitem__,
        key=key,
        help=help.more(
            "A token budget compares strategies at equal length of the prompt.", "recommend#the-desk"
        ),
    )


def _option(name: str, view: View) -> Any:
    start = getattr(view.options, name)
    return forms.ask(field_of(RunOptions, name), f"fill-{name}", start, keep=False)


def _filled() -> None:
    name, unit = widgets.current("fill-name"), widgets.current("fill-unit") or COUNT
    number = widgets.current(f"fill-{unit}")
    number = USUAL[unit] if number is None else number
    forget()
    view = session.view()
    if name == "none" or number == 0:
        session.show(replace(view.filled("none", view.locked), chosen=desk.chosen(desk.locked(view))))
        return
    session.show(
        view.filled(
            f"{name}:{number}{'t' if unit == TOKENS else ''}",
            view.locked,
            keep=desk.kept(view),
            prompts=int(widgets.current("fill-prompts") or 1),
            prescore=widgets.current("fill-prescore") or None,
        )
    )
