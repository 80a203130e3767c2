"""A row per user and a column per item is refused by name, before anything else is made of it."""

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from db.errors import DataError
from engine.data.importing import preview, read_path
from engine.data.profile import LOOK_COLUMNS
from engine.data.tables.matrix import FROM
from tests.engine.data.originals import write

DRAW = random.Random(3)


def matrix(columns: int, mark: Callable[[], object], first: Callable[[int], list[object]], head: str) -> str:
    lines = [",".join(map(str, [*first(row), *(mark() for _ in range(columns))])) for row in range(80)]
    return "\n".join([head, *lines] if head else lines) + "\n"


def some(marks: list[object], share: float, nothing: object) -> Callable[[], object]:
    return lambda: DRAW.choice(marks) if DRAW.random() < share else nothing


LAYOUTS = {
    "a pivot of pandas": matrix(
        40, some([0.5, 3, 5], 0.3, ""), lambda n: [n + 1], ",".join(["userId", *map(str, range(1, 41))])
    ),
    "titles over the columns": matrix(
        30,
        some([1, 2, 5], 0.4, 0),
        lambda n: [f"u{n}"],
        ",".join(["user", *(f"Film {n}" for n in range(30))]),
    ),
    "Jester": matrix(100, lambda: round(DRAW.uniform(-10, 10), 2), lambda n: [n], ""),
    "bought or not": matrix(
        25, some([1], 0.2, 0), lambda n: [n], ",".join(["user", *(f"i{n}" for n in range(25))])
    ),
}


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("yes", [False, True])
def test_a_matrix_is_refused_by_name(name: str, yes: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "wide.csv", LAYOUTS[name])
    with pytest.raises(DataError, match=r"looks like a matrix of \d+ columns, a row per user") as told:
        read_path(path, yes=yes)
    assert "frame.melt" in str(told.value)


def test_a_matrix_in_parquet_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"item_{n}": [float(n % 5) for _ in range(30)] for n in range(FROM + 1)})
    frame.to_parquet(tmp_path / "wide.parquet")
    with pytest.raises(DataError, match="looks like a matrix"):
        read_path(tmp_path / "wide.parquet")


def test_rows_with_many_measures_are_no_matrix(tmp_path: Path) -> None:
    """Of thousands of columns those with telling names are looked at, wherever they stand."""
    count = 4 * LOOK_COLUMNS
    head = ",".join([*(f"f{n}" for n in range(count)), "user_id", "item_id", "timestamp"])
    rows = [
        ",".join(
            map(
                str, [*(n * 10 ** (n % 7) for n in range(count)), f"u{k % 9}", f"i{k % 7}", 1_600_000_000 + k]
            )
        )
        for k in range(60)
    ]
    path = write(tmp_path / "x.csv", "\n".join([head, *rows]) + "\n")
    seen = preview(path)
    assert [seen.mapping[f] for f in ("user", "item", "timestamp")] == ["user_id", "item_id", "timestamp"]
    seen = preview(path, mapping={"rating": f"f{count - 1}"})
    assert seen.mapping["rating"] == f"f{count - 1}"
