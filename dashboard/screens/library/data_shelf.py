"""The Library's data sets: what is there, what is being imported, and one in detail."""

from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.screens.library import imports, tables
from dashboard.screens.library.import_report import summary
from dashboard.state import live as looking
from dashboard.state import session
from dashboard.text.formats import moment
from dashboard.text.literal import md, plain
from dashboard.ui import live, opening, progress, rights
from dashboard.ui.notices import empty
from db import contamination, datasets, jobs
from db.choices import FORMATS
from db.datasets import DatasetInfo
from db.jobs import Job


def data_sets() -> None:
    """All data sets; one selected shows its report and can be deleted."""
    known = datasets.listing(session.store())
    _undo()
    if not known:
        empty("No data set yet", "Import one below, or set up the simulated store on Recommend.", 120)
    else:
        chosen = tables.picked(
            "datasets",
            [info.id for info in known],
            datasets_table(known),
            height="content",
            column_config={
                name: st.column_config.NumberColumn(format="localized")
                for name in ("users", "items", "interactions")
            },
            alt="Data sets",
        )
        if chosen is None:
            st.caption("Select a row to see its report or to delete it.")
        else:
            _details(next(info for info in known if info.id == chosen))
    _importing()


def datasets_table(known: list[DatasetInfo]) -> pd.DataFrame:
    """One row per data set."""
    return pd.DataFrame(
        {
            "name": [plain(info.name) for info in known],
            "kind": [kind(info) for info in known],
            "users": [info.users for info in known],
            "items": [info.items for info in known],
            "interactions": [info.interactions for info in known],
            "times": ["yes" if info.has_timestamps else "order only" for info in known],
            "ratings": ["yes" if info.has_ratings else "no" for info in known],
            "imported": [moment(info.created_at) for info in known],
            "fingerprint": [info.fingerprint[:10] for info in known],
        }
    )


def kind(info: DatasetInfo) -> str:
    """The format it was imported from, in words. Plain text."""
    if info.simulated:
        return "simulated"
    return plain(FORMATS[info.kind].label if info.kind in FORMATS else info.kind)


def _details(info: DatasetInfo) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{md(info.name)}** · {md(summary(info.report))}", width="stretch")
        if st.button("Open in Recommend", key="open-data"):
            opening.in_recommend(session.view_of(info.name))
        about = "Moves it to the bin (under Storage). Its runs stay."
        rights.change_button("Delete", key="delete-data", on_click=_delete, args=(info,), help=about)
    imports.report(info.report)
    st.caption(f"From {md(info.source)}")
    known = contamination.measured(session.store(), dataset=info.name)
    told = [f"{one.sentence} (study {one.study})" for one in known] or [contamination.not_measured(info.name)]
    st.caption(f"How far models know this catalogue: {md(' '.join(told))}")


def _delete(info: DatasetInfo) -> None:
    datasets.delete(session.store(), info.name)
    st.session_state.deleted_data = info


def _undo() -> None:
    info: DatasetInfo | None = st.session_state.get("deleted_data")
    if info is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        text = f"Deleted {md(info.name)}. Its runs stay. It is in the bin, under Storage."
        st.markdown(text, width="content")
        st.button("Undo", key="undo-data", on_click=_restore, args=(info,))


def _restore(info: DatasetInfo) -> None:
    st.session_state.deleted_data = None
    datasets.restore(session.store(), info.id)


def _open_imports() -> list[Job]:
    states = [jobs.RUNNING, jobs.QUEUED]
    return jobs.listing(session.store(), states=states, kinds=["import"])[::-1]


def _importing() -> None:
    """Imports of everybody, looked up often while one is open; a new or finished one redraws the page."""
    drawn = [job.id for job in _open_imports()]
    live.part(_imports, drawn, look=looking.of_jobs, of=("import",))


def _imports(drawn: list[int]) -> None:
    known = _open_imports()
    if [job.id for job in known] != drawn:
        st.rerun()
    for job in known:
        with st.container(horizontal=True, vertical_alignment="center", key=f"importing-{job.id}"):
            progress.line(job, f"Importing {plain(import_name(job))}")
            about = "Ends the import. Nothing of it is kept."
            stopped = {"disabled": job.stop_asked, "on_click": progress.stop, "args": (job.id,)}
            rights.change_button("Stop", key=f"stop-import-{job.id}", help=about, **stopped)


def import_name(job: Job) -> str:
    """How the data set of an import will be called. Plain text from outside."""
    return str(job.payload.get("name") or Path(str(job.payload.get("path", ""))).name)
