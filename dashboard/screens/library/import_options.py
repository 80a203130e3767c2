"""The fields of an import's form: its name, and the options that files cannot tell or leave open."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard.ui import help

DATES = {None: "as detected", "month-first": "month first", "day-first": "day first"}
HEADER = {None: "as detected", "yes": "names the columns", "no": "is the first row"}
ALWAYS = ("min_history", "k_core", "min_rating", "repeats")  # options that every import is given
LEFT_OPEN = ("rating_scale", "encoding", "dates", "header")  # those that only a person's answer sets
READING = ("encoding", "header")  # of these, those that change what the preview shows
REPEATS = {"first": "keep the first", "last": "keep the last", "all": "keep all"}


def fields(state: Mapping[str, Any], start: str) -> None:
    """Draw them, with what was said in an earlier try. `start`: the name that is proposed."""
    before = state.get("options") or {}

    def key(field: str) -> str:
        return _key(state, field)

    cells = st.columns(5, vertical_alignment="bottom", gap="small")
    cells[0].text_input("Name of the data set", value=start, key=key("name"))
    cells[1].number_input(
        "Fewest per user",
        1,
        1000,
        before.get("min_history") or 3,
        key=key("min_history"),
        help=help.more(
            "Users with fewer interactions are left out. 3 leaves a history, a probe and a target.",
            "data#splits",
        ),
    )
    cells[2].number_input(
        "k-core (0 is off)",
        0,
        100,
        before.get("k_core") or 0,
        key=key("k_core"),
        help=help.more(
            "Leaves out users and items with fewer interactions, until none is left. Usual in papers: 5.",
            "data#what-is-cleaned",
        ),
    )
    cells[3].number_input(
        "Keep ratings from",
        value=before.get("min_rating"),
        key=key("min_rating"),
        placeholder="all",
        help=help.more("Usual for liked: 4.", "data#what-is-cleaned"),
    )
    cells[4].selectbox(
        "Repeats",
        list(REPEATS),
        index=list(REPEATS).index(before.get("repeats") or "first"),
        key=key("repeats"),
        format_func=REPEATS.__getitem__,
        help=help.more("Of a user's interactions with the same item.", "data#what-is-cleaned"),
    )
    _left_open(before, key)


def said(state: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """What the fields say: the name, and the options of an import."""
    held = {field: st.session_state[_key(state, field)] for field in ("name", *ALWAYS, *LEFT_OPEN)}
    held = {field: value.strip() if isinstance(value, str) else value for field, value in held.items()}
    options = {field: held[field] for field in ALWAYS}
    return held["name"] or None, options | {field: held[field] for field in LEFT_OPEN if held[field]}


def _key(state: Mapping[str, Any], field: str) -> str:
    return f"import-{field}-{state.get('round', 0)}"


def _left_open(before: Mapping[str, Any], key: Callable[[str], str]) -> None:
    """What files may leave open and a person can say; empty where the files are to tell."""
    cells = st.columns(4, vertical_alignment="bottom", gap="small")
    cells[0].text_input(
        "Rating scale",
        before.get("rating_scale") or "",
        key=key("rating_scale"),
        placeholder="as detected, or 1:10",
        help=help.more(
            "LOW:HIGH, with LIKED and DISLIKED where not the usual ones: 1:10:7:4. Or: counts.",
            "data#ratings",
        ),
    )
    cells[1].selectbox(
        "Dates such as 03/04",
        list(DATES),
        index=list(DATES).index(before.get("dates")),
        key=key("dates"),
        format_func=DATES.__getitem__,
        help=help.more(
            "Which number is the month, where no date of the file tells it.", "data#dates-and-encodings"
        ),
    )


def reading(state: dict[str, Any]) -> None:
    """How the file is read: an answer renews the preview at once."""
    before = state.get("options") or {}
    cells = st.columns(4, vertical_alignment="bottom", gap="small")
    cells[0].text_input(
        "Encoding",
        before.get("encoding") or "",
        key=_key(state, "encoding"),
        on_change=_heard,
        args=(state,),
        placeholder="as detected, or gb18030",
        help=help.more(
            "How the file writes letters. For titles that look garbled in the preview.",
            "data#dates-and-encodings",
        ),
    )
    cells[1].selectbox(
        "The first line",
        list(HEADER),
        index=list(HEADER).index(before.get("header")),
        key=_key(state, "header"),
        on_change=_heard,
        args=(state,),
        format_func=HEADER.__getitem__,
        help=help.more(
            "Whether it names the columns or is data, where the file leaves it open.",
            "data#dates-and-encodings",
        ),
    )


def _heard(state: dict[str, Any]) -> None:
    """Keep what was said with the options, which the preview is read by."""
    told = {field: (st.session_state[_key(state, field)] or "").strip() for field in READING}
    others = {field: value for field, value in (state.get("options") or {}).items() if field not in READING}
    state["options"] = others | {field: value for field, value in told.items() if value}
