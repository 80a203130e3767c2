"""Runs: all that are stored, a page at a time, with notes, tags and stars written into the table."""

from collections.abc import Sequence

import streamlit as st

from dashboard.screens.runs import filters, picks
from dashboard.screens.runs.asked import Asked
from dashboard.screens.runs.table import EDITED, NOTE, PICK, STAR, TAGS, Edits, frame, fresh, marks, sentence
from dashboard.state import session
from dashboard.text.formats import count, plural
from dashboard.text.literal import md
from dashboard.ui import rights
from dashboard.ui.notices import RECOMMEND, card, empty, heading, told
from dashboard.ui.run_picker import time_zone
from db import runs
from db.canonical import digest
from db.runs import Page, RunSummary

ROWS = 20
LONGEST_NOTE = 2_000
EXAMPLE = {
    "when": ["today, 10:12", "today, 10:09"],
    "user": ["shopper 12", "shopper 12"],
    "strategy": ["BM25", "no demonstrations"],
    "k": ["4", "0"],
    "target's rank": ["2", "7"],
    "NDCG@10": ["0.631", "0.333"],
    "tags": ["good", ""],
    "note": ["for Monday", ""],
}
_APPLIED = "runs-edits-applied"


def page() -> None:
    """Draw the page for what its address asks for."""
    asked = filters.current()
    store = session.store()
    found = runs.page(
        store, asked.filter, asked.order, asked.reverse, ROWS, after=asked.after, before=asked.before
    )
    if not found.runs and asked == Asked() and not runs.count(store, runs.Filter(deleted=True)):
        _nothing()
        return
    filters.draw(asked)
    with card("runs", stretch=False):
        heading("Stored runs", "Tick runs to compare them. Star, tags and notes are edited in the table.")
        picks.undo()
        _pages(asked, found, runs.count(store, asked.filter))
        if found.runs:
            _table(found.runs)
            picks.draw(asked.filter.deleted)
            if not rights.may_change():
                st.caption(f"{rights.why_not()} Stars, tags and notes are read only here.")
    if found.runs:
        heading("In one sentence", md(sentence(found.runs)))


def _nothing() -> None:
    """What the page will look like, and the way to its first run."""
    with card("runs", stretch=False):
        heading("Stored runs", "An example: every run on Recommend becomes such a row.")
        st.table(EXAMPLE, border="horizontal")
        about = "Rank a user's candidates on Recommend: the run is kept here with its inputs and numbers."
        empty("No stored runs yet", about, way=RECOMMEND)


def _pages(asked: Asked, found: Page, total: int) -> None:
    """How many runs there are, and the way to the others of them."""
    kind = "deleted run" if asked.filter.deleted else "run"
    narrowed = asked.filter != runs.Filter(deleted=asked.filter.deleted)
    what = (
        f"{plural(total, kind)} {'matches' if total == 1 else 'match'}" if narrowed else plural(total, kind)
    )
    of = f" of user “{asked.filter.user}”" if asked.filter.user else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs-pages"):
        st.caption(md(f"{what}{of}; {count(len(found.runs))} shown."), width="content")
        if narrowed:
            st.button("Clear filters", key="clear-filters", on_click=filters.show, args=(Asked(),))
        if found.before:
            first = found.runs[0].key if found.runs else None
            st.button("First page", key="first-page", on_click=filters.show, args=(asked.paged(),))
            if first:
                st.button(
                    "Previous", key="previous-page", on_click=filters.show, args=(asked.paged(before=first),)
                )
        if found.behind:
            last = found.runs[-1].key
            st.button("Next", key="next-page", on_click=filters.show, args=(asked.paged(after=last),))


def _table(shown: Sequence[RunSummary]) -> None:
    """The runs, their marks editable in place. The table keeps its edits while it shows the same runs."""
    keys = [run.key for run in shown]
    key = f"runs-table-{digest(keys)[:12]}"
    columns = st.column_config
    numbers = {"rank": "%g", "without": "%g", "margin": "%.3g", "NDCG@10": "%.3f", "seconds": "%.2f"}
    helps = {
        "rank": "Rank of the target with demonstrations",
        "without": "Rank of the target without demonstrations",
        "margin": "Log of the target's share among the candidates",
    }
    data = frame(shown, picks.picked(), time_zone())
    editable = EDITED if rights.may_change() else (PICK,)
    st.data_editor(
        data,
        key=key,
        hide_index=True,
        height="content",
        disabled=[name for name in data.columns if name not in editable],
        on_change=_edited,
        args=(key, keys),
        alt="Stored runs; tick the first column to pick a run, edit star, tags and note in their cells",
        column_config={
            PICK: columns.CheckboxColumn("Pick", width=72, pinned=True),
            STAR: columns.CheckboxColumn("Star", width=72),
            TAGS: columns.ListColumn("Tags", width=130),
            NOTE: columns.TextColumn("Note", width="medium", max_chars=LONGEST_NOTE),
            "strategy": columns.TextColumn("strategy", width=150),
            "k": columns.NumberColumn("k", width=45, help="Number of demonstrations"),
            **{
                name: columns.NumberColumn(name, format=form, help=helps.get(name), width=75)
                for name, form in numbers.items()
            },
        },
    )


def _edited(key: str, keys: Sequence[str]) -> None:
    """Write what was edited since the last time to the runs of these rows."""
    edits: Edits = st.session_state[key]["edited_rows"]
    applied: dict[str, Edits] = st.session_state.setdefault(_APPLIED, {})
    news = fresh(edits, applied.get(key, {}))
    applied.clear()  # only the table that is drawn has edits
    applied[key] = {row: dict(cells) for row, cells in edits.items()}
    for row, cells in news.items():
        if PICK in cells:
            picks.pick(keys[row], bool(cells[PICK]))
        if changes := marks(cells):
            _annotate(keys[row], changes)


@rights.changing
def _annotate(key: str, changes: dict) -> None:
    runs.annotate(session.store(), key, **changes)


with told():
    page()
