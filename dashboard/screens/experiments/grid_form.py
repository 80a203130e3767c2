"""The form of the Experiments page: a grid, its size, an estimate of what it takes; files a job."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboard.screens.experiments import grid_fields
from dashboard.screens.experiments.experiment_text import size
from dashboard.state import session, widgets
from dashboard.state.waiting import Answer
from dashboard.text import values
from dashboard.text.literal import md, plain
from dashboard.ui import forms, help, progress, rights
from dashboard.ui.notices import problem
from db import jobs, outside
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.jobs import Job
from db.outside import Lists
from db.requests import ExperimentRequest
from db.requests.experiment import AXES
from db.requests.experiment_file import read, written
from db.requests.fields import described, field_of

KIND, ESTIMATE = "experiment", "experiment_estimate"
AT_ONCE = ("users", "draws", "baselines", "copies")  # drawn beside data set, models and demonstrations
APART = ("dataset", "demos", "reference", "systems")  # drawn by functions of their own
_ESTIMATED = "experiment-estimated"
_FILE = "experiment-file"


def form(known: Sequence[DatasetInfo], started: Callable[[int], None]) -> None:
    """Draw the grid, or the file that was read, and what can be done with it. `started`: is given the number
    of the experiment's job."""
    try:
        request = _of_file()
        if request is None:
            request = _of_fields(known)
    except BadInput as error:
        problem(str(error))
        return
    st.caption(f"**{md(size(request))}**")
    _estimate(request)
    _start(request, started)
    st.caption("Runs in the background. If stopped, it resumes. Rankings take priority.")


def _of_fields(known: Sequence[DatasetInfo]) -> ExperimentRequest:
    """What the fields say. Raises BadInput."""
    info = forms.data_set(grid_fields.name_of("dataset"), known)
    said: dict[str, Any] = {"dataset": info.name}
    said["model"] = grid_fields.axis(field_of(ExperimentRequest, "model"))
    said["demos"] = grid_fields.demonstrations(info)
    left, right = st.columns(2, gap="small")
    for place, name in zip((left, right), AT_ONCE[:2], strict=True):
        with place:
            said[name] = _ask(name)
    for name in AT_ONCE[2:]:
        said[name] = _ask(name)
    with st.expander("More options", key="experiment-more"):
        grid_fields.written_by_hand()
        for field in described(ExperimentRequest):
            if field.name not in said and field.name not in APART:
                said[field.name] = grid_fields.axis(field) if field.name in AXES else _ask(field.name)
        said["systems"] = _systems(info, said)
    request = ExperimentRequest(**said)
    return ExperimentRequest(**{**said, "reference": grid_fields.reference(request)})


def _ask(name: str) -> Any:
    field = field_of(ExperimentRequest, name)
    return forms.ask(field, grid_fields.name_of(name), field.default, step=1)


def _systems(info: DatasetInfo, said: dict[str, Any]) -> tuple[str, ...] | None:
    """Systems whose scores of just these lists were read; nothing is drawn where there are none."""
    lists = Lists(said["candidate_kind"], said["candidates"], said["seed"], said["target"])
    names = outside.names(session.store(), info, lists)
    if not names:
        return None
    field = field_of(ExperimentRequest, "systems")
    note = help.more(f"{field.asked.about}.", field.guide)
    return grid_fields.several(values.title(field), "systems", names, (), words=plain, help=note) or None


def _of_file() -> ExperimentRequest | None:
    """The experiment of an uploaded file, which stands in place of the fields; None without one. Raises
    BadInput."""
    turn = widgets.kept(_FILE, 0)
    with st.popover("Open a YAML file", width="stretch", key="experiment-open"):
        st.caption("A file that `dualens experiment plan --out` or YAML on this page wrote.")
        given = st.file_uploader("Experiment", type=["yaml", "yml"], key=f"{_FILE}-{turn}")
    if given is None:
        return None
    st.caption(f"From {md(given.name, 60)}, in place of the form:")
    with st.container(horizontal=True):
        st.button("Close file", key="experiment-close", on_click=_close)
        try:
            request = read(given.getvalue().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise BadInput(f"{plain(given.name, 60)} is not text in UTF-8.") from error
        except BadInput as refusal:
            raise BadInput(f"{plain(given.name, 60)}: {refusal}") from None
        st.button("Change in the form", key="experiment-change", on_click=_change, args=(request,))
    st.code(written(request), language="yaml", wrap_lines=True)
    return request


def _close() -> None:
    widgets.keep(_FILE, widgets.kept(_FILE, 0) + 1)  # an uploader keeps its file as long as its key


def _change(request: ExperimentRequest) -> None:
    grid_fields.fill(request)
    _close()


def _estimate(request: ExperimentRequest) -> None:
    """The button that times a few users, and what it found for this very request."""
    asked, number = st.session_state.get(_ESTIMATED, (None, 0))
    if asked == request.to_json():
        answer = Answer(jobs.get(session.store(), number))
        if answer.pending:
            progress.watch(answer.job, "Timing a few users")
            return
        for sentence in (answer.result or {}).get("said") or []:
            st.caption(md(sentence))
        if answer.error:
            problem(answer.error)
        if answer.result:
            return
    rights.work_button(
        "Estimate",
        key="experiment-estimate",
        width="stretch",
        on_click=_time,
        args=(request,),
        help="Times a few users and says how many seconds and tokens the rest takes. What they give is kept.",
    )


def _time(request: ExperimentRequest) -> None:
    job = jobs.submit(session.store(), ESTIMATE, request.to_json())
    st.session_state[_ESTIMATED] = (request.to_json(), job.id)


def _start(request: ExperimentRequest, started: Callable[[int], None]) -> None:
    """File the experiment; a result that is stored is shown instead, and run again only on request."""
    stored = answered(request)

    def file() -> None:
        started(jobs.submit(session.store(), KIND, request.to_json()).id)

    label, action = (
        ("Start experiment", file)
        if stored is None
        else ("Show the stored result", partial(started, stored.id))
    )
    st.button(label, type="primary", key="experiment-start", width="stretch", on_click=action)
    if stored is not None:
        st.button("Run again", key="experiment-anew", width="stretch", type="tertiary", on_click=file)


def answered(request: ExperimentRequest) -> Job | None:
    """The newest finished experiment with just this request."""
    asked = request.to_json()
    done = jobs.about(session.store(), KIND, asked)
    return next((job for job in done if job.state == jobs.COMPLETED and job.payload == asked), None)
