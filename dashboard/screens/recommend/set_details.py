"""One stored set: what is in it, how the runs with it did, what can be done with it, and how it differs."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.state import demonstrations, desk, session
from dashboard.state.view import View
from dashboard.text import words
from dashboard.text.formats import day, moment, plural, signed
from dashboard.text.literal import md, plain
from dashboard.ui import dialogs, rights
from dashboard.ui.notices import problem
from dashboard.ui.run_picker import time_zone
from db import sets
from db.datasets import DatasetInfo
from db.errors import DualensError
from db.requests import Chosen
from db.sets import Difference, Member, NamedSet, Use, files

ON_DESK = "the desk"
SHOWN = 5  # deleted sets that are offered, and runs that are linked


def draw(kept: NamedSet, others: Sequence[NamedSet], view: View, info: DatasetInfo) -> None:
    """The set, and everything that can be done with it. `others`: all sets there are."""
    shown = _rows(kept.members, info)
    st.table(
        pd.DataFrame(
            {
                "demonstration": [plain(words.short(shown[member.id])) for member in kept.members],
                "from": [words.source_line(shown[member.id]) for member in kept.members],
                "weight": [f"{member.weight:g}" for member in kept.members],
                "": ["locked" if member.locked else "" for member in kept.members],
            }
        ),
        border="horizontal",
        hide_index=True,
    )
    _uses(kept)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="set-actions"):
        st.button(
            "Put on the desk",
            type="primary",
            key="set-load",
            on_click=_load,
            args=(kept,),
            help="In place of what is there. What this user may not know yet is left out, and said.",
        )
        _named("Rename", kept, lambda name: sets.rename(session.store(), kept, name))
        _named("Duplicate", kept, lambda name: sets.duplicate(session.store(), info, kept, name))
        label, user = ("Share with all", None) if not kept.shared else ("Only for this user", view.user)
        rights.change_button(label, key="set-share", on_click=_share, args=(kept, user))
        rights.change_button("Delete", key="set-delete", on_click=sets.delete, args=(session.store(), kept))
        _download("JSON", kept, "json", lambda: files.write(session.store(), info, kept))
        _download("DSPy", kept, "dspy.json", lambda: files.write_dspy(session.store(), info, kept)[0])
    _compare(kept, others, view, info)


def gone(info: DatasetInfo) -> None:
    """The sets that were deleted last, to bring back."""
    for kept in sets.deleted(session.store(), info.id)[:SHOWN]:
        with st.container(
            horizontal=True, vertical_alignment="center", gap="xsmall", key=f"deleted-set-{kept.id}"
        ):
            st.caption(f"Deleted: {md(kept.name)}", width="content")
            st.button("Bring back", key=f"set-restore-{kept.id}", on_click=_restore, args=(kept,))


def _load(kept: NamedSet) -> None:
    dialogs.close()
    locked = tuple(member.id for member in kept.members if member.locked)
    session.show(session.view().filled(f"set:{kept.reference}", locked))
    st.rerun()  # the whole page, not the dialog alone


def _restore(kept: NamedSet) -> None:
    st.session_state.set_picked = kept.id
    sets.restore(session.store(), kept)


def _share(kept: NamedSet, user: str | None) -> None:
    sets.share(session.store(), kept, user)


def _named(label: str, kept: NamedSet, make: Callable[[str], NamedSet]) -> None:
    """A button that asks for a name and makes a set of it."""
    key = f"set-{label.lower()}"
    with st.popover(label, key=key):
        name = st.text_input("New name", kept.name, key=f"{key}-name-{kept.id}", max_chars=200)
        if st.button(label, key=f"{key}-go", type="primary", disabled=not name or name == kept.name):
            try:
                made = make(name)
            except DualensError as error:
                problem(str(error))
                return
            st.session_state.set_picked = made.id
            st.rerun()  # the dialog stays open


def _download(label: str, kept: NamedSet, ending: str, write: Callable[[], Any]) -> None:
    st.download_button(
        label,
        lambda: json.dumps(write(), ensure_ascii=False, indent=2),
        f"{kept.name}.{ending}",
        "application/json",
        key=f"set-{label.lower()}",
        on_click="ignore",
        help="All of it, to read it here or elsewhere" if label == "JSON" else "Titles as DSPy's examples",
    )


def _uses(kept: NamedSet) -> None:
    """How the runs with this version did."""
    found = sets.uses(session.store(), kept, every=False)
    if not found:
        st.caption("No stored run has used this version.")
        return
    for gain in sets.gains(found):
        parts = [
            f"{name} {signed(value, digits)}{unit}"
            for name, value, digits, unit in (
                ("margin", gain.margin, 2, " nats"),
                ("NDCG@10", gain.ndcg10, 3, ""),
            )
            if value is not None
        ]
        over = f"{plural(gain.runs, 'run')} of {plural(gain.users, 'user')} with {md(gain.model)}"
        st.caption(
            f"Mean gain over the list without demonstrations, {over}: {', '.join(parts) or 'unknown'}."
        )
    _runs(found[:SHOWN], len(found))


def _runs(found: Sequence[Use], total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="set-runs"):
        st.caption("Used in" if total <= SHOWN else f"The newest of {total} runs:", width="content")
        for use in found:
            st.page_link(
                "screens/explain/page.py",
                label=f"{md(plain(use.user_id), 24)}, {moment(use.created_at, time_zone())}",
                query_params={"run": use.run},
            )


def _compare(kept: NamedSet, others: Sequence[NamedSet], view: View, info: DatasetInfo) -> None:
    """How the set differs from the desk, another set, or another version of its own."""
    with_: dict[str, Callable[[], Sequence[Member]]] = {
        ON_DESK: lambda: [
            Member(row["id"], float(row["weight"]), row["id"] in view.locked) for row in desk.rows()
        ]
    }
    for other in others:
        if other.id != kept.id:
            with_[plain(other.name)] = lambda other=other: other.members
    for version in sets.versions(session.store(), kept)[1:]:
        reference = f"{kept.name}@{version.digest}"
        with_[f"version of {day(version.saved_at)}, {version.digest[:6]}"] = lambda reference=reference: (
            sets.get(session.store(), info.id, reference).members
        )
    picked = st.selectbox("Compare with", list(with_), key=f"set-compare-{kept.id}")
    theirs = with_[picked]()
    shown = _rows([*kept.members, *theirs], info)
    found = sets.diff(kept.members, theirs)
    for line in _lines(found, shown, md(kept.name), md(picked)):
        st.markdown(line)


def _lines(found: Difference, shown: dict[str, Any], one: str, other: str) -> Iterator[str]:
    """What differs, a line each."""

    def title(name: str) -> str:
        return f"{md(words.short(shown[name]))} :gray[({md(words.source_line(shown[name]))})]"

    yield from (f"Only in **{one}**: {title(name)}" for name in found.only_one)
    yield from (f"Only in **{other}**: {title(name)}" for name in found.only_other)
    yield from (f"Place {before} → {now}: {title(name)}" for name, before, now in found.moved)
    yield from (f"Weight {before:g} → {now:g}: {title(name)}" for name, before, now in found.weighted)
    yield from (f"Locked in one of them alone: {title(name)}" for name in found.locked)
    if found.same_numbers:
        yield "A model is shown the same."


def _rows(members: Sequence[Member], info: DatasetInfo) -> dict[str, Any]:
    """Each demonstration as the desk shows it, by its id."""
    views, lost = demonstrations.of([Chosen(member.id, member.weight) for member in members], info)
    unknown = {"history": [], "answer": {"title": "not in the store"}, "source": "", "user": ""}
    return {view["id"]: view for view in views} | dict.fromkeys(lost, unknown)
