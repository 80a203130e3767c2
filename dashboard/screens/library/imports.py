"""Importing data: files or a path, the preview, the mapping to correct, the import, its report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.screens.library import import_options, uploads
from dashboard.screens.library.import_columns import answer, asked, columns_form
from dashboard.screens.library.import_report import findings, preview_table, summary
from dashboard.screens.library.offers import data_offer
from dashboard.state import links, session
from dashboard.state.waiting import ask
from dashboard.state.work import ENDED
from dashboard.text.formats import count
from dashboard.text.literal import md, plain
from dashboard.ui import opening, progress, rights
from dashboard.ui.notices import problem
from db import jobs
from db.choices import FORMATS
from db.errors import NotFound
from db.paths import typed
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
LINK = "import"  # in the page's address: the job of the import that is shown


def importer() -> None:
    """The import card: source, then preview, then progress and report, one after the other."""
    state = st.session_state.setdefault("import", {})
    if not state:
        _reopen(state)
    _source(state)
    if "path" not in state:
        formats = ", ".join(md(choice.label) for choice in FORMATS.values())
        st.caption(
            f"Formats: {formats}. Folders and zip files work too.",
            help="\n".join(f"- {md(choice.label)}: {md(choice.about)}" for choice in FORMATS.values()),
        )
        data_offer(lambda name: _fetch(state, name))
        return
    uploads.touch(Path(state["path"]))
    if "import_job" in state:
        _follow_import(state)
        return
    preview = _preview(state)
    if preview is not None:
        _form(state, preview)


def _source(state: dict[str, Any]) -> None:
    left, right = st.columns((1, 1), gap="medium")
    with left:
        key = f"drop-{state.get('round', 0)}"
        if st.file_uploader("Drop files", accept_multiple_files=True, type=ENDINGS, key=key):
            st.button("Preview these files", key="use-drop", on_click=_dropped, args=(state, key))
    with right:
        paths = rights.paths()
        if paths is None:
            st.caption("This server reads no paths: drop the files here.")
            return
        st.text_input(f"Or a path {paths}", key="import-path", placeholder="/data/ml-latest-small")
        # Never greyed: it would be, until the field is left, and take the first click for that alone.
        st.button("Preview this path", key="use-path", on_click=_typed, args=(state,))


def _dropped(state: dict[str, Any], key: str) -> None:
    _start(state, uploads.keep(Settings().prepare(), st.session_state[key]))
    _forget_path()


def _typed(state: dict[str, Any]) -> None:
    if path := st.session_state["import-path"].strip():
        _start(state, typed(path))


def _fetch(state: dict[str, Any], name: str) -> None:
    """Import public data by its name; the engine fetches it."""
    _start(state, Path(name))
    _import(state, None, {})


def _start(state: dict[str, Any], path: Path) -> None:
    again = _put_away(state)
    state.update(path=str(path), round=again)


def _reopen(state: dict[str, Any]) -> None:
    """Take up the import of the page's address: a reload of the browser loses nothing that was set."""
    number = links.number(st.query_params.get(LINK, ""))
    if number is None:
        return
    try:
        job = jobs.get(session.store(), number)
    except NotFound:
        return
    if job.kind not in ("preview", "import") or "path" not in job.payload:
        return
    if _uploaded(job.payload["path"]) and not Path(job.payload["path"]).exists() and job.result is None:
        st.caption(":orange[Note:] the files of this import were removed. Drop them again.")
        return
    state.update(path=job.payload["path"], mapping=job.payload.get("mapping"), round=0)
    if job.kind == "import":
        state.update(import_job=job.id, name=job.payload.get("name"), options=job.payload.get("options", {}))


def _link(job_id: int | None) -> None:
    """Let the page's address name this job, or none."""
    links.keep("library", {} if job_id is None else {LINK: str(job_id)})
    if job_id is not None:
        st.query_params[LINK] = str(job_id)
    elif LINK in st.query_params:
        del st.query_params[LINK]


def _uploaded(path: str) -> bool:
    return Path(path).is_relative_to(session.store().settings.uploads)


def _preview(state: dict[str, Any]) -> Mapping[str, Any] | None:
    """The preview of the path with the mapping chosen so far."""
    payload = rights.within(
        {"path": state["path"], "mapping": state.get("mapping"), **_reading_options(state)}
    )
    job = jobs.get(session.store(), state["preview_job"]) if "preview_job" in state else None
    if job is None or job.payload != payload or job.dropped:
        with st.spinner("Reading the first rows"):
            job = ask(session.store(), "preview", payload, WAIT_S).job
        state["preview_job"] = job.id
        _link(job.id)
    if job.state not in ENDED:
        progress.watch(job, "Reading the first rows")
        return None
    if job.result is None:
        problem(job.error or "The preview was stopped.")
        if _reading_options(state):
            import_options.reading(state)
        if state.get("mapping"):
            st.button("Back to the detected columns", on_click=state.update, kwargs={"mapping": None})
        return None
    return job.result


