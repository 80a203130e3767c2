"""The units of an experiment: all cells of one user that are computed together.

Boundary: a grid, one of its groups and a user in, cells out. The rankings are stored runs like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from db import datasets
from db.choices import BASELINES
from db.errors import BadInput
from db.experiments import Place
from db.requests import RunRequest
from db.runs import Run
from engine.baselines.fitting import Fitted, fitted
from engine.context import Context, Engine
from engine.data.candidates import candidate_list
from engine.demos import copies
from engine.demos import query as queries
from engine.evaluation.metrics import order, standing
from engine.progress import Report, quiet
from engine.studies.answers import target_first
from engine.studies.experiments.cells import BASELINE, COPY, OUTSIDE, TOP, Cell
from engine.studies.experiments.grid import Column, Grid
from engine.tasks.effects import effects
from engine.tasks.outside_systems import scores
from engine.tasks.rank import rank_many

Unit = Callable[[str, Report], dict[Place, Cell]]
"""The cells of a user (an id) in one group."""


def unit(engine: Engine, grid: Grid, group: Sequence[Column]) -> Unit:
    """What computes a group's cells of a user. Raises what ranking raises."""
    if group[0].row.kind == BASELINE:
        return Baselines(engine, grid, group)
    if group[0].row.kind == OUTSIDE:
        return Systems(engine, grid, group)
    return lambda user, report: ranked(engine, grid, group, user, report)


def ranked(
    engine: Engine, grid: Grid, group: Sequence[Column], user: str, report: Report = quiet
) -> dict[Place, Cell]:
    """A user's cells of one model, its prompts read side by side, and of the copies beside them."""
    return measured(engine, grid, group, user, rank_many(asked(engine, grid, group, user), report), report)


def asked(engine: Engine, grid: Grid, group: Sequence[Column], user: str) -> list[Context[RunRequest]]:
    """The runs of a user's cells of one model."""
    return [grid.context(engine, column, user, place.draw) for column, place in _own(group, user)]


def measured(
    engine: Engine,
    grid: Grid,
    group: Sequence[Column],
    user: str,
    runs: Sequence[Run],
    report: Report = quiet,
) -> dict[Place, Cell]:
    """What the runs that were `asked` say of their user, and the cells of the copies beside them."""
    by_key: dict[tuple[str, int], Run] = {}
    cells: dict[Place, Cell] = {}
    for (column, place), run in zip(_own(group, user), runs, strict=True):
        by_key[column.row.key, place.draw] = run
        effects_of_run = None
        if grid.request.effects and run.result["demonstrations"]:
            context = grid.context(engine, column, user, place.draw)
            _, found = effects(engine, context.request, mode="direct", report=report)
            effects_of_run = {row["id"]: row["effect"] for row in found.result["demonstrations"]}
        cells[place] = of_run(run, effects_of_run)
    if copies_ := [column for column in group if column.row.kind == COPY]:
        ids = offered(engine, grid, user).ids
        for column in copies_:
            copy = column.row.key.partition("(")[0]
            for place in column.places(user):
                cells[place] = copied(copy, by_key[str(column.row.copies), place.draw], ids)
    return cells


def _own(group: Sequence[Column], user: str) -> list[tuple[Column, Place]]:
    """The user's cells that have a run of their own."""
    return [(column, place) for column in group if column.row.kind != COPY for place in column.places(user)]


def of_run(run: Run, effects_: Mapping[str, float] | None = None) -> Cell:
    """What a stored run says of its user."""
    result, metrics = run.result, run.result["metrics"]
    items, tied = result["items"], metrics.get("tied", 0)
    gone = sum(dropped["kind"] == "demo" for dropped in result["prompt"]["dropped"])
    return Cell(
        above=round(metrics["rank"] - 1 - tied / 2),
        tied=tied,
        scores=tuple(target_first([item["score"] for item in items], _target_place(items))),
        top=tuple(item["item"] for item in items[:TOP]),
        shown=len(result["demonstrations"]) - gone,
        tokens=result["prompt"]["tokens"],
        seconds=run.timings_ms["total"] / 1000,
        margin=result["margin"],
        margin_zero_shot=result["margin_zero_shot"],
        complied=_complied(result),
        effects=effects_,
        run=run.key,
    )


def of_scores(scores: Sequence[float], ids: Sequence[str], target: int, **more: Any) -> Cell:
    """A list by its scores [candidates], in the order in which the candidates were drawn."""
    stands = standing(scores, target)
    best = order(scores)[:TOP]
    return Cell(
        above=stands.above,
        tied=stands.tied,
        scores=tuple(target_first(scores, target)),
        top=tuple(ids[place] for place in best),
        **more,
    )


