"""Importing data: files or a path, the preview, the mapping to correct, the import, its report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.screens.library import uploads
from dashboard.screens.library.import_report import (
    FIELDS,
    findings,
    preview_table,
    summary,
)
from dashboard.state import session
from dashboard.state.waiting import ENDED, ask
from dashboard.text.literal import md, plain
from dashboard.ui import help, opening, progress
from dashboard.ui.notices import problem, told
from db import jobs
from db.choices import FORMATS
from db.settings import Settings

WAIT_S = 1.5
ENDINGS = [
    "csv",
    "tsv",
    "txt",
    "json",
    "jsonl",
    "ndjson",
    "gz",
    "zip",
    "parquet",
    "inter",
    "item",
    "dat",
    "data",
]
NONE = "(none)"


def importer() -> None:
    """The import card: source, then preview, then progress and report, one after the other."""
    state = st.session_state.setdefault("import", {})
    _source(state)
    if "path" not in state:
        formats = ", ".join(md(choice.label) for choice in FORMATS.values())
        st.caption(
            f"Formats: {formats}. Folders and zip files work too.",
            help="\n".join(f"- {md(choice.label)}: {md(choice.about)}" for choice in FORMATS.values()),
        )
        return
    if "import_job" in state:
        _follow_import(state)
        return
    preview = _preview(state)
    if preview is not None:
        _form(state, preview)


def _source(state: dict[str, Any]) -> None:
    left, right = st.columns((1, 1), gap="medium")
    with left:
        dropped = st.file_uploader(
            "Drop files", accept_multiple_files=True, type=ENDINGS, key=f"drop-{state.get('round', 0)}"
        )
        if dropped and st.button("Look at these files", key="use-drop"):
            with told():
                _start(state, uploads.keep(Settings().prepare(), dropped), uploaded=True)
    with right:
        typed = st.text_input(
            "Or a path on this machine", key="import-path", placeholder="/data/ml-latest-small"
        )
        if st.button("Look at this path", key="use-path", disabled=not typed.strip()):
            _start(state, Path(typed.strip()).expanduser(), uploaded=False)


def _start(state: dict[str, Any], path: Path, *, uploaded: bool) -> None:
    again = _put_away(state)
    state.update(path=str(path), uploaded=uploaded, round=again)
    st.rerun()


def _preview(state: dict[str, Any]) -> Mapping[str, Any] | None:
    """The preview of the path with the mapping chosen so far."""
    payload = {"path": state["path"], "mapping": state.get("mapping")}
    job = jobs.get(session.store(), state["preview_job"]) if "preview_job" in state else None
    if job is None or job.payload != payload:
        with st.spinner("Looking at the first rows"):
            job = ask(session.store(), "preview", payload, WAIT_S).job
        state["preview_job"] = job.id
    if job.state not in ENDED:
        progress.watch(job, "Looking at the first rows")
        return None
    if job.result is None:
        problem(job.error or "The preview was stopped.")
        if state.get("mapping"):
            st.button("Back to the mapping that was found", on_click=state.update, kwargs={"mapping": None})
        return None
    return job.result


def _form(state: dict[str, Any], preview: Mapping[str, Any]) -> None:
    st.markdown(f"**{md(preview['label'])}** · {md(', '.join(preview['files'][:6]), 160)}")
    for note in preview["notes"]:
        st.caption(md(note))
    st.dataframe(preview_table(preview), height=230, hide_index=True, alt="The first rows of the file")
    if preview["titles"]:
        st.caption("Titles: " + " · ".join(md(title, 60) for title in preview["titles"][:5]))
    if preview["mapping"]:
        _mapping(state, preview)
    with st.form("import-form", border=False):
        cells = st.columns(4, vertical_alignment="bottom", gap="small")
        name = cells[0].text_input("Name of the data set", value=default_name(state, preview))
        history = cells[1].number_input(
            "Fewest purchases per user",
            1,
            1000,
            3,
            help=help.more("3 leaves a history, a probe and a target.", "data#splits"),
        )
        core = cells[2].number_input(
            "k-core (0 is off)",
            0,
            100,
            0,
            help=help.more(
                "Drops users and items with fewer, again and again. Usual in papers: 5.",
                "data#what-is-cleaned",
            ),
        )
        liked = cells[3].number_input(
            "Keep ratings from",
            value=None,
            placeholder="all",
            help=help.more("Usual for liked: 4.", "data#what-is-cleaned"),
        )
        missing = [FIELDS[field].lower() for field in ("user", "item") if not preview["mapping"].get(field)]
        if missing:
            st.caption(f":orange[Before importing,] say which column holds the {' and the '.join(missing)}.")
        if st.form_submit_button("Import", type="primary", disabled=bool(missing)):
            options = {"min_history": history, "k_core": core, "min_rating": liked}
            payload = {
                "path": state["path"],
                "name": name.strip() or None,
                "mapping": state.get("mapping"),
                "options": options,
            }
            state["import_job"] = jobs.submit(session.store(), "import", payload).id
            st.rerun()


def default_name(state: Mapping[str, Any], preview: Mapping[str, Any]) -> str:
    """A name from the path; from the first file where the path is a folder made for an upload."""
    path = Path(state["path"])
    named = preview["files"][0] if state.get("uploaded") and path.is_dir() and preview["files"] else path.name
    return plain(named.partition(".")[0], 60)


def _mapping(state: dict[str, Any], preview: Mapping[str, Any]) -> None:
    """Which column is what, as found; a change is looked at again at once. Known formats are fixed."""
    found: dict[str, str | None] = preview["mapping"]
    fields = [
        *(field for field in FIELDS if field in found),
        *(field for field in found if field not in FIELDS),
    ]
    if preview["format"] != "generic":
        parts = [f"{md(FIELDS.get(field, field))}: {md(found[field])}" for field in fields if found[field]]
        st.caption("Columns of this format. " + " · ".join(parts))
        return
    st.caption("Which column is what. Correct what was guessed wrongly; the preview follows.")
    cells = st.columns(4, gap="small")
    changed: dict[str, str | None] = {}
    for at, field in enumerate(fields):
        options = mapping_options(field, preview, state.setdefault("files", preview["files"]))
        with cells[at % 4]:
            picked = st.selectbox(
                FIELDS.get(field, field),
                options,
                index=options.index(found[field] or NONE),
                format_func=plain,
                key=f"map-{state['round']}-{field}",
            )
        changed[field] = None if picked == NONE else picked
    # The engine may find another mapping than the one asked for; asking again would not change that.
    if changed not in (found, state.get("mapping")):
        state["mapping"] = changed
        st.rerun()


def mapping_options(field: str, preview: Mapping[str, Any], files: list[str]) -> list[str]:
    """What a field of the mapping may name: another of the files, its columns, or those of the first."""
    if field == "items_file":
        names = files[1:]
    else:
        names = preview["item_columns"] if field.startswith("items_") else preview["columns"]
    chosen = preview["mapping"][field]
    return list(dict.fromkeys([NONE, *names, *([chosen] if chosen else [])]))


def _follow_import(state: dict[str, Any]) -> None:
    job = jobs.get(session.store(), state["import_job"])
    if job.state not in ENDED:
        progress.watch(job, "Importing")
        st.caption("You may leave this page or close the browser; the import goes on.")
        return
    if job.result is None:
        problem(job.error or "The import was stopped; the store is as it was before.")
        st.button("Change and try again", on_click=state.pop, args=("import_job",), key="import-again")
    else:
        _imported(state, job.result)
    st.button("Import something else", on_click=_clear, args=(state,), key="import-new")


def _imported(state: dict[str, Any], result: Mapping[str, Any]) -> None:
    if state.get("uploaded"):
        uploads.discard(Settings(), Path(state["path"]))
    st.success(f"**{md(result['dataset'])}** is ready. {md(summary(result['report']))}")
    report(result["report"])
    if st.button("Open it in Recommend", key="import-open"):
        opening.in_recommend(session.view_of(result["dataset"]))


def _clear(state: dict[str, Any]) -> None:
    state["round"] = _put_away(state)


def _put_away(state: dict[str, Any]) -> int:
    """Forget this import, and its upload if no job may still read it; returns the number of the next one."""
    again = state.get("round", 0) + 1
    if state.get("uploaded") and "import_job" not in state:
        uploads.discard(Settings(), Path(state["path"]))
    state.clear()
    return again


def report(found: Mapping[str, Any]) -> None:
    """An import's report: notes, then what was left out and why."""
    for note in found.get("notes") or []:
        st.caption(md(note))
    table = findings(found)
    if table.empty:
        st.caption("Every row was used as it is.")
        return
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            "count": st.column_config.NumberColumn(format="localized", width="small"),
            "examples": st.column_config.TextColumn(width="large"),
        },
        alt="What the import left out, repaired or noted",
    )
