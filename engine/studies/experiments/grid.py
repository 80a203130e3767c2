"""The grid of an experiment, laid out: who is asked, which rows there are, and what each row's numbers
depend on.

Boundary: a request in, rows with the digests of their settings out; no model is loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db import datasets, outside, templates
from db.canonical import digest
from db.choices import BASELINES, COPIES, SET
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.experiments import Place
from db.models import ModelInfo
from db.outside import Lists
from db.requests import ExperimentRequest, RunRequest
from db.requests.experiment import first_of_each_choice
from db.requests.settled import settled_demos
from db.requests.strategy_spec import parse_spec
from db.version import ENGINE_VERSION
from engine.baselines.fitting import trained_until
from engine.context import Context, Engine, context_of
from engine.evaluation.users import asked_users
from engine.studies.experiments.cells import BASELINE, COPY, OUTSIDE, Row
from engine.tasks.rank import asked_here


@dataclass(frozen=True)
class Column:
    """A row of the table and what it is computed from. `setting`: digest of all that its cells depend on;
    `values`: of a model's row, all axes."""

    row: Row
    setting: str
    values: Mapping[str, Any]

    def places(self, user: str) -> Iterator[Place]:
        """Its cells of a user."""
        return (Place(self.setting, user, draw) for draw in range(self.row.draws))


@dataclass(frozen=True)
class Grid:
    """An experiment's users, in the order drawn, and its rows in groups that are computed together: those of
    each model with the copies of their demonstrations, systems from elsewhere, the baselines."""

    request: ExperimentRequest
    dataset: DatasetInfo
    users: tuple[str, ...]
    models: Mapping[str, ModelInfo]
    groups: Mapping[str, Sequence[Column]]

    @property
    def columns(self) -> list[Column]:
        """All rows, in the order of the table."""
        return [column for group in self.groups.values() for column in group]

    @property
    def cells(self) -> int:
        """How many cells there are in all."""
        return len(self.users) * sum(column.row.draws for column in self.columns)

    @property
    def lists(self) -> Lists:
        """Which candidate lists all rows rank."""
        request = self.request
        return Lists(request.candidate_kind, request.candidates, request.seed, request.target)

    def context(self, engine: Engine, column: Column, user: str, draw: int = 0) -> Context[RunRequest]:
        """The run of a cell, with what was looked up once for all of them."""
        info = self.models[column.values["model"]]
        return context_of(engine, self.dataset, info, self.request.run(user, column.values, draw))


def laid_out(engine: Engine, request: ExperimentRequest) -> Grid:
    """The grid of a request. Raises BadInput, NotFound and ModelError, before anything is computed."""
    dataset = datasets.get(engine.store, request.dataset)
    for written in request.demos:
        parse_spec(written)
    kinds = request.baselines or ()
    users = _users(engine, request, dataset)
    if len(users) < 2:
        raise BadInput(
            f"{request.dataset!r} has no two users whose {request.target} target can be predicted"
            + (f" after the first {request.skip:,} drawn." if request.skip else ".")
        )
    models = {name: engine.registered(name) for name in request.model}
    if far := [name for name, info in models.items() if request.effects and info.endpoint is not None]:
        raise BadInput(
            f"effects: {far[0]!r} is behind an endpoint, and an experiment measures effects by turning "
            "demonstrations down inside the model. Leave out effects, or ask local models."
        )
    grid = Grid(request, dataset, tuple(users), models, {})
    groups: dict[str, list[Column]] = {name: [] for name in models}
    for values in request.settings():
        groups[values["model"]].append(_model_column(engine, grid, values))
    for name in models:
        groups[name] += [
            _copy_column(copy, column) for copy in request.copies or () for column in _copied(groups[name])
        ]
    if request.systems:
        groups["other systems"] = [_system_column(engine, grid, name) for name in request.systems]
    if kinds:
        groups["baselines"] = [_baseline_column(grid, kind) for kind in kinds]
    found = Grid(request, dataset, tuple(users), models, groups)
    _check(found)
    return found


