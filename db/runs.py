"""Runs: one ranked list with all its inputs, stored once per key; effects hang on their run.

Boundary: the engine computes keys and results, this keeps them. The first writer of a key wins: a result that
is served again keeps its original timing. Deleting hides, and `restore` undoes it.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.canonical import canonical_json, digest
from db.choices import STRATEGIES
from db.effect_results import current
from db.errors import BadInput, NotFound
from db.names import clean_text, fold, like, quoted
from db.requests import RunRequest
from db.schema import effects as effect_table
from db.schema import run_requests
from db.schema import runs as table
from db.store import Store

CUSTOM_SET = "custom set"
"""The strategy, in words, of demonstrations that were chosen one by one."""
_SHORTEST_PREFIX = 6
_SHORTEST_STRATEGY = 2


@dataclass(frozen=True)
class Run:
    """A stored run. `timings_ms` milliseconds by step; `created_at` unix seconds; `cached`: served from here.

    `dataset_id` is None once the data set has been purged; the result does not need it.
    """

    key: str
    request: RunRequest
    request_digest: str
    dataset_id: int | None
    user_id: str
    model: str
    result: dict
    timings_ms: dict
    created_at: float = 0.0
    note: str = ""
    tags: list[str] = field(default_factory=list)
    starred: bool = False
    cached: bool = False


@dataclass(frozen=True)
class RunSummary:
    """A run without its lists. `title` is the target's; metrics and losses as in the result."""

    key: str
    request: RunRequest
    dataset: str
    user_id: str
    model: str
    metrics: dict
    loss: float | None
    loss_zero_shot: float | None
    title: str
    demonstrations: int
    timings_ms: dict
    created_at: float
    note: str
    tags: list[str]
    starred: bool

    @property
    def strategy(self) -> str | None:
        """How the demonstrations were chosen, as `bm25:4`; None where one by one."""
        return self.request.demos if self.request.demonstrations is None else None


@dataclass(frozen=True)
class Effects:
    """One measurement of a run's effects. `result`: as `db.effect_results` says; `timings_ms` milliseconds by
    step."""

    effects_key: str
    run_key: str
    options: dict
    result: dict
    timings_ms: dict
    created_at: float


def save(store: Store, run: Run, *asked: str) -> Run:
    """Keep the run under its key, as the answer to its request digest and to other questions `asked`, digests
    too; the stored one, `cached` if it was there before.

    A deleted run of the same key comes back.
    """
    values = _values(run)
    with store.write() as connection:
        insert = store.insert(table).values(**values).on_conflict_do_nothing()
        fresh = connection.execute(insert.returning(table.c.key)).first() is not None
        if not fresh:
            connection.execute(sa.update(table).where(table.c.key == run.key).values(deleted_at=None))
        for question in (run.request_digest, *asked):
            _answer(store, connection, question, run.key)
        stored = _one(connection, run.key)
    if stored is None:
        raise NotFound(f"Run {run.key} vanished while it was stored; run it again.")
    return replace(stored, cached=not fresh)


def answer(store: Store, question: str, key: str) -> None:
    """Let this run be the one that `by_request` finds for a digest."""
    with store.write() as connection:
        _answer(store, connection, question, key)


def _answer(store: Store, connection: Connection, question: str, key: str) -> None:
    mapping = store.insert(run_requests).values(request_digest=question, run_key=key)
    connection.execute(
        mapping.on_conflict_do_update(index_elements=["request_digest"], set_={"run_key": key})
    )


def by_key(store: Store, key: str) -> Run | None:
    """The run of exactly this key, `cached`, or None."""
    with store.read() as connection:
        return _one(connection, key)


def by_request(store: Store, request_digest: str) -> Run | None:
    """The run that answered this request before, `cached`, or None."""
    query = sa.select(run_requests.c.run_key).where(run_requests.c.request_digest == request_digest)
    with store.read() as connection:
        key = connection.execute(query).scalar_one_or_none()
        return None if key is None else _one(connection, key)


def earlier(store: Store, request: RunRequest, dataset_id: int) -> Run | None:
    """The newest run of an equal request about the same data, whatever model files and engine made it."""
    written = canonical_json(request.to_json())
    query = sa.select(table.c.key).where(
        table.c.dataset == request.dataset,
        table.c.user_id == request.user,
        table.c.request == written,
        table.c.dataset_id == dataset_id,
        _KEPT,
    )
    with store.read() as connection:
        key = connection.execute(query.order_by(table.c.created_at.desc()).limit(1)).scalar_one_or_none()
        return None if key is None else _one(connection, key)


def get(store: Store, key: str) -> Run:
    """The run of this key or of the one key that begins so (6 digits or more). Raises NotFound."""
    with store.read() as connection:
        run = _one(connection, key)
        if run is None and len(key) >= _SHORTEST_PREFIX:
            begins = (
                sa.select(table.c.key).where(table.c.key.startswith(key, autoescape=True), _KEPT).limit(2)
            )
            keys = list(connection.execute(begins).scalars())
            if len(keys) > 1:
                raise NotFound(f"More than one run begins with {quoted(key)}; give more digits.")
            run = _one(connection, keys[0]) if keys else None
    if run is None:
        raise NotFound(f"The store holds no run {quoted(key)}. `dualens runs` lists them.")
    return run


