"""Import a file, folder or zip into the store: recognise, read in a stream, tidy up, insert, report.

Boundary: the one door to the importers. The store is touched once, at the end, in one transaction.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from db import datasets
from db.canonical import digest
from db.datasets import DatasetColumns, DatasetInfo
from db.errors import BadInput, Conflict, DataError, NotFound
from db.names import clean_text
from db.store import Store
from engine.data.columns import Builder, ItemTable
from engine.data.files import Broken, Member
from engine.data.plan import CorrectedMapping, Plan
from engine.data.report import ImportOptions, Report
from engine.data.sniff import Recognised, sniff
from engine.data.tidy import tidy

IMPORT_VERSION = 1  # part of the fingerprint: bumped when the same files give other columns
PREVIEW_ROWS = 20
NAMED_SHARE = 0.5  # an item file that names fewer of the bought items is not this data set's
SMALL_CATALOGUE = 1000  # items; beyond, a file with more unbought than bought items is a whole shop's

Progress = Callable[[float | None, str], None]


@dataclass(frozen=True)
class Preview:
    """What an import would read: the first raw `rows` of `columns`, the first clean `titles`.

    `item_columns` are the columns that `items_*` fields of the mapping may name.
    """

    format: str
    label: str
    files: list[str]
    mapping: dict[str, str | None]
    columns: list[str]
    rows: list[list[Any]]
    titles: list[str]
    notes: list[str]
    item_columns: list[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class _Enough(Exception):
    """Stops a reader once the preview has what it shows."""


def preview(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    mapping: CorrectedMapping | None = None,
) -> Preview:
    """Look at the first rows without importing; raises DataError or BadInput like `import_path`."""
    recognised = sniff(path, format, mapping)
    plan = recognised.plan
    try:
        rows = [[_shown(cell) for cell in row] for row in plan.sample()[:PREVIEW_ROWS]]
    except Broken as error:
        raise DataError(f"{plan.interactions[0].name}, line 1: {error}. Nothing was imported.") from None
    return Preview(
        format=recognised.format.name,
        label=recognised.format.label,
        files=[member.name for member in plan.members],
        mapping=dict(plan.mapping),
        columns=list(plan.columns),
        rows=rows,
        titles=_first_titles(plan),
        notes=list(plan.notes),
        item_columns=list(plan.item_columns),
    )


def _shown(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, int | float | bool) else str(cell)[:300]


def _first_titles(plan: Plan) -> list[str]:
    """Clean titles from the start of the item file."""
    if plan.item_reader is None:
        return []
    table = ItemTable(Report())

    def stop(*_: object) -> None:
        if table.rows:
            raise _Enough

    with contextlib.suppress(_Enough):
        plan.item_reader(table, lambda _: True, stop)
    titles = (row.title for row in table.rows.values())
    return [title for title in titles if title][:PREVIEW_ROWS]


def read_path(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    mapping: CorrectedMapping | None = None,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> tuple[DatasetColumns, Report]:
    """The canonical columns of `path` and the report, without a store. Raises DataError, BadInput."""
    options = (options or ImportOptions()).validate()
    return _read(_sure(sniff(path, format, mapping)), options, progress or _silent)


def import_path(
    store: Store,
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    format: str | None = None,
    mapping: CorrectedMapping | None = None,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> tuple[DatasetInfo, Report]:
    """Import `path` as the data set `name` (default: from the file name).

    The same files with the same options under the same name change nothing and say so (`report.unchanged`).
    `progress(fraction | None, message)` is called every megabyte or so; an exception it raises stops the
    import. Raises DataError naming file, line and reason, BadInput for options and mapping, Conflict when the
    name belongs to other data; the store is unchanged then.
    """
    started = time.perf_counter()
    options = (options or ImportOptions()).validate()
    progress = progress or _silent
    recognised = _sure(sniff(path, format, mapping))
    name = name or default_name(path)
    progress(None, "Checking whether these files are already imported")
    fingerprint = _fingerprint(recognised, options)
    known = _known(store, name, fingerprint)
    if known:
        report = Report.from_json(known.report)
        report.unchanged = True
        report.note(
            "These files were already imported under this name with the same options; nothing changed."
        )
        report.seconds = time.perf_counter() - started
        return known, report
    columns, report = _read(recognised, options, progress)
    progress(None, f"Writing {report.rows_kept:,} interactions to the store")
    report.seconds = time.perf_counter() - started
    info = datasets.insert(
        store,
        name,
        columns,
        kind=recognised.format.name,
        source=clean_text(str(Path(path).expanduser().absolute())),
        fingerprint=fingerprint,
        report=report.to_json(),
        progress=lambda fraction, message: progress(
            None if fraction is None else 0.7 + 0.3 * fraction, message
        ),
    )
    report.seconds = time.perf_counter() - started
    return info, report


def _sure(recognised: Recognised) -> Recognised:
    """The same, where its columns are known well enough to import without a person looking."""
    plan = recognised.plan
    if plan.unsure:
        fields = " and the ".join(plan.unsure)
        raise DataError(
            f"{plan.interactions[0].name}, line 1: no column is chosen for the {fields}, and none is named "
            f"like it; the columns are {', '.join(plan.columns[:30])}. Nothing was imported; choose one in "
            "the mapping."
        )
    return recognised


def _known(store: Store, name: str, fingerprint: str) -> DatasetInfo | None:
    """The data set of this name when it holds these very data; raises Conflict when it holds others."""
    try:
        info = datasets.get(store, name)
    except NotFound:
        return None
    if info.fingerprint == fingerprint:
        return info
    raise Conflict(
        f"A data set named {name!r} exists with other data or options ({info.source}). Nothing was imported; "
        "choose another name."
    )


def default_name(path: str | os.PathLike[str]) -> str:
    """A data-set name from a path: its last part without endings, in letters, digits and . _ - only."""
    base = Path(path).expanduser().absolute().name
    base = re.sub(
        r"(\.(gz|zip|csv|tsv|txt|jsonl?|ndjson|parquet|inter|dat|data|train|valid|test))+$",
        "",
        base,
        flags=re.I,
    )
    name = re.sub(r"[^\w.-]+", "-", base).strip("-._")
    if not name:
        raise BadInput("Give the data set a name; the path offers none.")
    return name[:60]


def _read(
    recognised: Recognised, options: ImportOptions, progress: Progress
) -> tuple[DatasetColumns, Report]:
    plan, format = recognised.plan, recognised.format
    report = Report(format=format.name, label=format.label, mapping=dict(plan.mapping), options=options)
    for note in plan.notes:
        report.note(note)
    builder, table = Builder(report), ItemTable(report)
    share = 0.8 if plan.item_reader else 0.9  # of the bar, for the interactions
    plan.reader(builder, lambda fraction, message: progress(share * fraction, message))
    if plan.item_reader:
        table.bought, table.spare = builder.items, max(2 * len(builder.items), SMALL_CATALOGUE)
        known = builder.items.__contains__
        plan.item_reader(table, known, lambda fraction, message: progress(share + 0.1 * fraction, message))
    progress(0.9, f"Ordering {builder.size:,} interactions")
    columns = tidy(builder, table, options, report, whole_catalogue=_is_catalogue(plan, builder, table))
    return columns, report


def _is_catalogue(plan: Plan, builder: Builder, table: ItemTable) -> bool:
    """Whether unbought items of the item file belong to the data set; a note where the file looks foreign."""
    bought = len(builder.items)
    if not plan.items or not bought:
        return False
    named = sum(item in table.rows for item in builder.items)
    if named < NAMED_SHARE * bought:
        builder.report.note(
            f"{plan.items.name} names only {named:,} of {bought:,} items that were bought; "
            "check that it belongs to these interactions."
        )
        return False
    unbought = len(table.rows) - named + table.skipped
    return plan.whole_catalogue and unbought <= max(bought, SMALL_CATALOGUE)


def _fingerprint(recognised: Recognised, options: ImportOptions) -> str:
    """Digest of the stored bytes of all files read and of everything that changes what is made of them."""
    plan = recognised.plan
    return digest(
        {
            "version": IMPORT_VERSION,
            "format": recognised.format.name,
            "mapping": plan.mapping | {"items_file": None},
            "options": options.to_json(),
            "interactions": [_hash(member) for member in plan.interactions],
            "items": _hash(plan.items) if plan.items else None,
        }
    )


def _hash(member: Member) -> str:
    hasher = hashlib.sha256()
    try:
        with member.opener() as raw:
            while data := raw.read(1 << 20):
                hasher.update(data)
                if member.archive_size is not None:
                    member.budget.spend(len(data), member.archive_size)
    except Broken as error:
        raise DataError(f"{member.name}: {error}. Nothing was imported.") from None
    except (OSError, ValueError, EOFError, RuntimeError) as error:
        raise DataError(f"{member.name}: it cannot be read ({error}). Nothing was imported.") from None
    return hasher.hexdigest()


def _silent(fraction: float | None, message: str) -> None:
    """Progress that nobody watches."""