def copied(name: str, run: Run, ids: Sequence[str]) -> Cell:
    """What a copy makes of the demonstrations in a run's prompt. ids: on offer, in the order drawn."""
    gone = {lost["index"] for lost in run.result["prompt"]["dropped"] if lost["kind"] == "demo"}
    kept = [demo for place, demo in enumerate(run.result["demonstrations"]) if place not in gone]
    shown = [([item["item"] for item in demo["history"]], demo["answer"]["item"]) for demo in kept]
    scores = copies.scores(name, shown, [demo["weight"] for demo in kept], ids)
    return of_scores(scores, ids, ids.index(run.result["target"]["item"]), shown=len(kept))


class Offered(NamedTuple):
    """A user's frozen candidate list: items as numbers and as ids, in the order drawn; the target's place."""

    query: queries.Query
    numbers: list[int]
    ids: list[str]

    @property
    def target(self) -> int:
        """Where the target stands."""
        return self.numbers.index(self.query.target.item)


def offered(engine: Engine, grid: Grid, user: str) -> Offered:
    """The list that all rows of an experiment rank for a user."""
    store, request, dataset = engine.store, grid.request, grid.dataset
    query = queries.build(store, dataset, user, request.target, history=1)
    kind, size = request.candidate_kind, request.candidates
    where = (store, dataset, query.user, query.target_position)
    numbers = list(candidate_list(*where, kind, size, request.seed).items)
    items = datasets.items(store, dataset.id, numbers)
    return Offered(query, numbers, [items[number].item_id for number in numbers])


class Systems:
    """A user's cells of systems from elsewhere."""

    def __init__(self, engine: Engine, grid: Grid, group: Sequence[Column]) -> None:
        self.engine, self.grid, self.group = engine, grid, group

    @cached_property
    def scores(self) -> dict[str, dict[str, list[float]]]:
        """By name and user, in the order in which the candidates were drawn."""
        store, grid = self.engine.store, self.grid
        return {
            column.row.key: scores(store, grid.dataset, grid.lists, column.row.key, grid.users)
            for column in self.group
        }

    def __call__(self, user: str, _: Report = quiet) -> dict[Place, Cell]:
        listed = offered(self.engine, self.grid, user)
        cells = {}
        for column in self.group:
            [place] = column.places(user)
            known = self.scores[column.row.key].get(user)
            if known is None:
                raise BadInput(
                    f"{column.row.key!r} scored another list of {user!r} than today's. Export the "
                    "lists and read its scores again."
                )
            cells[place] = of_scores(known, listed.ids, listed.target)
        return cells


class Baselines:
    """A user's cells of the baselines, each of which is fitted, or loaded, once."""

    def __init__(self, engine: Engine, grid: Grid, group: Sequence[Column]) -> None:
        self.engine, self.grid, self.group = engine, grid, group
        self.report: Report = quiet

    @cached_property
    def fits(self) -> dict[str, Fitted]:
        """By name."""
        request, dataset = self.grid.request, self.grid.dataset
        columns = datasets.columns(self.engine.store, dataset.id)
        fits = {}
        for column in self.group:
            kind = column.row.key
            self.report(None, f"fitting {BASELINES[kind].label}")
            fits[kind] = fitted(
                dataset, lambda: columns, kind, request.seed, request.target, self.engine.settings
            )
        return fits

    def __call__(self, user: str, report: Report = quiet) -> dict[Place, Cell]:
        self.report = report
        listed = offered(self.engine, self.grid, user)
        query, dataset = listed.query, self.grid.dataset
        history = datasets.bought(self.engine.store, dataset.id, query.user, query.target_position)
        cells = {}
        for column in self.group:
            scorer = self.fits[column.row.key].scorer
            scores = scorer.scores(history, listed.numbers, query.target_timestamp)
            [place] = column.places(user)
            cells[place] = of_scores(scores.tolist(), listed.ids, listed.target)
        return cells


def _target_place(items: Sequence[Mapping[str, Any]]) -> int:
    return next(place for place, item in enumerate(items) if item["is_target"])


def _complied(result: Mapping[str, Any]) -> float:
    """The share of what a model wrote that was asked for; likelihoods need no reading."""
    counts = result.get("compliance")
    if counts is None:
        return 1.0
    return counts["candidate"] / min(TOP, len(result["items"]))
