"""Whether a store still holds what was written to it, and what is affected where it does not.

A database notices damage only where it reads, and inside a text not even then. `check` reads everything: the
structure of the file, the references between tables, the digests kept with data sets, runs, effects and
texts. Boundary: reads only, from the tables and not from their typed forms, which damage would break.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa

from db import datasets, runs
from db.datasets.columns import content
from db.errors import Damaged, DualensError, StoreAway
from db.patience import Patience
from db.schema import datasets as dataset_table
from db.schema import (
    demonstration_set_versions,
    demonstrations,
    interactions,
    items,
    jobs,
    judging_pairs,
    judgings,
    metadata,
    occurrences,
    optimizations,
    outside_systems,
    texts,
    users,
)
from db.schema import effects as effect_table
from db.schema import runs as run_table
from db.settings import Settings
from db.store import Store

_AT_MOST = 20  # messages of the database, and names of damaged rows, that are shown
_ROWS = 500
_JSON = {
    run_table: ("request", "result", "summary", "timings_ms", "tags"),
    effect_table: ("options", "result", "timings_ms"),
    demonstrations: ("history", "merged"),
    demonstration_set_versions: ("demonstrations",),
    optimizations: ("result",),
    outside_systems: ("scores",),
    judgings: ("left_out",),
    judging_pairs: ("shown",),
    jobs: ("payload", "result", "partial"),
}
_ADVICE = {
    "runs": "Run it again; other runs are as they were.",
    "effects": "Measure them again; their runs are as they were.",
    "texts": "It is the wording of a prompt or of a demonstration written by hand.",
    "demonstrations": "Sets that name it lose it.",
    "demonstration_set_versions": "Save the set again.",
    "optimizations": "Optimize again, or ask for the pool's effects again.",
    "outside_systems": "Score its file again with `dualens lists score`.",
    "judgings": "How many pairs it left out is not known any more.",
    "judging_pairs": "Create the blind comparison again; what people said of other pairs is as it was.",
    "jobs": "Its record cannot be shown.",
}

Progress = Callable[[float | None, str], None]


@dataclass
class Checked:
    """What was looked at (`counts`, by name), what is wrong (`findings`), and what could not be told."""

    counts: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_all(settings: Settings, patience: Patience, progress: Progress = lambda *_: None) -> Checked:
    """Open the store of these settings, damaged or not, and look at everything in it. Raises StoreAway, and
    DualensError for what is no store of this version."""
    try:
        with Store.open(settings, patience) as store:
            return check(store, progress)
    except Damaged as error:
        with Store.open(settings, patience, migrate=False) as store:
            found = check(store, progress)
        found.findings.insert(0, f"The store cannot be opened any more: {error}")
        return found


def check(store: Store, progress: Progress = lambda *_: None) -> Checked:
    """Look at everything in the store. Raises StoreAway; damage is a finding, never an error."""
    checked = Checked()
    progress(None, "Reading the structure of the database")
    if store.dialect == "sqlite":
        with _told(checked, "The structure of the file"):
            _structure(store, checked)
        with _told(checked, "The references between tables"):
            _references(store, checked)
    _data_sets(store, checked, progress)
    for table in (*_JSON, texts):
        progress(None, f"Reading {table.name}")
        _rows(store, table, checked)
    return checked


@contextmanager
def _told(checked: Checked, what: str) -> Iterator[None]:
    """What cannot be read inside the block is a finding."""
    try:
        yield
    except StoreAway:
        raise
    except (DualensError, ValueError, TypeError, LookupError) as error:
        checked.findings.append(f"{what} cannot be read: {error}")


def _structure(store: Store, checked: Checked) -> None:
    with store.read() as connection:

        def messages(of: str) -> list[str]:
            found = connection.exec_driver_sql(f"PRAGMA integrity_check({of})").scalars()
            return [" ".join(line.split()) for line in found if line != "ok"]

        checked.counts["tables"] = len(metadata.tables)
        wrong = messages(str(_AT_MOST))
        if not wrong:
            return
        checked.findings.append(f"The structure of the file is damaged: {'; '.join(wrong[:3])}.")
        for name in metadata.tables:
            if inside := messages(f"'{name}'"):
                checked.findings.append(f"Affected table: {name} ({inside[0]}).")


def _references(store: Store, checked: Checked) -> None:
    with store.read() as connection:
        broken: dict[tuple[str, str], int] = {}
        for table, _, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            broken[table, parent] = broken.get((table, parent), 0) + 1
    checked.findings += [
        f"{count:,} rows of {table} belong to rows of {parent} that are not there."
        for (table, parent), count in broken.items()
    ]


def _data_sets(store: Store, checked: Checked, progress: Progress) -> None:
    complete = sa.select(dataset_table).where(dataset_table.c.writing_until.is_(None))
    found: list[sa.Row] = []
    with _told(checked, "The list of data sets"), store.read() as connection:
        found = list(connection.execute(complete))
    checked.counts["data sets"] = len(found)
    for row in found:
        progress(None, f"Reading the data set {row.name}")
        what = f"The data set {row.name!r}"
        with _told(checked, what):
            checked.findings += [
                f"{what} is damaged: {problem}. Runs of it stay readable; to make new ones, delete it and "
                "import it again, or restore a backup."
                for problem in _problems(store, row)
            ]
            if row.content is None:
                checked.notes.append(
                    f"{what} was stored without a digest, by an older version: its interactions agree with "
                    "each other, its titles, times and ratings have nothing to be compared with."
                )


def _problems(store: Store, row: sa.Row) -> list[str]:
    """What is wrong with the rows of a data set; at most one thing."""
    with store.read() as connection:
        for name, table in {"users": users, "items": items, "interactions": interactions}.items():
            count = sa.select(sa.func.count()).select_from(table).where(table.c.dataset_id == row.id)
            if (seen := connection.execute(count).scalar_one()) != getattr(row, name):
                return [f"{seen:,} of {getattr(row, name):,} {name} are there"]
    columns = datasets.columns(store, row.id)
    if row.content is not None and content(columns) != row.content:
        return ["its rows are not those that were imported"]
    query = sa.select(occurrences.c.item, occurrences.c.user, occurrences.c.position)
    with store.read() as connection:
        rows = connection.execute(query.where(occurrences.c.dataset_id == row.id)).all()
    item, user, position = np.array(rows, np.int64).reshape(-1, 3).T
    starts = np.searchsorted(columns.user, np.arange(len(columns.user_ids)))
    at = starts[user] + position
    if len(np.unique(at)) != len(columns.item) or not np.array_equal(columns.item[at], item):
        return ["its interactions by user and by item do not agree"]
    return []


def _rows(store: Store, table: sa.Table, checked: Checked) -> None:
    """Every row of a table: whether it can be read, is JSON where it has to be, and has its digest."""
    keys: list[tuple] = []
    columns = list(table.primary_key.columns)
    with _told(checked, f"The list of {table.name}"), store.read() as connection:
        keys = [tuple(key) for key in connection.execute(sa.select(*columns))]
    checked.counts[table.name] = len(keys)
    damaged = []
    for start in range(0, len(keys), _ROWS):
        part = keys[start : start + _ROWS]
        try:
            damaged += [
                tuple(row[: len(columns)]) for row in _read(store, table, part) if not _sound(table, row)
            ]
        except StoreAway:
            raise
        except (DualensError, ValueError, TypeError, LookupError):
            damaged += [key for key in part if not _readable(store, table, key)]
    for key in damaged[:_AT_MOST]:
        name = " ".join(map(str, key))
        checked.findings.append(f"{table.name}: {name} is damaged. {_ADVICE[table.name]}")
    if len(damaged) > _AT_MOST:
        checked.findings.append(f"{table.name}: {len(damaged) - _AT_MOST:,} more are damaged.")


def _read(store: Store, table: sa.Table, keys: list[tuple]) -> list[sa.Row]:
    columns = list(table.primary_key.columns)
    rest = [column for column in table.columns if column not in set(columns)]
    query = sa.select(*columns, *rest).where(sa.tuple_(*columns).in_(keys))
    with store.read() as connection:
        return list(connection.execute(query))


def _readable(store: Store, table: sa.Table, key: tuple) -> bool:
    try:
        rows = _read(store, table, [key])
        return bool(rows) and _sound(table, rows[0])
    except StoreAway:
        raise
    except (DualensError, ValueError, TypeError, LookupError):
        return False


def _sound(table: sa.Table, row: sa.Row) -> bool:
    values: dict[str, Any] = row._asdict()
    for name in _JSON.get(table, ()):
        if values[name] is not None:
            json.loads(values[name])
    if table is texts:
        return hashlib.sha256(row.text.encode("utf-8")).hexdigest() == row.hash
    kept = values.get("content")
    return kept is None or runs.content(table.name, values) == kept
