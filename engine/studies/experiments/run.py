"""Running an experiment: every cell that is not stored yet, unit by unit, and what all of them say.

Boundary: a request in, JSON out. What is finished is stored at once, so that a stopped or killed experiment
resumes, and one that is extended computes only what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from db import datasets, experiments
from db.experiments import Place
from db.requests import ExperimentRequest
from db.time_left import time_left
from engine.context import Engine
from engine.evaluation.statistics import running
from engine.progress import Clock, Report, counted, quiet, worked
from engine.studies.experiments.answer import answer
from engine.studies.experiments.beyond_accuracy import catalogue, listed
from engine.studies.experiments.cells import PER_USER, Cell, Cells
from engine.studies.experiments.grid import Column, Grid, laid_out
from engine.studies.experiments.kept import kept_cells, read, written
from engine.studies.experiments.ray_engine import RayEngine
from engine.studies.experiments.units import unit
from engine.tuning.recipe import knows_later

SO_FAR_EVERY_S = 2.0  # between two tables of what is there already


def run(
    engine: Engine, request: ExperimentRequest, report: Report, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The answer of an experiment, ready for JSON. `before`: the last partial result of an attempt that was
    cut off. Raises BadInput, NotFound, ModelError, OutOfMemory."""
    grid = laid_out(engine, request)
    seconds = computed(engine, grid, report, (before or {}).get("seconds", 0.0))
    return {"seconds": round(seconds, 1), **answered(engine, grid)}


def computed(engine: Engine, grid: Grid, report: Report, before: float = 0.0) -> float:
    """Compute and store all cells of a grid that are missing. `before`: seconds that earlier attempts took;
    seconds of all attempts."""
    progress = Progress(engine, grid, report, before)
    for name, group in grid.groups.items():
        if isinstance(engine, RayEngine) and engine.spreads(grid, group):
            waiting = [user for user in grid.users if not progress.stored(group, user)]
            for cells in engine.compute(grid, name, group, waiting, progress.within):
                progress.add(cells)
                progress.say(f"{name}: {progress.number:,} of {grid.cells:,} lists")
            continue
        compute = unit(engine, grid, group)
        for number, user in enumerate(grid.users):
            if progress.stored(group, user):
                continue
            message = f"{name}: user {number + 1:,} of {len(grid.users):,}"
            progress.say(message)
            progress.add(compute(user, progress.within(message)))
    return progress.seconds


def estimated(engine: Engine, request: ExperimentRequest, units: int = 2) -> dict[str, Any]:
    """An experiment's rows and size, and what is left to compute: seconds and tokens of the prompts, from
    `units` users of each group that are computed now, and stored. None where nothing could be timed."""
    grid = laid_out(engine, request)
    progress = Progress(engine, grid, quiet, 0.0)
    seconds = tokens = 0.0
    known = True
    for group in grid.groups.values():
        compute = unit(engine, grid, group)
        waiting = [user for user in grid.users if not progress.stored(group, user)]
        if not waiting:
            continue
        if units:
            progress.add(compute(waiting.pop(0), quiet))  # untimed: it loads and fits
        timed = waiting[:units]
        spent = read_ = 0.0
        for user in timed:
            clock = Clock()
            cells = compute(user, quiet)
            spent += clock.seconds
            read_ += sum(cell.tokens or 0 for cell in cells.values())
            progress.add(cells)
        known = known and (bool(timed) or not waiting)
        times = (len(waiting) - len(timed)) / max(len(timed), 1)
        seconds, tokens = seconds + spent * times, tokens + read_ * times
    stored_ = progress.number
    return {
        "rows": [asdict(column.row) for column in grid.columns],
        "users": len(grid.users),
        "cells": grid.cells,
        "stored": stored_,
        "seconds": round(seconds, 1) if known else None,
        "tokens": round(tokens) if known else None,
        "said": [
            f"{counted(len(grid.columns), 'row')} for {len(grid.users):,} users: {grid.cells:,} lists, "
            f"{stored_:,} of them stored.",
            *(_expected(seconds, tokens) if known else ["Nothing was timed."]),
        ],
    }


