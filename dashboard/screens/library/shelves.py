"""The Library's shelves: data sets, models, jobs and the space they take."""

import time
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.screens.library import imports, uploads
from dashboard.screens.library.import_report import summary
from dashboard.state import session
from dashboard.state.waiting import ENDED
from dashboard.state.work import Work
from dashboard.text.formats import (
    ago,
    count,
    parameters,
    plural,
    seconds,
    size,
)
from dashboard.text.literal import md, plain
from dashboard.ui import opening, progress
from dashboard.ui.notices import empty, problem, told
from db import datasets, jobs, models
from db.datasets import DatasetInfo
from db.jobs import Job
from db.models import ModelInfo

LOOK_S = 1.0
IDLE_S = 4.0
JOBS_SHOWN = 100
FEW = 12  # rows; more of them scroll
OUTCOMES = ("claim", "model", "dataset")  # of a result, the part that tells what came out
WORK = {
    "setup": "setting up",
    "rank": "ranking",
    "effects": "effects",
    "pool": "pool of demonstrations",
    "optimize": "choosing demonstrations",
    "spread": "perturbation spread",
    "forward": "forward tuning",
    "peers": "other recommenders",
    "catalogue": "whole catalogue",
    "preview": "look at files",
    "import": "import",
    "register_model": "registering a model",
    "tune": "tuning",
    "study": "study",
}


def data_sets() -> None:
    """All data sets; one selected shows its report and can be deleted."""
    known = datasets.listing(session.store())
    _undo()
    if not known:
        empty("No data set yet", "Import one below, or set up the simulated store on Recommend.", 120)
        return
    now = time.time()
    event = st.dataframe(
        datasets_table(known, now),
        key=_table_key("datasets"),
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            name: st.column_config.NumberColumn(format="localized")
            for name in ("users", "items", "interactions")
        },
        alt="Data sets",
    )
    if event.selection.rows and event.selection.rows[0] < len(known):
        _details(known[event.selection.rows[0]])
    else:
        st.caption("Select a row to see its report or to delete it.")


def datasets_table(known: list[DatasetInfo], now: float) -> pd.DataFrame:
    """One row per data set."""
    return pd.DataFrame(
        {
            "name": [plain(each.name) for each in known],
            "kind": ["simulated" if each.simulated else plain(each.kind) for each in known],
            "users": [each.users for each in known],
            "items": [each.items for each in known],
            "interactions": [each.interactions for each in known],
            "times": ["yes" if each.has_timestamps else "order only" for each in known],
            "ratings": ["yes" if each.has_ratings else "no" for each in known],
            "imported": [ago(each.created_at, now) for each in known],
            "fingerprint": [each.fingerprint[:10] for each in known],
        }
    )


def _details(info: DatasetInfo) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{md(info.name)}** · {md(summary(info.report))}", width="stretch")
        if st.button("Open in Recommend", key="open-data"):
            opening.in_recommend(session.view_of(info.name))
        st.button(
            "Delete", key="delete-data", on_click=_delete, args=(info.name,), help="Can be undone. Runs stay."
        )
    imports.report(info.report)
    dropped = Path(info.source).is_relative_to(session.store().settings.uploads)
    st.caption("From files that were dropped here." if dropped else f"From {md(info.source, 200)}")


def _table_key(name: str) -> str:
    return f"{name}-{st.session_state.get(f'{name}-round', 0)}"


def _unselect(name: str) -> None:
    """A fresh table: the row below must not stand selected, with Delete under the pointer, where one went."""
    st.session_state[f"{name}-round"] = st.session_state.get(f"{name}-round", 0) + 1


def _delete(name: str) -> None:
    datasets.delete(session.store(), name)
    st.session_state.deleted_data = name
    _unselect("datasets")


def _undo() -> None:
    name = st.session_state.get("deleted_data")
    if name is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Deleted {md(name)}. Its runs stay.", width="content")
        st.button("Undo", key="undo-data", on_click=_restore, args=(name,))


def _restore(name: str) -> None:
    st.session_state.deleted_data = None
    datasets.restore(session.store(), name)


def model_shelf() -> None:
    """Registered models, and a form for one more."""
    known = models.listing(session.store())
    _undo_model()
    if known:
        event = st.dataframe(
            models_table(known),
            key=_table_key("models"),
            hide_index=True,
            height="content",
            on_select="rerun",
            selection_mode="single-row",
            alt="Registered models",
        )
        if event.selection.rows and event.selection.rows[0] < len(known):
            _model_details(known[event.selection.rows[0]])
    else:
        empty("No model yet", "Register a folder on this machine or the name of a model on the hub.", 100)
    with st.form("register", border=False, clear_on_submit=False):
        cells = st.columns((1, 2, 0.5), vertical_alignment="bottom", gap="small")
        name = cells[0].text_input("Name", placeholder="qwen-0.5b")
        source = cells[1].text_input("Folder or hub id", placeholder="Qwen/Qwen2.5-0.5B or /models/qwen")
        if cells[2].form_submit_button("Register", type="primary", width="stretch") and source.strip():
            payload = {"name": name.strip() or source.strip(), "source": source.strip()}
            st.session_state.register_job = jobs.submit(session.store(), "register_model", payload).id
    st.caption("Only the configuration is read now; weights are loaded at first use. Safetensors only.")
    _follow_registration()


def _model_details(model: ModelInfo) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{md(model.name)}** · {md(model.source, 160)}", width="stretch")
        about = "Takes the name out of the list. Its files and its runs stay."
        st.button("Remove", key="delete-model", on_click=_remove_model, args=(model.name,), help=about)