def _check(grid: Grid) -> None:
    """Raises BadInput where two rows are one, or the reference is none."""
    keys = [column.row.key for column in grid.columns]
    if twice := [key for key, number in Counter(keys).items() if number > 1]:
        raise BadInput(
            f"Two rows of the experiment would be called {twice[0]!r}. Name one of them otherwise."
        )
    names: dict[str, str] = {}
    for column in grid.columns:
        if (other := names.setdefault(column.setting, column.row.key)) != column.row.key:
            raise BadInput(f"The rows {other!r} and {column.row.key!r} are the same. Leave one of them out.")
    reference = grid.request.reference
    if reference is not None and reference not in keys:
        raise BadInput(f"reference: {reference!r} is no row of it. Its rows: {', '.join(keys)}.")


def _model_column(engine: Engine, grid: Grid, values: Mapping[str, Any]) -> Column:
    request = grid.request
    row = Row(
        key=request.key(values),
        label=_label(request, values),
        values={axis: values[axis] for axis in request.varied},
        draws=request.draws_of(values),
    )
    # One version of a set or template for all users, whatever is saved under its name meanwhile.
    store = engine.store
    fixed = {
        **values,
        "demos": settled_demos(store, request.dataset, values["demos"]),
        "template": templates.named(store, values["template"])[0],
    }
    setting = asked_here(grid.context(engine, Column(row, "", fixed), "nobody"))
    return Column(row, digest([setting, "effects"]) if request.effects else setting, fixed)


def _copy_column(copy: str, column: Column) -> Column:
    """A copy of the demonstrations that a model's row shows."""
    row = Row(
        key=f"{copy}({column.row.key})",
        label=f"{COPIES[copy].label}: {column.row.label}",
        kind=COPY,
        values={"demos": column.values["demos"]},
        draws=column.row.draws,
        copies=column.row.key,
    )
    return Column(row, digest([column.setting, copy]), column.values)


def _baseline_column(grid: Grid, kind: str) -> Column:
    request = grid.request
    lists = [request.candidates, request.candidate_kind, request.target, request.seed]
    row = Row(key=kind, label=BASELINES[kind].label, kind=BASELINE)
    return Column(row, digest([ENGINE_VERSION, grid.dataset.fingerprint, kind, *lists]), {})


def _system_column(engine: Engine, grid: Grid, name: str) -> Column:
    """A system from elsewhere; its cells depend on the scores that were read last under its name."""
    scored = outside.scored(engine.store, grid.dataset, grid.lists, name)
    if missing := [user for user in grid.users if user not in scored]:
        raise BadInput(
            f"systems: {name!r} has no scores for {len(missing):,} of the {len(grid.users):,} users asked, "
            f"such as {missing[0]!r}. Export their lists with `dualens lists export --users "
            f"{grid.request.skip + len(grid.users)}` and read its scores of them with `dualens lists score`."
        )
    kept = digest({user: list(scored[user]) for user in grid.users})
    return Column(Row(key=name, label=name, kind=OUTSIDE), digest([OUTSIDE, name, kept]), {})


def _users(engine: Engine, request: ExperimentRequest, dataset: DatasetInfo) -> list[str]:
    """Who is asked: nested draws, less the first that are left out; where a baseline was trained, only those
    whose target is later."""
    columns = datasets.columns(engine.store, dataset.id)
    moments = [trained_until(columns, kind, request.target) for kind in request.baselines or ()]
    since = max((moment for moment in moments if moment is not None), default=None)
    users = request.skip + request.users
    return asked_users(columns, dataset.origin, users, request.seed, request.target, since)[request.skip :]


def _copied(columns: Sequence[Column]) -> list[Column]:
    """Of rows with the same demonstrations the first: copies count those."""
    first = first_of_each_choice(column.values for column in columns)
    return [column for column in columns if any(column.values is values for values in first)]


def _label(request: ExperimentRequest, values: Mapping[str, Any]) -> str:
    """The row's key in words."""
    axes = request.varied or ("demos",)
    return " · ".join(_worded(axis, values[axis]) for axis in axes)


def _worded(axis: str, value: Any) -> str:
    if axis == "demos":
        spec = parse_spec(value)
        if spec.reference is not None:
            return f"{SET.label} {spec.reference}"
        size = f"{spec.size}" if spec.tokens is None else f"as many as fit in {spec.tokens} tokens"
        return spec.choice.label if spec.name == "none" else f"{spec.choice.label} ({size})"
    return str(value) if axis == "model" else f"{axis.replace('_', ' ')} {value}"