def _expected(seconds: float, tokens: float) -> list[str]:
    if not seconds:
        return ["Nothing is left to compute."]
    left = time_left(0.8 * seconds, 1.25 * seconds)
    return [f"To compute: {left}, about {tokens:,.0f} tokens of prompts to read on this machine."]


def answered(engine: Engine, grid: Grid) -> dict[str, Any]:
    """What all the stored cells of a grid say (`engine.studies.experiments.answer`), and what it is about."""
    request, dataset, cells = grid.request, grid.dataset, stored(engine, grid)
    columns = datasets.columns(engine.store, dataset.id)
    counts = datasets.item_counts(engine.store, dataset.id)
    known = catalogue(columns.item_ids, columns.titles, counts, columns.categories, only=listed(cells))
    reference = request.reference or grid.columns[0].row.key
    said = answer(cells, known, reference, request.seed, dataset.simulated)
    models = [
        {"name": info.name, "revision": info.revision, "notes": knows_later(info, dataset)}
        for info in grid.models.values()
    ]
    return {
        **said,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "request": request.to_json(),
        "models": models,
        "settings": {column.row.key: column.setting for column in grid.columns},
        "user_ids": list(cells.users),
        "notes": [
            *said["notes"],
            *([f"The first {request.skip:,} users drawn are left out."] if request.skip else []),
            *(note for model in models for note in model["notes"]),
        ],
    }


def stored(engine: Engine, grid: Grid) -> Cells:
    """The cells of the users that all rows have."""
    rows = {column.setting: column.row for column in grid.columns}
    return kept_cells(engine.store, rows, grid.users)


class Progress:
    """Which cells of a grid are stored, and the report of it."""

    def __init__(self, engine: Engine, grid: Grid, report: Report, seconds: float) -> None:
        self._store, self._grid, self._report = engine.store, grid, report
        self._begun, self._before = worked(), seconds
        self._places: set[Place] = set()
        self._ndcg: dict[str, list[float]] = {}
        names = {column.setting: column.row.key for column in grid.columns}
        self._names = names
        for setting in names:
            found = experiments.get(engine.store, setting, grid.users)
            self._count({place: read(cell) for place, cell in found.items()})
        self._said_at, self._found = -SO_FAR_EVERY_S, self.number

    @property
    def number(self) -> int:
        """How many cells are stored."""
        return len(self._places)

    @property
    def seconds(self) -> float:
        """Of work, over all attempts."""
        return self._before + worked() - self._begun

    @property
    def rate(self) -> float | None:
        """Cells a second in this attempt; None before the first."""
        spent, done = worked() - self._begun, self.number - self._found
        return round(done / spent, 3) if done and spent > 0 else None

    def stored(self, group: Sequence[Column], user: str) -> bool:
        """Whether all cells of a unit are there."""
        return all(place in self._places for column in group for place in column.places(user))

    def add(self, cells: Mapping[Place, Cell]) -> None:
        """Store a unit's cells."""
        experiments.put(self._store, {place: written(cell) for place, cell in cells.items()})
        self._count(cells)

    def say(self, message: str) -> None:
        """Report how much is done; now and then with what was measured so far."""
        done = len(self._places) / self._grid.cells
        if worked() - self._said_at < SO_FAR_EVERY_S:
            self._report(done, message)
            return
        self._said_at = worked()
        so_far = {row: running(values) for row, values in self._ndcg.items()}
        partial = {"seconds": self.seconds, "rate": self.rate, "so_far": {"ndcg10": so_far}}
        self._report(done, message, partial)

    def within(self, message: str) -> Report:
        """A report for the work inside a unit, which says what is done by then."""

        def reported(*_: Any) -> None:
            self._report(len(self._places) / self._grid.cells, message)

        return reported

    def _count(self, cells: Mapping[Place, Cell]) -> None:
        for place, cell in cells.items():
            if place not in self._places:
                self._places.add(place)
                row = self._names[place.setting]
                self._ndcg.setdefault(row, []).append(PER_USER["ndcg10"](cell) or 0.0)
