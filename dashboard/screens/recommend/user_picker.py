"""The user picker: search by id, by words of the titles in the history, by history length."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboard.state import session, widgets
from dashboard.state.view import View
from dashboard.text.formats import count, day, plural
from dashboard.text.literal import md, plain
from dashboard.ui.notices import told
from db import datasets
from db.datasets import DatasetInfo, UserInfo
from db.errors import NotFound

SHOWN = 50
LENGTHS: dict[str, tuple[int, int | None]] = {
    "any length": (0, None),
    "up to 5": (0, 5),
    "6 to 15": (6, 15),
    "over 15": (16, None),
}


def picker(view: View, info: DatasetInfo | None) -> None:
    """A field that looks like the select boxes beside it and opens the search."""
    with st.container(key="user-field", gap=None):
        st.markdown("User", width="stretch")
        label = f"{md(view.user, 30)}" if view.user else "choose a user"
        known = _user(info, view.user) if info and view.user else None
        if known:
            label += f" · {plural(known.length, 'item')}"
        with st.popover(
            label, width="stretch", key="user-search", disabled=info is None, on_change="rerun"
        ) as box:
            if info is not None and box.open:
                _search(info)


def _user(info: DatasetInfo, user_id: str) -> UserInfo | None:
    try:
        return datasets.user(session.store(), info.id, user_id)
    except NotFound:
        return None


@st.fragment
@told()
def _search(info: DatasetInfo) -> None:
    text = st.text_input(
        "Search",
        key="user-text",
        type="search",
        placeholder="a user id, or words of a title in the history",
        live="300ms",
        label_visibility="collapsed",
    )
    length = st.segmented_control(
        "History length",
        list(LENGTHS),
        key="user-length",
        default="any length",
        required=True,
        label_visibility="collapsed",
    )
    low, high = LENGTHS[length or "any length"]
    found = datasets.users(session.store(), info.id, text or "", min_length=low, max_length=high, limit=SHOWN)
    if not found:
        st.caption("No user matches. Search for part of an id, or for words of a title.")
        return
    ids = tuple(user.user_id for user in found)
    key = widgets.drafting("user-table", ids)
    st.dataframe(
        table(found),
        # A table of its own for every result: a row clicked in the one before names nobody in this one.
        key=key,
        hide_index=True,
        height=318,
        on_select=partial(_picked, key, ids),
        selection_mode="single-row",
        column_config={"items": st.column_config.NumberColumn(format="localized", width="small")},
        alt="Users found; select one row",
    )
    total = f"of {count(info.users)}"
    first = (
        f"the first {SHOWN} {total}; search to narrow them down"
        if len(found) == SHOWN
        else f"{len(found)} {total}"
    )
    st.caption(f"Users: {first}. Select a row to pick one.")


def table(found: list[UserInfo]) -> pd.DataFrame:
    """What the search shows of each user."""
    frame = pd.DataFrame(
        {
            "user": [plain(user.user_id) for user in found],
            "items": [user.length for user in found],
            "last": [day(user.last_timestamp) for user in found],
        }
    )
    return frame if any(user.last_timestamp is not None for user in found) else frame.drop(columns="last")


def _picked(key: str, ids: tuple[str, ...]) -> None:
    rows = st.session_state[key].selection.rows
    if rows and rows[0] < len(ids):
        view = session.view()
        session.show(view.of_user(view.dataset, ids[rows[0]]))
        st.session_state["user-search"] = False
        st.rerun()
