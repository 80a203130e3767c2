"""What a report can be of, one row each: `KINDS`. A further kind is a row and a module that tells its story.

Boundary: ids as people write them in, stories out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.report import comparison, experiment, run, study
from dashboard.report.story import Story
from dashboard.screens.experiments.experiment_text import Experiment
from dashboard.screens.studies.study_text import Study
from db import jobs, runs
from db.errors import BadInput, NotFound
from db.jobs import Job
from db.names import quoted
from db.runs import Run
from db.store import Store

HOW = "A report is of one run, of 2 to 4 runs side by side, of one study or of one experiment."


@dataclass(frozen=True)
class Kind:
    """A kind of thing that a story is told of. `takes`: how many ids, at least and at most; `find`: what an
    id names, None where it can name none of these; `tell`: the story of what was found."""

    name: str
    takes: tuple[int, int]
    find: Callable[[Store, str], Any]
    tell: Callable[[Store, Sequence[Any]], Story]


def _run(store: Store, text: str) -> Run:
    return runs.get(store, text)


def _study(store: Store, text: str) -> Study | None:
    """A study by its number, which an address of the page Studies names."""
    job = _job(store, text, "study")
    return None if job is None else Study(job)


def _experiment(store: Store, text: str) -> Experiment | None:
    """An experiment by its number, which an address of the page Experiments names."""
    job = _job(store, text, "experiment")
    return None if job is None else Experiment(job)


def _job(store: Store, text: str, kind: str) -> Job | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= runs.SHORTEST_PREFIX * 2):
        return None
    try:
        job = jobs.get(store, int(text))
    except NotFound:
        return None
    return job if job.kind == kind else None


KINDS: dict[str, Kind] = {
    row.name: row
    for row in (
        Kind("study", (1, 1), _study, lambda store, found: study.story(store, found[0])),
        Kind("experiment", (1, 1), _experiment, lambda _, found: experiment.story(found[0])),
        Kind("run", (1, 1), _run, lambda store, found: run.story(store, found[0])),
        Kind("comparison", (comparison.FEWEST, comparison.MOST), _run, comparison.story),
    )
}
"""In the order in which an id is tried: a study's number may look like the beginning of a run's key."""


def story(store: Store, ids: Sequence[str]) -> Story:
    """The story of what these ids name. Raises BadInput where no kind takes so many, NotFound, and what is
    raised in telling."""
    kinds = [kind for kind in KINDS.values() if kind.takes[0] <= len(ids) <= kind.takes[1]]
    if not kinds:
        raise BadInput(f"{len(ids)} ids are given. {HOW}")
    for kind in kinds:
        found = [kind.find(store, each) for each in ids]
        if None in found:
            continue
        # One run can be named in two ways: by its key and by the first digits of it.
        if twice := [each for at, each in enumerate(ids) if found[at] in found[:at]]:
            raise BadInput(f"{quoted(twice[0])} is given twice. {HOW}")
        return kind.tell(store, found)
    raise NotFound(f"The store holds no study, no experiment and no run {quoted(ids[0])}. {HOW}")
