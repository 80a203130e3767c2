"""Compact columns -> the canonical data set: cleaned, ordered by time per user, filtered, titles joined.

Boundary: pure functions on arrays plus the report. The order of the filters is RecBole's (repeats, rating,
k-core; arXiv 2011.01731); leave-one-out by time then takes the last two interactions of each user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.datasets import DatasetColumns
from db.errors import DataError
from engine.data.clock import seconds
from engine.data.columns import Builder, ItemRow, ItemTable
from engine.data.questions import Candidate, Question
from engine.data.ratings import scale_of
from engine.data.report import MAX_EXAMPLES, REPEATED, SHORTENED, ImportOptions, Report
from engine.data.values import is_shortened


@dataclass
class Rows:
    """Parallel columns of interactions; `source` is the row's number in the builder."""

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray | None
    rating: np.ndarray | None
    source: np.ndarray
    unit: int = 1  # of the times, how many are a second

    def take(self, index: np.ndarray) -> None:
        """Keep the rows of `index` (a mask or positions), column by column to save memory."""
        for name in ("user", "item", "time", "rating", "source"):
            column = getattr(self, name)
            if column is not None:
                setattr(self, name, column[index])


def tidy(
    builder: Builder,
    table: ItemTable,
    options: ImportOptions,
    report: Report,
    *,
    whole_catalogue: bool,
    step: Callable[[], None] = lambda: None,
) -> DatasetColumns:
    """The canonical columns; raises DataError when no user remains.

    `whole_catalogue`: items of the item file that nobody bought stay in (never after a k-core filter).
    `step` is called between the steps; 450,000 rows take a fraction of a second in each.
    """
    step()
    rows = Rows(*builder.columns(), np.zeros(0, np.int32))
    rows.source = np.arange(len(rows.user), dtype=np.int32 if len(rows.user) < 2**31 else np.int64)
    report.check_format(final=True)
    _settle(rows, builder, options, report)
    _settle_shortened(rows, builder, options, report)
    step()
    _order(rows)
    step()
    if options.repeats in ("first", "last"):
        _drop_repeats(rows, builder, report, options.repeats)
        step()
    _drop_low_ratings(rows, builder, options, report)
    _drop_small(rows, builder, options, report, step)
    if not len(rows.user):
        raise DataError(_nothing_left(report))
    report.rows_kept = len(rows.user)
    report.check_sums()
    user_ids = _compact(rows, "user", builder.users)
    tie = _ties(rows, len(user_ids), report)
    extra = list(table.rows) if whole_catalogue and not options.k_core else []
    step()
    item_ids = _compact(rows, "item", builder.items)
    item_ids += _unbought(item_ids, extra, table, report)
    report.users, report.items = len(user_ids), len(item_ids)
    step()
    return DatasetColumns(
        item_ids=item_ids,
        **_describe(item_ids, table, builder.report),
        user_ids=user_ids,
        user=rows.user,
        item=rows.item,
        timestamp=None if rows.time is None else seconds(rows.time, rows.unit),
        rating=rows.rating,
        tie=tie,
    )


def _settle(rows: Rows, builder: Builder, options: ImportOptions, report: Report) -> None:
    """Times as unix seconds and the scale of the ratings: what single values leave open."""
    if not len(rows.user):
        return
    if rows.time is not None:
        rows.time, rows.unit = builder.clock.settle(rows.time, report, options.dates)
    if rows.rating is not None:
        scale = scale_of(rows.rating, builder.marks, options.rating_scale, report, builder.place)
        if scale is None:
            rows.rating = None
            report.note("The rating column is empty, so the data have no ratings.")
        else:
            report.scale = scale.to_json()
            report.note(scale.words)
    elif options.rating_scale:
        raise DataError("The data have no ratings, so rating_scale cannot be used. Nothing was imported.")


def _settle_shortened(rows: Rows, builder: Builder, options: ImportOptions, report: Report) -> None:
    """Rows whose ids a spreadsheet has cut are kept or left out as a person said; the report asks else."""
    for kind, codes in (("user", builder.users), ("item", builder.items)):
        shortened = {code: key for key, code in codes.items() if is_shortened(key)}
        if not shortened:
            continue
        here = np.isin(getattr(rows, kind), list(shortened))
        said = (
            f"{len(shortened):,} {kind} ids were shortened by a spreadsheet, such as "
            f"{next(iter(shortened.values()))}, so that several {kind}s share one"
        )
        if options.shortened_ids == "drop":
            _drop(rows, ~here, builder, report, SHORTENED)
            continue
        report.note(f"{said}.")
        if options.shortened_ids is None:
            answers = (
                Candidate("keep", (), f"takes all who share an id for one {kind}"),
                Candidate("drop", (), f"leaves out {int(here.sum()):,} of {len(here):,} rows"),
            )
            reason = f"{said}; better, export the file again with ids as text"
            report.ask(Question("shortened_ids", reason, answers, option="shortened_ids"))


def _order(rows: Rows) -> None:
    """Sort by user, then time, ties in source order."""
    same_user = rows.user[1:] == rows.user[:-1]
    ordered = bool((rows.user[1:] >= rows.user[:-1]).all())
    if ordered and rows.time is not None:
        ordered = bool((~same_user | (rows.time[1:] >= rows.time[:-1])).all())
    if not ordered:
        keys = (rows.user,) if rows.time is None else (rows.time, rows.user)
        rows.take(np.lexsort(keys).astype(rows.source.dtype))