def _reading_options(state: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of encoding and header, for the preview."""
    options = state.get("options") or {}
    said = {name: options[name] for name in import_options.READING if name in options}
    return {"options": said} if said else {}


def _form(state: dict[str, Any], preview: Mapping[str, Any]) -> None:
    st.markdown(f"**{md(preview['label'])}** · {md(', '.join(preview['files'][:6]), 160)}")
    for note in preview["notes"]:
        st.caption(md(note))
    st.dataframe(preview_table(preview), height=230, hide_index=True, alt="The first rows of the file")
    if preview["titles"]:
        st.caption("Titles: " + " · ".join(md(title, 60) for title in preview["titles"][:5]))
    import_options.reading(state)
    ready = columns_form(state, preview)
    with st.form("import-form", border=False):
        import_options.fields(state, state.get("name") or default_name(state, preview))
        if not ready:
            st.caption(":orange[Before importing,] choose what is asked above.")
        st.form_submit_button(
            "Import", type="primary", disabled=not ready, on_click=_submitted, args=(state,)
        )


def _submitted(state: dict[str, Any]) -> None:
    """File the import before the page is drawn, which then shows it at once in place of the form."""
    name, options = import_options.said(state)
    _import(state, name, options)


def _import(
    state: dict[str, Any], name: str | None, options: Mapping[str, Any], *, accept_drops: bool = False
) -> None:
    """File the import; what was set is kept for another try."""
    payload = {
        "path": state["path"],
        "name": name,
        "mapping": state.get("mapping"),
        "options": dict(options),
        "accept_drops": accept_drops,
        "yes": bool(state.get("yes")),
    }
    job = jobs.submit(session.store(), "import", rights.within(payload))
    state.update(import_job=job.id, name=name, options=dict(options))
    _link(job.id)


def default_name(state: Mapping[str, Any], preview: Mapping[str, Any]) -> str:
    """A name from the path; from the first file where the path is a folder made for an upload."""
    path = Path(state["path"])
    files = preview["files"]
    name = files[0] if _uploaded(state["path"]) and path.is_dir() and files else path.name
    return plain(name.partition(".")[0], 60)


def _follow_import(state: dict[str, Any]) -> None:
    job = jobs.get(session.store(), state["import_job"])
    if job.state not in ENDED:
        st.caption(
            "This import runs in the background; you may close the browser. Every visitor sees its progress "
            "under Data sets."
        )
        return
    if job.result is None:
        problem(job.error or "The import was stopped. Nothing of it was kept.")
    elif job.result.get("asked"):
        _choose(state, job.result["asked"]["questions"])
    elif job.result.get("question"):
        _ask(state, job.result)
    else:
        _imported(state, job.result)
    with st.container(horizontal=True):
        if job.result is None or not job.result["dataset"]:
            st.button("Change and try again", on_click=state.pop, args=("import_job",), key="import-again")
        elif st.button("Open in Recommend", key="import-open", type="primary"):
            opening.in_recommend(session.view_of(job.result["dataset"]))
        st.button("Import something else", on_click=_clear, args=(state,), key="import-new")


def _choose(state: dict[str, Any], questions: Sequence[Mapping[str, Any]]) -> None:
    """What the files leave open after all: an answer imports, or renews the preview where that changes."""
    for question in questions:
        asked(question)
        with st.container(horizontal=True):
            for number, candidate in enumerate(question["candidates"]):
                name = candidate["name"]
                st.button(
                    answer(question, name),
                    key=f"answer-{question['field']}-{number}",
                    type="primary" if number == 0 else "secondary",
                    on_click=_answered,
                    args=(state, question, name),
                )


def _answered(state: dict[str, Any], question: Mapping[str, Any], name: str) -> None:
    option = question.get("option")
    if not option:
        state["mapping"] = {**(state.get("mapping") or {}), question["field"]: name}
    else:
        state["options"] = {**(state.get("options") or {}), option: name}
    if option and option not in import_options.READING:
        _import(state, state.get("name"), state["options"])
    else:
        state.pop("import_job")


def _ask(state: dict[str, Any], result: Mapping[str, Any]) -> None:
    """Most rows would be left out: nothing is imported before a person decides."""
    question, found = result["question"], result["report"]
    reasons = "; ".join(f"{md(reason)}: {count(number)}" for reason, number in question["reasons"].items())
    st.warning(
        f"**{question['share']:.0%} of {count(found['rows_read'])} rows would be left out** ({reasons}). "
        "Nothing was imported yet. Choose what to import."
    )
    name, options = state.get("name"), state.get("options") or {}
    with st.container(horizontal=True):
        for number, way in enumerate(question["ways"]):
            kept = {**options, **way["options"]}
            label, kind = f"{way['label']} and import", "primary" if number == 0 else "secondary"
            st.button(label, key=f"way-{number}", type=kind, on_click=_import, args=(state, name, kept))
        label = f"Import the other {count(found['rows_kept'])} rows"
        accept = {"args": (state, name, options), "kwargs": {"accept_drops": True}}
        st.button(label, key="accept-drops", on_click=_import, **accept)
    report(found)


def _imported(state: dict[str, Any], result: Mapping[str, Any]) -> None:
    if _uploaded(state["path"]):
        uploads.discard(Settings(), Path(state["path"]))
    found = result["report"]
    lost = found.get("rows_read", 0) > 2 * found.get("rows_kept", 0)
    box = st.warning if lost else st.success
    box(f"**{md(result['dataset'])}** is ready. {md(summary(found))}")
    report(found)


def _clear(state: dict[str, Any]) -> None:
    state["round"] = _put_away(state)
    _forget_path()
    _link(None)


def _forget_path() -> None:
    """Empty the field of the path: what is shown from here on does not come from it."""
    if "import-path" in st.session_state:
        st.session_state["import-path"] = ""


def _put_away(state: dict[str, Any]) -> int:
    """Forget this import, and its upload if no job may still read it; returns the number of the next one."""
    again = state.get("round", 0) + 1
    if "path" in state and _uploaded(state["path"]) and not _reading(state):
        uploads.discard(Settings(), Path(state["path"]))
    state.clear()
    return again


def _reading(state: Mapping[str, Any]) -> bool:
    """Whether the import that was filed may still read its files."""
    return "import_job" in state and jobs.get(session.store(), state["import_job"]).state not in ENDED


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
