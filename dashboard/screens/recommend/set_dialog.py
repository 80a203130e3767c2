"""Sets: put a stored set on the desk, keep what is on it under a name, and read one from a file."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.screens.recommend import set_details
from dashboard.state import desk, session, widgets
from dashboard.state.view import View
from dashboard.text.formats import count, plural
from dashboard.text.literal import md, plain
from dashboard.ui import dialogs, help
from dashboard.ui.notices import empty, problem, told
from db import sets
from db.datasets import DatasetInfo
from db.errors import DualensError
from db.names import quoted
from db.sets import NamedSet, files

NAME = "sets"  # of the dialog
MINE, ALL = "This user", "All users (shared)"
ROOM_PX = 160


def opener() -> None:
    """The button that opens the dialog."""
    st.button(
        "Sets",
        key="sets",
        on_click=dialogs.show,
        args=(NAME,),
        help="Keep what is on the desk under a name, and use it again for any user.",
    )


def shown(view: View, info: DatasetInfo) -> None:
    """The dialog, as long as it is open."""
    if dialogs.about(NAME) is not None:
        _dialog(view, info)


@st.dialog("Sets of demonstrations", width="large", on_dismiss=dialogs.close)
@told()
def _dialog(view: View, info: DatasetInfo) -> None:
    if said := st.session_state.pop("set_said", None):
        st.success(said)
    stored, saving, reading = st.tabs(
        ["Stored sets", "Save the desk", "From a file"], key=dialogs.key("sets-tab")
    )
    with stored:
        _stored(view, info)
    with saving:
        _save(view, info)
    with reading:
        _read(info)


def _stored(view: View, info: DatasetInfo) -> None:
    """The sets there are, and all about the one that is picked."""
    found = sets.listing(session.store(), info.id, view.user)
    if not found:
        empty("No sets yet", "Keep what is on the desk under a name: Save the desk.", ROOM_PX)
    else:
        st.caption(
            help.more("First those made for this user, then those that all users share. Pick one.", "sets")
        )
        event = st.dataframe(
            _table(found),
            key=widgets.drafting("sets-table", tuple((kept.id, kept.name) for kept in found)),
            hide_index=True,
            height="content" if len(found) < 6 else 240,
            on_select="rerun",
            selection_mode="single-row",
            selection_default={"selection": {"rows": [_last(found)], "columns": [], "cells": []}},
            alt="Sets of demonstrations; select one",
        )
        picked = event.selection.rows
        place = picked[0] if picked and picked[0] < len(found) else _last(found)
        st.session_state.set_picked = found[place].id
        set_details.draw(found[place], found, view, info)
    set_details.gone(info)


def _last(found: Sequence[NamedSet]) -> int:
    """The place of the set picked or saved last, else the first."""
    last = st.session_state.get("set_picked")
    return next((place for place, kept in enumerate(found) if kept.id == last), 0)


def _table(found: Sequence[NamedSet]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "set": [plain(kept.name) for kept in found],
            "for": ["all users" if kept.user_id is None else plain(kept.user_id) for kept in found],
            "demonstrations": [len(kept.members) for kept in found],
            "locked": [sum(member.locked for member in kept.members) for kept in found],
            "runs": [len(sets.uses(session.store(), kept, every=False)) for kept in found],
            "note": [plain(kept.note) if kept.note else "" for kept in found],
        }
    )


def _save(view: View, info: DatasetInfo) -> None:
    """The form that keeps what is on the desk."""
    rows = desk.rows()
    if not rows:
        empty("The desk is empty", "There is nothing to keep.", ROOM_PX)
        return
    locked = len(desk.locked(view))
    st.caption(
        f"Keeps what is on the desk, with its order and weights: {plural(len(rows), 'demonstration')}"
        f"{f', {count(locked)} locked' if locked else ''}."
    )
    name = st.text_input("Name", key="set-name", max_chars=200)
    whom = st.segmented_control("For", [MINE, ALL], default=MINE, required=True, key="set-for")
    note = st.text_area("Note", key="set-note", height=80, placeholder="why these")
    if name and name in {kept.name for kept in sets.listing(session.store(), info.id)}:
        st.caption(
            f":orange[There is a set {md(quoted(name))}.] It gets a new version; runs keep the version they "
            "used."
        )
    if st.button("Save the set", type="primary", key="set-save", disabled=not name):
        members = [sets.Member(row["id"], float(row["weight"]), row["id"] in view.locked) for row in rows]
        user = view.user if whom == MINE else None
        try:
            kept = sets.save(session.store(), info, name, members, user, note or "")
        except DualensError as error:
            problem(str(error))
            return
        _kept(kept, f"Saved as {md(kept.name)}.")


def _read(info: DatasetInfo) -> None:
    """The form that reads a set from a file."""
    st.caption(
        help.more(
            "A file that this page or `dualens sets export` wrote, or DSPy's demos: a JSON list of examples.",
            "sets#files",
        )
    )
    file = st.file_uploader("File", type=["json"], key="set-file", max_upload_size=files.LARGEST // 1_000_000)
    name = st.text_input("Name", key="set-file-name", placeholder="that of the file")
    left, right = st.columns(2, gap="small")
    given = left.text_input("DSPy's field of the history", files.INPUT, key="set-input")
    asked = right.text_input("DSPy's field of the answer", files.OUTPUT, key="set-output")
    as_text = st.checkbox("Titles alone, of a set of other data", key="set-as-text")
    replace = st.checkbox("A set of this name gets a new version", key="set-replace")
    if not st.button("Read the file", type="primary", key="set-read", disabled=file is None) or file is None:
        return
    try:
        text = file.getvalue().decode("utf-8-sig")
    except UnicodeDecodeError:
        problem(f"{file.name} is not UTF-8 text. Nothing was changed.")
        return
    try:
        found = files.bring(
            session.store(),
            info,
            text,
            name=name or None,
            otherwise=file.name.rpartition(".")[0],
            as_text=as_text,
            replace_existing=replace,
            fields=(given, asked),
        )
    except DualensError as error:
        problem(f"{file.name}: {error} Nothing was changed.")
        return
    _kept(found.kept, " ".join([f"Saved as {md(found.kept.name)}.", *map(md, found.notes)]))


def _kept(kept: NamedSet, said: str) -> None:
    """Draw the dialog again with a set that is there now: it is the one picked in the list."""
    st.session_state.set_picked, st.session_state.set_said = kept.id, said
    st.rerun()
