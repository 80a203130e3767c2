"""Cells as the store keeps them, and finished experiments as their jobs do.

Boundary: the store in, `engine.studies.experiments.cells` out. No model and no data set: what was
measured can be read where both are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from db import experiments, jobs
from db.errors import BadInput, NotFound
from db.experiments import Place
from db.jobs import Job
from db.store import Store
from db.time_left import time_left
from engine.studies.experiments.cells import Cell, Cells, Row

KIND = "experiment"  # of a job


def written(cell: Cell) -> dict[str, Any]:
    """A cell as JSON; what it has not is left out."""
    return {name: value for name, value in asdict(cell).items() if value is not None}


def read(json: Mapping[str, Any]) -> Cell:
    """The cell of `written`."""
    return Cell(**{**json, "scores": tuple(json["scores"]), "top": tuple(json["top"])})


def kept_cells(store: Store, rows: Mapping[str, Row], users: Sequence[str]) -> Cells:
    """The cells of the users that all rows have. rows: by the digest of their setting."""
    found = {setting: _by_user(store, setting, row, users) for setting, row in rows.items()}
    everywhere = [user for user in users if all(user in of_row for of_row in found.values())]
    at = {row.key: [found[setting][user] for user in everywhere] for setting, row in rows.items()}
    return Cells(tuple(rows.values()), tuple(everywhere), at)


def _by_user(store: Store, setting: str, row: Row, users: Sequence[str]) -> dict[str, list[Cell]]:
    """The cells of all draws; users that lack one are left out."""
    kept, found = experiments.get(store, setting, users), {}
    for user in users:
        places = [Place(setting, user, draw) for draw in range(row.draws)]
        if all(place in kept for place in places):
            found[user] = [read(kept[place]) for place in places]
    return found


def of_result(store: Store, result: Mapping[str, Any], keys: Sequence[str]) -> Cells:
    """The cells that some rows of a finished experiment were told from. Raises BadInput for a row that it has
    not, NotFound where the store holds none of the cells."""
    known = {row["key"]: row for row in result["rows"]}
    settings, rows = result.get("settings") or {}, {}
    for key in keys:
        if key not in known or key not in settings:
            raise BadInput(f"{key!r} is no row of the experiment. Its rows: {', '.join(known)}.")
        named = {name: known[key][name] for name in ("key", "label", "kind", "values", "draws", "copies")}
        rows[settings[key]] = Row(**named)
    cells = kept_cells(store, rows, result.get("user_ids") or [])
    if not cells.users:
        raise NotFound("The store holds the cells of these rows no longer. Run the experiment again.")
    return cells


def of_number(store: Store, number: int, *, ended: bool = True) -> Job:
    """An experiment's job. Raises NotFound; BadInput where it is to have `ended` and has not."""
    job = jobs.get(store, number)
    if job.kind != KIND:
        raise NotFound(f"Job {number} is no experiment. `dualens experiment list` lists them.")
    if ended and (job.state != jobs.COMPLETED or not job.result):
        left = time_left(job.left_low_s, job.left_high_s)
        state = " · ".join(filter(None, (job.state.lower(), job.message, left)))
        raise BadInput(
            f"Experiment {number} has not ended ({state}). What is there so far is on the page Experiments; "
            "a stopped one is resumed there, or by the command that began it."
        )
    return job
