"""Stored runs: kept under their key, annotated, deleted with undo.

The first writer of a key wins: a result that is served again keeps its original timing. Deleting hides,
`restore` undoes it, and only `purge` removes. Whatever changes a row of `runs` changes its row of the index.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from db.canonical import canonical_json
from db.errors import BadInput, NotFound
from db.names import clean_text, quoted
from db.requests import RunRequest
from db.runs import index
from db.runs.lasting import content
from db.schema import run_requests
from db.schema import runs as table
from db.store import Store

SHORTEST_PREFIX = 6
"""Digits of a key that name a run, at least."""

_KEPT = table.c.deleted_at.is_(None)


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


def save(store: Store, run: Run, *asked: str) -> Run:
    """Keep the run under its key, as the answer to its request digest and to other questions `asked`, digests
    too; the stored one, `cached` if it was there before.

    A deleted run of the same key comes back.
    """
    return save_all(store, [(run, asked)])[0]


def save_all(store: Store, found: Sequence[tuple[Run, Sequence[str]]]) -> list[Run]:
    """The same for many runs with their questions: all of them are stored, or none."""
    with store.write() as connection:
        return [_save(store, connection, run, asked) for run, asked in found]


def _save(store: Store, connection: Connection, run: Run, asked: Sequence[str]) -> Run:
    values = row(run)
    insert = store.insert(table).values(**values).on_conflict_do_nothing()
    fresh = connection.execute(insert.returning(table.c.key)).first() is not None
    if fresh:
        index.put(store, connection, index.row(run.key, run.request, run.result, run.timings_ms, values))
    else:
        _mark(connection, (run.key,), None)
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
        if run is None and len(key) >= SHORTEST_PREFIX:
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
        changed = row(run)
        shared = {name: changed[name] for name in ("tags", "starred", "folded")}
        connection.execute(sa.update(table).where(table.c.key == key).values(**shared, note=run.note))
        index.change(connection, (key,), **shared)


def delete(store: Store, *keys: str) -> None:
    """Hide these runs; `restore` undoes it. One that is deleted already stays so. Raises NotFound."""
    with store.write() as connection:
        _mark(connection, keys, time.time())


def restore(store: Store, *keys: str) -> None:
    """Undo `delete`. Raises NotFound."""
    with store.write() as connection:
        _mark(connection, keys, None)


def purge(store: Store, *keys: str) -> None:
    """Remove deleted runs and their effects for good; those that somebody restored meanwhile stay."""
    with store.write() as connection:
        connection.execute(sa.delete(table).where(table.c.key.in_(keys), sa.not_(_KEPT)))


def _mark(connection: Connection, keys: tuple[str, ...], deleted_at: float | None) -> None:
    """Delete or restore, all or none."""
    known = set(connection.execute(sa.select(table.c.key).where(table.c.key.in_(keys))).scalars())
    if missing := [key for key in keys if key not in known]:
        raise _missing(missing[0])
    connection.execute(sa.update(table).where(table.c.key.in_(keys)).values(deleted_at=deleted_at))
    index.change(connection, keys, deleted_at=deleted_at)


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


def row(run: Run) -> dict[str, Any]:
    """The row of `runs` that holds a run."""
    result = run.result
    summary = facts(result)
    searched = (run.request.dataset, run.user_id, run.model, summary["title"], run.note, run.tags)
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
        "folded": index.words(*searched),
        "result": canonical_json(result),
    }
    return {**values, "content": content("runs", values)}


def facts(result: dict) -> dict[str, Any]:
    """What a summary tells of a result."""
    return {
        "metrics": result.get("metrics", {}),
        "loss": result.get("loss"),
        "loss_zero_shot": result.get("loss_zero_shot"),
        "title": (result.get("target") or {}).get("title", ""),
        "demonstrations": len(result.get("demonstrations", ())),
    }
