"""Reading what a system outside of this program scored: JSON lines, Parquet, CSV or TSV, or a TREC run.

A file in, one `Given` per user out, as it stands in the file: whether that fits the lists is for
`engine.tasks.outside_systems` to say. Rows hold one user (`scores` by item or in the order of `candidates`,
or a `ranking` best first) or one user and item (`item` with `score` or `rank`).
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.errors import DataError
from db.names import quoted
from db.paths import typed

NAMES: dict[str, tuple[str, ...]] = {
    "user": ("user", "user_id", "qid", "query_id"),
    "item": ("item", "item_id", "docid", "doc_id"),
    "score": ("score",),
    "rank": ("rank",),
    "scores": ("scores",),
    "candidates": ("candidates", "items"),
    "ranking": ("ranking",),
    "list": ("list",),
}
"""What a column holds -> what it may be called."""

TREC_COLUMNS = 6  # qid Q0 docid rank score tag
_WAYS = "`scores` (by item, or in the order of `candidates`), `ranking`, or `item` with `score` or `rank`"

Row = tuple[str, Mapping[str, Any]]
"""Where it stands, and its cells by what they hold."""


@dataclass
class Given:
    """What a file gives for a user. `pairs`: item id (None: in the order of the list) and score, higher is
    better, as often as they stand there. `fingerprint`: of the list it was given for, where the file says so.
    `rows`: in how many rows of one user it stood."""

    user: str
    pairs: list[tuple[str | None, float]] = field(default_factory=list)
    fingerprint: str | None = None
    rows: int = 0

    @property
    def in_order(self) -> bool:
        """Whether the scores stand in the order of the list, without items."""
        return bool(self.pairs) and self.pairs[0][0] is None


def read(path: Path) -> list[Given]:
    """All that a file gives, by user, in the file's order. Raises DataError naming file, place and reason."""
    path = typed(path)
    by_user: dict[str, Given] = {}
    try:
        for where, cells in _reader(path)(path):
            _take(by_user, path.name, where, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{quoted(str(path))} cannot be read: {why}. Nothing was stored.") from error
    if not by_user:
        raise DataError(f"{path.name} holds no scores. Nothing was stored.")
    return list(by_user.values())


def _reader(path: Path) -> Callable[[Path], Iterator[Row]]:
    suffix = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    found = READERS.get(suffix.lower())
    if found is None:
        raise DataError(
            f"{path.name}: the ending of its name says no format of scores; it must be one of "
            f"{', '.join(READERS)}. Nothing was stored."
        )
    return found


def _text(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")  # type: ignore[return-value]
    return path.open(encoding="utf-8-sig", newline="")


def _json_lines(path: Path) -> Iterator[Row]:
    with _text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except ValueError as error:
                raise _wrong(path.name, f"line {number}", f"it is no JSON ({error})") from None
            if not isinstance(cells, dict):
                raise _wrong(path.name, f"line {number}", "it is no JSON object")
            yield f"line {number}", _named(cells)


def _table(path: Path) -> Iterator[Row]:
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    with _text(path) as file:
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        for cells in reader:
            if None in cells or None in cells.values():
                raise _wrong(path.name, f"line {reader.line_num}", "it has not as many cells as the header")
            yield f"line {reader.line_num}", _named(cells)


def _trec(path: Path) -> Iterator[Row]:
    with _text(path) as file:
        for number, line in enumerate(file, 1):
            cells = line.split()
            if cells and len(cells) != TREC_COLUMNS:
                raise _wrong(path.name, f"line {number}", "a TREC run has `qid Q0 docid rank score tag`")
            if cells:
                # Like trec_eval, by the score: the column of ranks is not read.
                yield f"line {number}", {"user": cells[0], "item": cells[2], "score": cells[4]}


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for cells in batch.to_pylist():
                    number += 1
                    yield f"row {number}", _named({name: _arrow(cell) for name, cell in cells.items()})
    except pa.ArrowException as error:
        raise _wrong(path.name, f"row {number + 1}", f"it is not readable as Parquet ({error})") from None


def _arrow(cell: Any) -> Any:
    """A column of structs names every item of the file in every row: those without a score are not there."""
    if isinstance(cell, dict):
        return {name: value for name, value in cell.items() if value is not None}
    return cell


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".csv": _table,
    ".tsv": _table,
    ".trec": _trec,
    ".run": _trec,
}
"""Ending of a file's name -> how it is read; `.gz` may follow those of text."""


def _named(cells: Mapping[Any, Any]) -> dict[str, Any]:
    """The cells that mean something, by what they hold; a column without a value is not there."""
    found = {}
    for what, called in NAMES.items():
        name = next((name for name in called if cells.get(name) is not None), None)
        if name is not None:
            found[what] = cells[name]
    return found


def _take(by_user: dict[str, Given], file: str, where: str, cells: Mapping[str, Any]) -> None:
    if "user" not in cells:
        raise _wrong(file, where, f"it names no user (a column `{'` or `'.join(NAMES['user'])}`)")
    ways = [way for way in ("scores", "ranking", "item") if way in cells]
    if len(ways) != 1 or (ways == ["item"] and ("score" in cells) == ("rank" in cells)):
        raise _wrong(file, where, f"it needs one of {_WAYS}")
    try:
        user = _id(cells["user"])
        given = by_user.setdefault(user, Given(user))
        given.pairs += _WAYS_OF[ways[0]](cells)
        given.rows += ways[0] != "item"
        given.fingerprint = cells.get("list") or given.fingerprint
    except (TypeError, ValueError) as error:
        raise _wrong(file, where, str(error)) from None


def _of_scores(cells: Mapping[str, Any]) -> list[tuple[str | None, float]]:
    scores = cells["scores"]
    if isinstance(scores, Mapping):
        return [(_id(item), _number(score)) for item, score in scores.items()]
    if not isinstance(scores, list):
        raise ValueError("`scores` is neither a list nor scores by item")
    if scores and all(isinstance(pair, tuple) for pair in scores):
        return [(_id(item), _number(score)) for item, score in scores]
    numbers = [_number(score) for score in scores]
    if "candidates" not in cells:
        if "list" not in cells:
            raise ValueError("`scores` is a list, so `candidates` or `list` must say of what")
        return [(None, number) for number in numbers]
    items = _ids(cells["candidates"])
    if len(items) != len(numbers):
        raise ValueError(f"there are {len(numbers)} scores of {len(items)} candidates")
    return list(zip(items, numbers, strict=True))


def _of_ranking(cells: Mapping[str, Any]) -> list[tuple[str | None, float]]:
    return [(item, -float(place)) for place, item in enumerate(_ids(cells["ranking"]), 1)]


def _of_item(cells: Mapping[str, Any]) -> list[tuple[str | None, float]]:
    score = _number(cells["score"]) if "score" in cells else -_number(cells["rank"])
    return [(_id(cells["item"]), score)]


_WAYS_OF = {"scores": _of_scores, "ranking": _of_ranking, "item": _of_item}


def _ids(items: Any) -> list[str]:
    """Ids in a list of ids, or of objects with an `item`, as `lists export` writes them."""
    if not isinstance(items, Iterable) or isinstance(items, str | Mapping):
        raise ValueError("items must be a list")
    return [_id(item["item"] if isinstance(item, Mapping) and "item" in item else item) for item in items]


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{quoted(value)} is no id of a user or an item")
    return str(value)


def _number(value: Any) -> float:
    """Also NaN and infinities, which are refused later with all others of the file."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{quoted(value)} is no number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{quoted(value)} is no number") from None


def _wrong(file: str, where: str, why: str) -> DataError:
    return DataError(f"{file}, {where}: {why}. Nothing was stored.")
