"""The Library's storage: how much room each part takes, the bin, and uploads that nobody uses."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.screens.library import uploads
from dashboard.state import session
from dashboard.text.formats import moment, plural, size
from dashboard.text.literal import md
from dashboard.ui import progress, rights
from dashboard.ui.notices import heading
from db import datasets, jobs, models
from db.jobs import Job
from db.models import ModelInfo
from db.settings import Settings

BIN_SHOWN = 20
UNSEEN_S = 600.0  # an upload that a page showed more recently may be looked at right now


def storage() -> None:
    """Where the workspace is and how much room its parts take."""
    settings = session.store().settings
    st.caption(md(privacy(settings)))
    rows = []
    database, files = 0, 0
    for path in settings.home.glob("*.db*"):
        database, files = database + path.stat().st_size, files + 1
    rows.append(("database", size(database), plural(files, "file")))
    folders = {
        "models": settings.models,
        "tuned models": settings.home / "tunings",
        "baselines": settings.baselines,
        "indexes of data sets": settings.indexes,
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
    spare = uploads.left_over(settings, open_paths(), unseen_s=UNSEEN_S)
    if spare:
        used = sum(uploads.used(folder)[0] for folder in spare)
        label = f"Remove {plural(len(spare), 'upload')} that no import is reading ({size(used)})"
        rights.change_button(label, key="clear-uploads", on_click=_clear, args=(spare,))


def privacy(settings: Settings) -> str:
    """Where the workspace is, and who else can read what is in it."""
    if settings.private:
        return f"Workspace {settings.home}, readable by its owner only."
    mode = stat.filemode(settings.home.stat().st_mode)
    files = [path for path in settings.home.rglob("*") if path.is_file() and not path.is_symlink()]
    open_to_others = [path for path in files if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)]
    readable = f"they may read {len(open_to_others)} of its {plural(len(files), 'file')}"
    if not open_to_others:
        readable = f"they see the names of its {plural(len(files), 'file')}, but can read none of them"
    return (
        f"Workspace {settings.home}. Its folder is open to other accounts of this machine ({mode}); "
        f"{readable}. To close it: chmod -R go= {settings.home}"
    )


def open_paths() -> list[str]:
    """What queued and running jobs read."""
    states, kinds = [jobs.QUEUED, jobs.RUNNING], ["preview", "import"]
    known = jobs.listing(session.store(), states=states, kinds=kinds)
    return [str(job.payload.get("path", "")) for job in known]


def clear_old_uploads() -> None:
    """Remove uploads whose browser is gone: imported ones, and those nobody has looked at for a day."""
    done = jobs.listing(session.store(), states=[jobs.COMPLETED], kinds=["import"])
    imported = [str(job.payload.get("path", "")) for job in done if (job.result or {}).get("dataset")]
    _clear(uploads.left_over(session.store().settings, open_paths(), imported, uploads.KEPT_S))


def _clear(folders: list[Path]) -> None:
    for folder in folders:
        uploads.discard(session.store().settings, folder)


def bin_shelf() -> None:
    """Deleted data sets and removed models: restore one, or delete it for good."""
    heading("Bin", "Deleted data sets and removed models. Deleting for good frees their space; runs stay.")
    purging = _purging()
    for job in purging.values():
        progress.watch(job, "Deleting for good")
    data = [entry for entry in datasets.deleted(session.store()) if entry.info.id not in purging]
    gone = models.deleted(session.store())
    if not data and not gone and not purging:
        st.caption("The bin is empty.")
        return
    for entry in data[:BIN_SHOWN]:
        what = f"data set **{md(entry.info.name)}** · about {size(entry.bytes)}"
        _entry(f"data-{entry.info.id}", what, entry.deleted_at, (_restore_data, _purge_data), entry.info.id)
    for model in gone[:BIN_SHOWN]:
        folder = own_folder(model.info)
        space = size(uploads.used(folder)[0]) if folder else "its files are not part of the workspace"
        what = f"model **{md(model.info.name)}** · {space}"
        _entry(f"model-{model.info.name}", what, model.deleted_at, (_restore_model, _purge_model), model.info)
    hidden = max(0, len(data) - BIN_SHOWN) + max(0, len(gone) - BIN_SHOWN)
    if hidden:
        st.caption(f"{hidden} more, deleted earlier.")


def _entry(
    key: str, what: str, deleted_at: float, actions: tuple[Callable[..., None], Callable[..., None]], of: Any
) -> None:
    restore, purge = actions
    with st.container(horizontal=True, vertical_alignment="center", key=f"bin-{key}"):
        st.markdown(f"{what} · deleted {moment(deleted_at)}", width="stretch")
        st.button("Restore", key=f"restore-{key}", on_click=restore, args=(of,))
        with st.popover("Delete for good", key=f"purge-{key}"):
            st.caption("This cannot be undone.")
            label = "Delete for good now"
            rights.change_button(label, key=f"purge-now-{key}", type="primary", on_click=purge, args=(of,))


def _restore_data(number: int) -> None:
    datasets.restore(session.store(), number)


def _purge_data(number: int) -> None:
    jobs.submit(session.store(), "purge", {"dataset_id": number})


def _purging() -> dict[int, Job]:
    """Open jobs that delete a data set for good, by its id."""
    states = [jobs.QUEUED, jobs.RUNNING]
    known = jobs.listing(session.store(), states=states, kinds=["purge"])
    return {int(job.payload["dataset_id"]): job for job in known}


def _restore_model(model: ModelInfo) -> None:
    models.restore(session.store(), model.name)


def _purge_model(model: ModelInfo) -> None:
    folder = own_folder(model)
    models.purge(session.store(), model.name)
    if folder is not None:
        uploads.remove(folder)


def own_folder(model: ModelInfo) -> Path | None:
    """The folder that this workspace made for the model: its tuning's, or what a file was unpacked to. None
    for files that somebody brought.

    None, too, while another model, in the bin or not, is of the same folder.
    """
    settings, source = session.store().settings, Path(model.source).resolve()
    made = [folder.resolve() for folder in (settings.home / "tunings", settings.models)]
    around = next((folder for folder in made if folder in source.parents), None)
    if around is None:
        return None
    others = [*models.listing(session.store()), *(gone.info for gone in models.deleted(session.store()))]
    if any(Path(other.source).resolve() == source for other in others if other.name != model.name):
        return None
    return around / source.relative_to(around).parts[0]