def listing(
    store: Store,
    dataset: str | None = None,
    user: str | None = None,
    model: str | None = None,
    search: str = "",
    starred: bool | None = None,
    limit: int = 100,
    offset: int = 0,
    *,
    with_demonstrations: bool = False,
) -> list[RunSummary]:
    """Runs without their lists, newest first; `with_demonstrations`: only runs that have some.

    Every word of `search` must be part of the data set, user, model, target title, note, tags or strategy, or
    be the first 6 or more digits of the key. Case and accents do not count.
    """
    equal = {table.c.dataset: dataset, table.c.user_id: user, table.c.model: model, table.c.starred: starred}
    query = (
        sa.select(*(column for column in table.c if column.name != "result"))
        .where(*(column == value for column, value in equal.items() if value is not None))
        .where(*_matching(search, with_demonstrations))
        .order_by(table.c.created_at.desc(), table.c.key)
    )
    with store.read() as connection:
        return [_summary(row) for row in connection.execute(query.limit(limit).offset(offset))]


def count(store: Store, search: str = "", *, with_demonstrations: bool = False) -> int:
    """How many runs `listing` finds in all."""
    query = sa.select(sa.func.count()).select_from(table).where(*_matching(search, with_demonstrations))
    with store.read() as connection:
        return connection.execute(query).scalar_one()


def summary(run: Run) -> RunSummary:
    """A run without its lists."""
    names = ("key", "request", "user_id", "model", "timings_ms", "created_at", "note", "tags", "starred")
    alike = {name: getattr(run, name) for name in names}
    return RunSummary(dataset=run.request.dataset, **alike, **_facts(run.result))


def annotate(
    store: Store,
    key: str,
    note: str | None = None,
    tags: list[str] | None = None,
    starred: bool | None = None,
) -> None:
    """Change a run's note, tags or star; None leaves it as it is. Raises NotFound."""
    with store.write() as connection:
        run = _one(connection, key)
        if run is None:
            raise _missing(key)
        changes = {
            "note": None if note is None else clean_text(note),
            "tags": None if tags is None else _tags(tags),
            "starred": starred,
        }
        run = replace(run, **{name: value for name, value in changes.items() if value is not None})
        changed = _values(run)
        kept = {name: changed[name] for name in ("note", "tags", "starred", "folded")}
        connection.execute(sa.update(table).where(table.c.key == key).values(**kept))


def delete(store: Store, key: str) -> None:
    """Hide the run; `restore` undoes it. Raises NotFound."""
    _mark(store, key, time.time())


def restore(store: Store, key: str) -> None:
    """Undo `delete`. Raises NotFound."""
    _mark(store, key, None)


def save_effects(
    store: Store, key: str, effects_key: str, options: dict, result: dict, timings_ms: dict
) -> Effects:
    """Keep the effects of the run `key` under `effects_key`; the stored ones (the first that were saved)."""
    values = {
        "effects_key": effects_key,
        "run_key": key,
        "options": canonical_json(options),
        "result": canonical_json(result),
        "timings_ms": canonical_json(timings_ms),
        "created_at": time.time(),
    }
    values["content"] = content("effects", values)
    with store.write() as connection:
        connection.execute(store.insert(effect_table).values(**values).on_conflict_do_nothing())
        row = connection.execute(
            sa.select(effect_table).where(effect_table.c.effects_key == effects_key)
        ).one()
    return _effects(row)


def effects(store: Store, key: str) -> list[Effects]:
    """All effects of the run `key`, newest first."""
    query = sa.select(effect_table).where(effect_table.c.run_key == key)
    with store.read() as connection:
        rows = connection.execute(
            query.order_by(effect_table.c.created_at.desc(), effect_table.c.effects_key)
        )
        return [_effects(row) for row in rows]


def effects_of_model(store: Store, dataset: str, model: str) -> list[tuple[str, Effects]]:
    """User and effects of every run of a model on a data set that is not deleted, newest first."""
    query = (
        sa.select(table.c.user_id, effect_table)
        .join(effect_table, effect_table.c.run_key == table.c.key)
        .where(table.c.dataset == dataset, table.c.model == model, _KEPT)
        .order_by(effect_table.c.created_at.desc(), effect_table.c.effects_key)
    )
    with store.read() as connection:
        return [(row.user_id, _effects(row)) for row in connection.execute(query)]


def find_effects(store: Store, effects_key: str) -> Effects | None:
    """The effects of this key, or None."""
    with store.read() as connection:
        row = connection.execute(
            sa.select(effect_table).where(effect_table.c.effects_key == effects_key)
        ).one_or_none()
    return None if row is None else _effects(row)


_KEPT = table.c.deleted_at.is_(None)
# Summaries are canonical JSON, whose keys are sorted: this one comes first.
_WITH_DEMONSTRATIONS = sa.not_(table.c.summary.startswith('{"demonstrations":0,', autoescape=True))


