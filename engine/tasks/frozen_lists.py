"""Candidate lists for systems outside of this program: written to a file, without what would give the target
away.

A list is a pure function of data set, user, target, kind, size and seed (`engine.data.candidates`), drawn
once and stored; the target stands at a place drawn from the seed. A row names the user, what they bought
before the target, and the candidates in the list's order.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from db import datasets
from db.candidates import CandidateList
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.names import quoted
from db.outside import Lists
from db.paths import typed
from db.store import Store
from engine.data.candidates import candidate_list
from engine.data.confinement import refuse_store
from engine.data.splits import target_position
from engine.evaluation.users import asked_users
from engine.progress import Report, quiet

_ROWS = 256  # of a group in a Parquet file

Items = list[dict[str, str]]
"""`item` and `title` of each."""


@dataclass(frozen=True)
class Frozen:
    """A user's list. `items`: ids in the list's order; `place`: where in it the target stands."""

    user: str
    drawn: CandidateList
    items: tuple[str, ...]
    titles: tuple[str, ...]
    place: int

    @property
    def fingerprint(self) -> str:
        """Of the list's content."""
        return self.drawn.fingerprint


def order(store: Store, info: DatasetInfo, lists: Lists) -> list[str]:
    """All users who have the target, in the order in which experiments of this seed take them."""
    columns = datasets.columns(store, info.id)
    return asked_users(columns, info.origin, None, lists.seed, lists.target)


def frozen(store: Store, info: DatasetInfo, lists: Lists, user_id: str) -> Frozen:
    """The list of a user, drawn if it is new. Raises NotFound, and BadInput where there can be none."""
    user = datasets.user(store, info.id, user_id)
    position = target_position(user.length, lists.target)
    drawn = candidate_list(store, info, user.user, position, lists.kind, lists.size, lists.seed)
    rows = datasets.items(store, info.id, drawn.items)
    target = datasets.bought(store, info.id, user.user, position + 1)[-1]
    return Frozen(
        user_id,
        drawn,
        tuple(rows[item].item_id for item in drawn.items),
        tuple(rows[item].title for item in drawn.items),
        drawn.items.index(target),
    )


def export(
    store: Store, info: DatasetInfo, lists: Lists, users: int, out: Path, report: Report = quiet
) -> int:
    """Write the lists of the first `users` users to `out` (replaced in one step); of how many there are.

    Raises BadInput where the file cannot be written or its name says no format, and as `candidate_list`.
    """
    out = typed(out)
    write = WRITERS.get(out.suffix.lower())
    if write is None:
        raise BadInput(f"--out {quoted(str(out))}: its name must end in {' or '.join(WRITERS)}.")
    refuse_store(out)
    if out.is_dir():
        raise BadInput(f"--out {quoted(str(out))} is a folder; name a file in it.")
    asked = order(store, info, lists)[:users]
    if not asked:
        raise BadInput(f"{info.name!r} has no user with a {lists.target} target. Nothing was written.")
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        write(fresh, _rows(store, info, lists, asked, report))
        os.replace(fresh, out)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{quoted(str(out))} cannot be written: {why}.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return len(asked)


def _rows(
    store: Store, info: DatasetInfo, lists: Lists, asked: Sequence[str], report: Report
) -> Iterator[dict[str, Any]]:
    for number, user_id in enumerate(asked):
        report(number / len(asked), f"list {number + 1} of {len(asked)}")
        found = frozen(store, info, lists, user_id)
        known = datasets.history(store, info.id, found.drawn.user)[: found.drawn.target_position]
        yield {
            "user": user_id,
            "list": found.fingerprint,
            "history": _items((row.item_id, row.title) for row in known),
            "candidates": _items(zip(found.items, found.titles, strict=True)),
        }


def _items(pairs: Any) -> Items:
    return [{"item": item, "title": title} for item, title in pairs]


def _json_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = pa.list_(pa.struct([("item", pa.string()), ("title", pa.string())]))
    schema = pa.schema(
        [("user", pa.string()), ("list", pa.string()), ("history", items), ("candidates", items)]
    )
    with pq.ParquetWriter(path, schema) as writer:
        while part := list(islice(rows, _ROWS)):
            writer.write_table(pa.Table.from_pylist(part, schema))


WRITERS: dict[str, Callable[[Path, Iterator[dict[str, Any]]], None]] = {
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
"""Ending of the file's name -> what writes it."""
