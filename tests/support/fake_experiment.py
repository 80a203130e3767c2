"""Answers to `experiment` jobs: cells with numbers made from digests, and what the real code concludes."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from db import datasets, experiments, jobs
from db.canonical import digest
from db.jobs import Job
from db.requests import ExperimentRequest, RunRequest
from db.store import Store
from engine.studies.experiments.answer import answer
from engine.studies.experiments.cells import BASELINE, COPY, Cell, Cells, Row
from engine.studies.experiments.kept import written
from tests.support.fake_study import number
from tests.support.grid import NOTHING_KNOWN, cell

DEMONSTRATIONS = tuple(f"demo-{place}" for place in range(4))


def rows_of(request: ExperimentRequest) -> tuple[Row, ...]:
    """The rows that the real engine lays out, with hostile labels."""
    models = {request.key(setting): setting for setting in request.settings()}
    rows = []
    for key, draws in request.rows().items():
        copy = key.partition("(")[0] in (request.copies or ())
        kind = "model" if key in models else COPY if copy else BASELINE
        values = {axis: models[key][axis] for axis in request.varied} if key in models else {}
        copies = key.partition("(")[2][:-1] if copy else None
        rows.append(Row(key, f"{key} <b>:x:</b>", kind, values, draws, copies))
    return tuple(rows)


def cells_of(store: Store, request: ExperimentRequest, runs: Callable[[RunRequest], str] | None) -> Cells:
    """Cells of the data set's users; `neighbours` is best. runs: makes the stored run of a cell."""
    info = datasets.get(store, request.dataset)
    users = [user.user_id for user in datasets.users(store, info.id, limit=request.users)]
    rows = rows_of(request)
    settings = {request.key(setting): setting for setting in request.settings()}

    def one(row: Row, user: str, draw: int) -> Cell:
        best = 2 if "neighbours" in row.key else 18
        place = round(number(1, best, row.key, user, draw))
        if row.kind != "model":
            return cell(place, size=request.candidates)
        shown = 4 if "none" not in row.key else 0
        effects = {name: number(0.1, 0.5, user, name) for name in DEMONSTRATIONS} if shown else None
        asked = request.run(user, settings[row.key], draw)
        return cell(
            place,
            size=request.candidates,
            shown=shown,
            tokens=120 + 60 * shown,
            seconds=0.1 + 0.05 * shown,
            margin=-1.0 + number(0, 1, user, row.key),
            margin_zero_shot=-1.0,
            effects=effects if request.effects else None,
            run=runs(asked) if runs else digest([row.key, user, draw]),
        )

    at = {row.key: [[one(row, user, draw) for draw in range(row.draws)] for user in users] for row in rows}
    return Cells(rows, tuple(users), at)


def result(
    store: Store, request: ExperimentRequest, runs: Callable[[RunRequest], str] | None = None
) -> dict[str, Any]:
    """What a finished job holds; its cells are stored."""
    cells = cells_of(store, request, runs)
    settings = {row.key: digest(["fake", row.key]) for row in cells.rows}
    experiments.put(
        store,
        {
            experiments.Place(settings[row.key], user, draw): written(one)
            for row in cells.rows
            for user, draws in zip(cells.users, cells.at[row.key], strict=True)
            for draw, one in enumerate(draws)
        },
    )
    reference = request.reference or cells.rows[0].key
    said = answer(cells, NOTHING_KNOWN, reference, request.seed, simulated=True)
    return {
        "seconds": 12.0,
        **said,
        "dataset": request.dataset,
        "request": request.to_json(),
        "models": [{"name": name, "revision": "r1", "notes": []} for name in request.model],
        "settings": settings,
        "user_ids": list(cells.users),
    }


def so_far(request: ExperimentRequest, done: int) -> dict[str, Any]:
    """A partial result after so many users."""
    means = {
        key: {"mean": number(0.2, 0.8, key), "low": 0.1, "high": 0.9, "n": done} for key in request.rows()
    }
    return {"seconds": 1.0, "so_far": {"ndcg10": means}}


def experiment(store: Store, job: Job, owner: str, pace: Callable[[], float]) -> dict[str, Any] | None:
    """The result of a job, told in a few steps; None where it was stopped meanwhile."""
    request = ExperimentRequest.from_json(job.payload)
    for step in range(1, 5):
        partial, began = so_far(request, 10 * step), time.monotonic()
        while True:
            if not jobs.heartbeat(store, job.id, owner, step / 5, f"user {step} of 4", partial=partial):
                jobs.release(store, job.id, owner, partial)
                return None
            if time.monotonic() - began >= pace():
                break
            time.sleep(0.05)
    return result(store, request)


def estimate(request: ExperimentRequest) -> dict[str, Any]:
    """What timing a few users gives."""
    rows = [asdict(row) for row in rows_of(request)]
    return {"rows": rows, "said": ["To compute: 10 to 20 s left, about 9,000 tokens <b>of</b> prompts."]}


def selector(rows: list[str]) -> dict[str, Any]:
    """A rule for two rows, and what it reaches."""
    value = {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 20}
    said = "Show demonstrations where <b>few</b> items were bought."
    arms = dict.fromkeys(("selector", "always", "never", "oracle"), value)
    found = {"without": rows[0], "with": rows[1], "words": said, "said": said, "arms": arms}
    return found | {"validation": "past purchases"}
