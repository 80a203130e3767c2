"""One experiment, running or ended: its sentence, its leaderboard as it fills, its file; the list of all."""

import json

import pandas as pd
import streamlit as st

from dashboard.screens.experiments import grid_fields, leaderboard_card, leaderboard_tables
from dashboard.screens.experiments.experiment_text import DECIDING, Experiment, about, headline
from dashboard.state import session
from dashboard.text import cells
from dashboard.text.formats import number, plural
from dashboard.text.literal import md, plain
from dashboard.ui import progress, rights, sharing, watched
from dashboard.ui.notices import HEAD_PX, empty, problem
from db import contamination, jobs
from db.experiments import MEASURES
from db.jobs import Job
from db.requests import ExperimentRequest
from db.requests.experiment_file import written
from db.version import VERSION

LINE_PX = 70  # which numbers these are, and how far they are
ROOM_PX = 300
ENDED = {
    "COMPLETED": "Done.",
    "STOPPED": "Stopped. Every finished list is kept, and Resume continues from there.",
    "ERROR": "Failed. Every finished list is kept, and Resume continues from there.",
}

SHELF = watched.Shelf("experiment", Experiment, "experiment", "experiments", results=False)


def one(experiment: Experiment) -> None:
    """The card: looked up again while the job is open."""
    SHELF.card(experiment, _one)


def _one(experiment: Experiment) -> None:
    job = experiment.job
    with st.container(
        horizontal=True, vertical_alignment="center", key="experiment-head", height=HEAD_PX, border=False
    ):
        st.subheader(md(experiment.title), anchor=False, width="stretch")
        _file(experiment)
        if job.state == "COMPLETED":
            _take_away(experiment)
        else:
            _button(job)
    with st.container(
        height=LINE_PX if experiment.open else "content", border=False, key="experiment-line", gap="xxsmall"
    ):
        st.caption(f"Experiment {job.id} · {md(about(experiment))}")
        if experiment.open:
            progress.line(job, working(experiment))
        elif job.state != "COMPLETED":
            st.caption(ENDED.get(job.state, job.state))
    if job.state == "COMPLETED":
        st.markdown(f"**{md(headline(experiment))}**")
        with st.container(key="experiment-results"):
            leaderboard_card.draw(experiment)
    else:
        _so_far(experiment)
    if job.state == "ERROR":
        problem(job.error or "The engine gave no reason.")
    for note in experiment.found.get("notes") or []:
        st.caption(f":orange[Note:] {md(note)}")
    if experiment.found and experiment.request:
        for model in experiment.request.model:
            line = contamination.line(session.store(), experiment.request.dataset, model)
            st.caption(md(line if len(experiment.request.model) == 1 else f"{model}. {line}"))


def working(experiment: Experiment) -> str:
    """What a running experiment does, and how fast, once that is known."""
    rate = (experiment.job.partial or {}).get("rate")
    if not rate:
        return "Ranking"
    return (
        f"Ranking {number(rate, 1)} lists a second"
        if rate >= 0.1
        else f"Ranking {rate * 60:.1f} lists a minute"
    )


def _button(job: Job) -> None:
    if job.state in (jobs.QUEUED, jobs.RUNNING):
        rights.change_button(
            "Stop experiment",
            key=f"stop-experiment-{job.id}",
            disabled=job.stop_asked,
            on_click=progress.stop,
            args=(job.id,),
            help="Every finished list is kept, and Resume continues from there.",
        )
        return
    again = f"again-experiment-{job.id}"
    rights.work_button("Resume experiment", key=again, type="primary", on_click=SHELF.resume, args=(job.id,))


def _so_far(experiment: Experiment) -> None:
    rows = leaderboard_tables.so_far(experiment.job.partial)
    if not rows:
        wait = (
            "Means appear after the first users."
            if experiment.open
            else "It ended before the first user was done."
        )
        empty("No numbers yet", wait, ROOM_PX)
        return
    st.caption(
        f"{MEASURES[DECIDING]} so far: mean over the lists done and 95 % interval, highest first. Rows are "
        "computed in groups, so they may be of different users; paired tests follow at the end."
    )
    leaderboard_card.dots_chart(rows, MEASURES[DECIDING], f"experiment-so-far-{experiment.job.id}")


def _file(experiment: Experiment) -> None:
    """Its YAML file, and its grid as the start of another one."""
    request, job = experiment.request, experiment.job
    if request is None:
        return
    text = written(request, f"Experiment {job.id}, dualens {VERSION}. Run it: dualens experiment run FILE")
    name = f"dualens-experiment-{job.id}"
    st.download_button("YAML", text, f"{name}.yaml", "application/yaml", key=f"yaml-{job.id}")
    if not rights.reads_only():
        st.button(
            "Vary",
            key=f"vary-{job.id}",
            on_click=_vary,
            args=(request,),
            help="Copies this grid into the form. Lists that were computed are not computed again.",
        )


def _vary(request: ExperimentRequest) -> None:
    grid_fields.fill(request)


def _take_away(experiment: Experiment) -> None:
    """Downloads of the result."""
    job, name = experiment.job, f"dualens-experiment-{experiment.job.id}"
    whole = json.dumps(experiment.found, indent=1, ensure_ascii=False, sort_keys=True)
    st.download_button("JSON", whole, f"{name}.json", "application/json", key=f"json-{job.id}")
    frame = leaderboard_tables.numbers(experiment)
    if not frame.empty:
        st.download_button("CSV", cells.csv(frame), f"{name}.csv", "text/csv", key=f"csv-{job.id}")
    sharing.draw(str(job.id))


def listing(everything: list[Experiment], current: Experiment | None) -> None:
    """All experiments; a selected row is shown above."""
    columns = {
        "filed": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    }
    SHELF.listing(everything, current, table(everything), columns, "Experiments, newest first")


def table(everything: list[Experiment]) -> pd.DataFrame:
    """One row per experiment, newest first; plain text, and moments that a browser shows in its own time."""
    requests = [experiment.request for experiment in everything]
    return pd.DataFrame(
        {
            "number": [experiment.job.id for experiment in everything],
            "experiment": [experiment.title for experiment in everything],
            "state": [experiment.state for experiment in everything],
            "filed": pd.to_datetime([each.job.created_at for each in everything], unit="s", utc=True),
            "rows": [plural(len(request.rows()), "row") if request else "–" for request in requests],
            "users": [experiment.asked.get("users") for experiment in everything],
            "models": [plain(", ".join(request.model), 60) if request else "–" for request in requests],
        }
    )
