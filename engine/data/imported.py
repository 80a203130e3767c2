"""What the store knows of files already: which data set came from them, and whether they still read alike.

Boundary: fingerprints and comparison; reads no rows of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from db import datasets
from db.canonical import digest
from db.datasets import DatasetColumns, DatasetInfo
from db.datasets.columns import content, repaired
from db.errors import Conflict, DataError, NotFound
from db.ratings import Scale
from db.store import Store
from engine.data.files import Broken, Member
from engine.data.report import ImportOptions, Report
from engine.data.sniff import Recognised

IMPORT_VERSION = 1
"""Part of the fingerprint, on which candidate lists and stored runs depend. `READER` tells versions apart."""
READER = 2
"""Raised when the same files may give other columns; data sets of before it was kept have none."""
HASHED_BYTES = 64 << 20  # in one step, a fraction of a second

Progress = Callable[[float | None, str], None]


def of_this_name(store: Store, name: str, fingerprint: Callable[[], str]) -> DatasetInfo | None:
    """The data set of this name where it came from these very files; raises Conflict where it did not.

    `fingerprint` reads all files, and is asked for only where there is such a name.
    """
    try:
        info = datasets.get(store, name)
    except NotFound:
        return None
    if (info.report.get("files_digest") or info.origin) == fingerprint():
        return info
    raise Conflict(
        f"A data set named {name!r} exists with other data, columns or options ({info.source}). Nothing was "
        "imported; choose another name."
    )


def is_current(info: DatasetInfo) -> bool:
    """Whether this version would read the files of a data set as they were read."""
    return info.report.get("reader") == READER


def compare(store: Store, info: DatasetInfo, columns: DatasetColumns, report: Report) -> None:
    """Note that this version reads the files of a data set as an earlier one did; raises Conflict if not."""
    new, _ = repaired(columns)
    old = datasets.columns(store, info.origin_id)
    if said := _difference(old, new, info.scale, Scale.from_json(report.scale)):
        raise Conflict(
            f"The data set {info.name!r} was read from these files by an earlier version; this version reads "
            f"{said}. Nothing was imported; choose another name, or delete that one first."
        )
    datasets.replace_report(store, info.origin_id, _imported(info) | {"reader": READER})


def _imported(info: DatasetInfo) -> dict[str, Any]:
    """The report without what is forgotten, which is no part of the data set as imported."""
    return {name: value for name, value in info.report.items() if name != "forgotten"}


def _difference(old: DatasetColumns, new: DatasetColumns, before: Scale, after: Scale) -> str:
    """What is other in the new columns and their scale, in words; "" for nothing."""
    sizes = (
        ("interactions", len(old.user), len(new.user)),
        ("users", len(old.user_ids), len(new.user_ids)),
        ("items", len(old.item_ids), len(new.item_ids)),
    )
    said = [f"{now:,} {what} instead of {then:,}" for what, then, now in sizes if now != then]
    if said:
        return ", ".join(said)
    if content(old) != content(new):
        fields = [f for f in vars(old) if not _same(getattr(old, f), getattr(new, f))]
        return f"other {', '.join(_CALLED[field] for field in fields)}"
    return "" if _means(before) == _means(after) else f"ratings as {after.spelling}, not {before.spelling}"


def _means(scale: Scale) -> tuple[float, float, bool]:
    """What a scale says of ratings; its range is not known of data sets of before scales were kept."""
    return scale.liked, scale.disliked, scale.counts


_CALLED = {
    "item_ids": "item ids",
    "user_ids": "user ids",
    "user": "lengths of histories",
    "item": "items or another order of them",
    "timestamp": "times",
    "rating": "ratings",
    "tie": "ties",
} | {name: name for name in ("titles", "categories", "brands", "attributes")}


def _same(old: object, new: object) -> bool:
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return np.array_equal(old, new, equal_nan=old.dtype.kind == "f")
    return (old or None) == (new or None)


def own_fingerprint(store: Store, files: str, columns: DatasetColumns, report: Report) -> str:
    """The fingerprint of a new data set from files of the digest `files`; no other content has it.

    Runs are found by the fingerprint. It is that of the files, and another one only where the store has, or
    has in its bin, what an earlier version read otherwise from them; the report keeps the files' then.
    """
    mine = content(repaired(columns)[0])
    scale = Scale.from_json(report.scale)
    if all(
        theirs == mine and _means(info.scale) == _means(scale)
        for info, theirs in datasets.twins(store, files)
    ):
        return files
    report.files_digest = files
    return digest({"files": files, "content": mine, "scale": _means(scale)})


def fingerprint(recognised: Recognised, options: ImportOptions, progress: Progress) -> str:
    """Digest of the stored bytes of all files read and of everything that changes what is made of them."""
    plan = recognised.plan
    return digest(
        {
            "version": IMPORT_VERSION,
            "format": recognised.format.name,
            "mapping": plan.mapping | {"items_file": None},
            "options": options.to_json(),
            "interactions": [hash_of(member, progress) for member in plan.interactions],
            "items": hash_of(plan.items, progress) if plan.items else None,
        }
    )


def hash_of(member: Member, progress: Progress) -> str:
    """SHA-256 of the stored bytes; what was read to its end is known already."""
    if member.digest:
        return member.digest
    hasher = hashlib.sha256()
    try:
        with member.opener() as raw:
            while data := raw.read(HASHED_BYTES):
                progress(None, "Checking whether these files are already imported")
                hasher.update(data)
                if member.archive_size is not None:
                    member.budget.spend(len(data), member.archive_size)
    except Broken as error:
        raise DataError(f"{member.name}: {error}. Nothing was imported.") from None
    except (OSError, ValueError, EOFError, RuntimeError) as error:
        raise DataError(f"{member.name}: it cannot be read ({error}). Nothing was imported.") from None
    return hasher.hexdigest()