def _matching(search: str, with_demonstrations: bool) -> list[sa.ColumnElement[bool]]:
    """The conditions on a run that is kept and holds every word."""
    words = [
        sa.or_(
            table.c.folded.like(like(word), escape="\\"),
            *(table.c.request.contains(text, autoescape=True) for text in _strategies_written(word)),
            *([table.c.key.startswith(word, autoescape=True)] if len(word) >= _SHORTEST_PREFIX else []),
        )
        for word in fold(search).split()
    ]
    return [_KEPT, *([_WITH_DEMONSTRATIONS] if with_demonstrations else []), *words]


def _strategies_written(word: str) -> list[str]:
    """How requests are stored whose strategy has the word in its name or label; a single letter says none."""
    if len(word) < _SHORTEST_STRATEGY:
        return []
    names = [name for name, row in STRATEGIES.items() if word in fold(f"{name} {row.label}")]
    # A set chosen one by one stands under "demonstrations", and the strategy beside it is not used.
    custom = ['"demonstrations":[{'] if word in CUSTOM_SET else []
    return [*custom, *(f'"demonstrations":null,"demos":"{name}{end}' for name in names for end in (":", '"'))]


def _mark(store: Store, key: str, deleted_at: float | None) -> None:
    with store.write() as connection:
        update = sa.update(table).where(table.c.key == key).values(deleted_at=deleted_at)
        if connection.execute(update).rowcount == 0:
            raise _missing(key)


def _missing(key: str) -> NotFound:
    return NotFound(f"The store holds no run {quoted(key)}.")


def _tags(tags: list[str]) -> list[str]:
    if isinstance(tags, str):
        raise BadInput(f"tags: expected a list of words, got {tags!r}.")
    return list(dict.fromkeys(clean_text(tag).strip() for tag in tags if tag.strip()))


def _one(connection: Connection, key: str) -> Run | None:
    row = connection.execute(sa.select(table).where(table.c.key == key, _KEPT)).one_or_none()
    if row is None:
        return None
    return Run(
        key=row.key,
        request=RunRequest.from_json(json.loads(row.request)),
        request_digest=row.request_digest,
        dataset_id=row.dataset_id,
        user_id=row.user_id,
        model=row.model,
        result=json.loads(row.result),
        timings_ms=json.loads(row.timings_ms),
        created_at=row.created_at,
        note=row.note,
        tags=json.loads(row.tags),
        starred=row.starred,
        cached=True,
    )


def _values(run: Run) -> dict[str, Any]:
    result = run.result
    summary = _facts(result)
    words = (run.request.dataset, run.user_id, run.model, summary["title"], run.note, *run.tags)
    values = {
        "key": run.key,
        "dataset_id": run.dataset_id,
        "dataset": run.request.dataset,
        "user_id": run.user_id,
        "model": run.model,
        "created_at": run.created_at or time.time(),
        "starred": run.starred,
        "note": run.note,
        "tags": canonical_json(run.tags),
        "request_digest": run.request_digest,
        "request": canonical_json(run.request.to_json()),
        "timings_ms": canonical_json(run.timings_ms),
        "summary": canonical_json(summary),
        "folded": fold(" ".join(words)),
        "result": canonical_json(result),
    }
    return {**values, "content": content("runs", values)}


_LASTING = (
    "key",
    "dataset",
    "user_id",
    "model",
    "request_digest",
    "request",
    "timings_ms",
    "summary",
    "result",
)
_EFFECTS_LASTING = ("effects_key", "run_key", "options", "result", "timings_ms")
LASTING = {"runs": _LASTING, "effects": _EFFECTS_LASTING}
"""By table: the columns that never change once a row is stored."""


def content(table: str, values: Mapping[str, Any]) -> str:
    """SHA-256 of a row's lasting columns, kept with it: it reads as it was written, or it is damaged."""
    return digest([values[name] for name in LASTING[table]])


def _facts(result: dict) -> dict[str, Any]:
    """What a summary tells of a result."""
    return {
        "metrics": result.get("metrics", {}),
        "loss": result.get("loss"),
        "loss_zero_shot": result.get("loss_zero_shot"),
        "title": (result.get("target") or {}).get("title", ""),
        "demonstrations": len(result.get("demonstrations", ())),
    }


def _summary(row: sa.Row) -> RunSummary:
    return RunSummary(
        key=row.key,
        request=RunRequest.from_json(json.loads(row.request)),
        dataset=row.dataset,
        user_id=row.user_id,
        model=row.model,
        timings_ms=json.loads(row.timings_ms),
        created_at=row.created_at,
        note=row.note,
        tags=json.loads(row.tags),
        starred=row.starred,
        **json.loads(row.summary),
    )


def _effects(row: sa.Row) -> Effects:
    fields = row._asdict()
    fields = {name: fields[name] for name in Effects.__dataclass_fields__}
    read = {name: json.loads(fields[name]) for name in ("options", "result", "timings_ms")}
    read["result"] = current(read["result"], read["options"])
    return Effects(**fields | read)
