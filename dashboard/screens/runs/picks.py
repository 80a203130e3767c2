"""What is done with the runs that are picked: open, compare, delete and undo, bring back, delete for good."""

from collections.abc import Sequence

import streamlit as st

from dashboard.state import session, widgets
from dashboard.state.view import from_request, to_params
from dashboard.text.formats import plural
from dashboard.ui import opening, rights, sharing
from db import runs
from db.runs import Run

PICKED = "runs-picked"
DELETED = "runs-just-deleted"
MOST = 4
SIDES = "abcd"
WHAT_GOES = (
    "Deleting takes a run with its effects out of every list, and its links stop working. Studies and "
    "optimizations keep the numbers they measured. **Deleted runs** shows them, for everyone, until they are "
    "brought back or deleted for good. Ranking the same request again brings its run back, too."
)


def picked() -> list[str]:
    """Keys of the runs that are picked, on whichever page of the table, in the order of picking."""
    return widgets.kept(PICKED, [])


def pick(key: str, on: bool) -> None:
    """Pick a run, or drop it."""
    others = [each for each in picked() if each != key]
    widgets.keep(PICKED, [*others, key] if on else others)


def draw(deleted: bool) -> None:
    """The row of what can be done with the picked runs. `deleted`: the table shows the deleted ones."""
    chosen = picked()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs-actions"):
        if not chosen:
            st.caption("Tick runs to compare, open, delete or bring them back.", width="content")
            return
        st.markdown(f"**{plural(len(chosen), 'run')} picked**", width="content")
        if deleted:
            _deleted(chosen)
        else:
            _kept(chosen)
        st.button("Pick none", key="pick-none", on_click=_drop)


def undo() -> None:
    """What was deleted last in this session, and the way back."""
    gone: list[str] = widgets.kept(DELETED, [])
    if not gone:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs-undo"):
        st.markdown(f"Deleted {plural(len(gone), 'run')}.", width="content")
        rights.change_button("Undo", key="undo-delete", on_click=_restore, args=(gone,))


def _kept(chosen: Sequence[str]) -> None:
    found = [run for key in chosen[:MOST] if (run := runs.by_key(session.store(), key)) is not None]
    found.sort(key=lambda run: run.created_at)
    many = len(chosen)
    if many == 1 and found:
        _open(found[0])
    elif 2 <= len(found) <= many <= MOST:
        params = {side: run.key for side, run in zip(SIDES, found, strict=False)}
        st.page_link(
            "screens/compare/page.py", label=f"Compare {many} runs", query_params=params, width="content"
        )
    if 1 <= len(found) == many:
        sharing.draw(*(run.key for run in found))
    if many > MOST:
        st.caption(f"At most {MOST} runs are compared at once.", width="content")
    opening.in_judge(*chosen)
    rights.change_button(
        "Delete", key="delete-picked", on_click=_delete, args=(list(chosen),), help=WHAT_GOES
    )


def _open(run: Run) -> None:
    if not rights.reads_only():
        st.page_link(
            "screens/recommend/page.py",
            label="Open on the desk",
            query_params=to_params(from_request(run.request)),
            width="content",
        )
    st.page_link(
        "screens/explain/page.py", label="Explain this run", query_params={"run": run.key}, width="content"
    )


def _deleted(chosen: Sequence[str]) -> None:
    rights.change_button("Bring back", key="restore-picked", on_click=_restore, args=(list(chosen),))
    with st.popover("Delete for good", key="purge-picked"):
        st.caption("The runs and their effects are removed for everyone. This cannot be undone.")
        rights.change_button(
            "Delete for good now", key="purge-now", type="primary", on_click=_purge, args=(list(chosen),)
        )


def _drop() -> None:
    widgets.forget(PICKED)


def _delete(keys: list[str]) -> None:
    runs.delete(session.store(), *keys)
    widgets.keep(DELETED, keys)
    _drop()


def _restore(keys: list[str]) -> None:
    widgets.forget(DELETED)
    runs.restore(session.store(), *keys)
    _drop()


def _purge(keys: list[str]) -> None:
    widgets.forget(DELETED)
    runs.purge(session.store(), *keys)
    _drop()