def _remove_model(name: str) -> None:
    st.session_state.removed_model = models.delete(session.store(), name)
    _unselect("models")


def _undo_model() -> None:
    model: ModelInfo | None = st.session_state.get("removed_model")
    if model is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Removed {md(model.name)}. Its files and its runs stay.", width="content")
        st.button("Undo", key="undo-model", on_click=_restore_model, args=(model,))


def _restore_model(model: ModelInfo) -> None:
    st.session_state.removed_model = None
    models.register(session.store(), model)


def _follow_registration() -> None:
    if "register_job" not in st.session_state:
        return
    job = jobs.get(session.store(), st.session_state.register_job)
    if job.state not in ENDED:
        progress.watch(job, "Registering")
    elif job.result is None:
        problem(job.error or "The registration was stopped.")
    else:
        st.caption(f":blue[Registered] {md(job.result['model'])}.")


def models_table(known: list[ModelInfo]) -> pd.DataFrame:
    """One row per model."""
    return pd.DataFrame(
        {
            "name": [plain(each.name) for each in known],
            "architecture": [plain(each.architecture) for each in known],
            "parameters": [parameters(each.parameters) for each in known],
            "context, tokens": [count(each.context_length) for each in known],
            "source": [plain(each.source) for each in known],
            "revision": [plain(each.revision, 14) for each in known],
        }
    )


def job_shelf() -> None:
    """The newest jobs, looked up every second while one is open; an open one can be stopped."""
    busy = bool(jobs.listing(session.store(), states=[jobs.QUEUED, jobs.RUNNING], limit=1))
    st.fragment(told()(_jobs), run_every=LOOK_S if busy else IDLE_S)()


def _jobs() -> None:
    known = jobs.listing(session.store(), limit=JOBS_SHOWN)
    if not known:
        empty("No jobs yet", "Everything the engine does for someone is listed here.", 100)
        return
    waiting = [job for job in known if job.state not in ENDED]
    for job in waiting[:4]:
        with st.container(horizontal=True, vertical_alignment="center", key=f"open-job-{job.id}"):
            st.markdown(progress.describe(job, _what(job), time.time(), True), width="stretch")
            st.button("Stop", key=f"stop-job-{job.id}", on_click=progress.stop, args=(job.id,))
    st.dataframe(
        jobs_table(known, time.time()),
        key="jobs",
        hide_index=True,
        height="content" if len(known) < FEW else 420,
        column_config={
            "progress": st.column_config.ProgressColumn(
                min_value=0, max_value=1, format="percent", width="small"
            )
        },
        alt="Jobs, newest first",
    )


def jobs_table(known: list[Job], now: float) -> pd.DataFrame:
    """One row per job, newest first."""
    work = [Work(job) for job in known]
    return pd.DataFrame(
        {
            "job": [job.id for job in known],
            "what": [_what(job) for job in known],
            "of": [_of(job) for job in known],
            "state": [row.state for row in work],
            "progress": [1.0 if job.state == "COMPLETED" else job.progress for job in known],
            "filed": [row.filed(now) for row in work],
            "took": [seconds(row.took(now)) for row in work],
            "message": [plain(_told(job), 300) for job in known],
        }
    )


def _what(job: Job) -> str:
    """The work in words. Plain text."""
    return plain(WORK.get(job.kind, job.kind), 40)


def _of(job: Job) -> str:
    """For whom or on what, in a few words. Plain text."""
    asked = job.payload.get("request") or job.payload
    asked = asked if isinstance(asked, dict) else {}
    parts = [asked.get("user") or asked.get("study"), asked.get("dataset") or asked.get("name")]
    return plain(" · ".join(str(each) for each in parts if each) or "–", 60)


def _told(job: Job) -> str:
    """What it says of itself; of a finished one, what came out."""
    if job.state != "COMPLETED":
        return job.error or job.message or "–"
    found = job.result or {}
    if isinstance(found.get("guard"), dict) and found["guard"].get("reason"):
        return str(found["guard"]["reason"])
    if isinstance(found.get("run"), str):
        return f"run {found['run'][:10]}"
    return next((found[name] for name in OUTCOMES if isinstance(found.get(name), str)), "–")


def storage() -> None:
    """Where the workspace is and how much room its parts take."""
    settings = session.store().settings
    st.caption(f"Workspace {md(str(settings.home))}, readable by its owner only.")
    rows = []
    database, files = 0, 0
    for path in settings.home.glob("*.db*"):
        database, files = database + path.stat().st_size, files + 1
    rows.append(("database", size(database), plural(files, "file")))
    folders = {
        "models": settings.models,
        "tuned models": settings.home / "tunings",
        "baselines": settings.baselines,
        "uploads": settings.uploads,
    }
    for name, folder in folders.items():
        total, number = uploads.used(folder)
        rows.append((name, size(total), plural(number, "file")))
    st.dataframe(
        pd.DataFrame(rows, columns=["part", "space", "in"]),
        hide_index=True,
        height="content",
        width=420,
        alt="Space used",
    )
    open_jobs = jobs.listing(session.store(), states=[jobs.QUEUED, jobs.RUNNING], kinds=["preview", "import"])
    spare = uploads.left_over(settings, [str(each.payload.get("path", "")) for each in open_jobs])
    if spare:
        st.button(
            f"Remove {plural(len(spare), 'upload')} that no import is reading",
            key="clear-uploads",
            on_click=_clear_uploads,
            args=(spare,),
        )


def _clear_uploads(folders: list[Path]) -> None:
    for folder in folders:
        uploads.discard(session.store().settings, folder)