def _drop(rows: Rows, keep: np.ndarray, builder: Builder, report: Report, reason: str) -> None:
    """Keep the rows of the mask `keep`; count the others under `reason` with places of the first ones."""
    gone = np.flatnonzero(~keep)
    if not len(gone):
        return
    users, items = list(builder.users), list(builder.items)
    for rank, row in enumerate(gone[:6]):
        file, line = builder.place(int(rows.source[row]))
        detail = f"user {users[rows.user[row]]}, item {items[rows.item[row]]}"
        report.drop(reason, file, line, detail, 1 if rank < 5 else len(gone) - 5)
    rows.take(keep)


def _drop_repeats(rows: Rows, builder: Builder, report: Report, kept: str) -> None:
    """Keep the first or the last interaction of each user with each item (RecBole's `rm_dup_inter`)."""
    key = rows.user.astype(np.int64) * max(len(builder.items), 1) + rows.item
    order = np.argsort(key, kind="stable")
    key = key[order]
    again = key[1:] == key[:-1]
    keep = np.ones(len(rows.user), bool)
    keep[(order[1:] if kept == "first" else order[:-1])[again]] = False
    _drop(rows, keep, builder, report, REPEATED)


def _drop_low_ratings(rows: Rows, builder: Builder, options: ImportOptions, report: Report) -> None:
    if options.min_rating is None:
        return
    if rows.rating is None:
        report.note("The data have no ratings, so the rating threshold was not applied.")
        return
    keep = rows.rating >= np.float32(options.min_rating)  # a missing rating (NaN) is not a liking
    _drop(rows, keep, builder, report, f"rating below {options.min_rating:g} or missing")


def _drop_small(
    rows: Rows, builder: Builder, options: ImportOptions, report: Report, step: Callable[[], None]
) -> None:
    """The k-core (repeatedly, until stable), then users with too short a history."""
    core = options.k_core
    while core:
        step()
        users, items = np.bincount(rows.user), np.bincount(rows.item)
        keep = (users[rows.user] >= max(core, options.min_history)) & (items[rows.item] >= core)
        if keep.all():
            break
        _drop(rows, keep, builder, report, f"outside the {core}-core")
    if len(rows.user):
        keep = np.bincount(rows.user)[rows.user] >= options.min_history
        _drop(rows, keep, builder, report, f"user with fewer than {options.min_history} interactions")


def _nothing_left(report: Report) -> str:
    reasons = "; ".join(f"{entry['count']:,} {reason}" for reason, entry in report.dropped.items())
    where = ", ".join(report.files) or "the file"
    return (
        f"{where}: no interaction is left of {report.rows_read:,} rows read"
        f"{f' ({reasons})' if reasons else ''}. Nothing was imported; "
        "check the mapping or loosen the filters."
    )


def _compact(rows: Rows, kind: str, codes: dict[str, int]) -> list[str]:
    """Renumber the codes that still occur, in order of first appearance in the source; their ids."""
    column = getattr(rows, kind)
    present = np.bincount(column, minlength=len(codes)) > 0
    if not present.all():
        setattr(rows, kind, (np.cumsum(present, dtype=np.int32) - 1)[column].astype(np.int32, copy=False))
    return [key for key, here in zip(codes, present.tolist(), strict=True) if here]


def _ties(rows: Rows, users: int, report: Report) -> np.ndarray:
    """bool[users]: the user's last two interactions (probe and target) share a timestamp."""
    tie = np.zeros(users, bool)
    if rows.time is not None:
        last = np.flatnonzero(np.append(rows.user[1:] != rows.user[:-1], True))  # rows are ordered by user
        before = np.maximum(last - 1, 0)
        tie = (
            (last > before) & (rows.user[before] == rows.user[last]) & (rows.time[before] == rows.time[last])
        )
    count = int(tie.sum())
    report.ties = {"users": count, "share": round(count / users, 4)}
    if count:
        report.note(
            f"{count:,} of {users:,} users ({count / users:.0%}) have the same timestamp on their last two "
            "interactions; the order of the source decides their target, and they are flagged."
        )
    return tie


def _unbought(bought: list[str], catalogue: list[str], table: ItemTable, report: Report) -> list[str]:
    """Ids of the catalogue that no kept interaction names; counted as kept or left out."""
    known = set(bought)
    extra = [item for item in catalogue if item not in known]
    outside = table.skipped + len(table.rows) - sum(item in table.rows for item in bought) - len(extra)
    report.items_without_interactions = {"kept": len(extra), "left_out": outside}
    return extra


def _describe(item_ids: list[str], table: ItemTable, report: Report) -> dict[str, Any]:
    """Titles, categories, brands, attributes in the order of `item_ids`; counts missing and shared titles."""
    nothing = ItemRow("")
    rows = [table.rows.get(item, nothing) for item in item_ids]
    nameless = [item for item, row in zip(item_ids, rows, strict=True) if not row.title]
    report.missing_titles = len(nameless)
    if nameless:
        empty = sum(item in table.rows for item in nameless)
        report.note(
            f"Items without a title, shown by their id: {len(nameless):,} ({empty:,} with an empty title, "
            f"{len(nameless) - empty:,} in no item file), such as {', '.join(nameless[:MAX_EXAMPLES])}."
        )
    titles = [row.title or item for item, row in zip(item_ids, rows, strict=True)]
    shared = [count for count in Counter(titles).values() if count > 1]
    given = Counter(row.raw for row in rows if row.title)
    report.shared_titles = {
        "titles": len(shared),
        "items": sum(shared),
        "items_before_cleaning": sum(count for count in given.values() if count > 1),
    }
    if shared:
        report.note(
            f"Titles that several items carry: {len(shared):,}, on {sum(shared):,} items (kept apart)."
        )
    return {
        "titles": titles,
        "categories": [row.category for row in rows],
        "brands": [row.brand for row in rows],
        "attributes": [row.attributes or {} for row in rows] if any(row.attributes for row in rows) else None,
    }
