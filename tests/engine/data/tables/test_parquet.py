"""Parquet beside the plain case: columns inside columns, repeated names, bytes, floats with gaps."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from db.errors import DataError
from engine.data.files import open_source
from engine.data.importing import read_path
from engine.data.tables.open_table import open_table


def sample(path: Path, names: list[str], arrays: list) -> tuple[tuple[str, ...], list[list]]:
    pq.write_table(pa.table([pa.array(a) for a in arrays], names=names), path)
    [folder] = open_source(path, "x")
    assert folder.only
    table = open_table(folder.only)
    return table.columns, table.sample()


def test_inner_columns_have_names_of_their_own(tmp_path: Path) -> None:
    users = [{"id": 3, "home": {"zip": "a"}}, {"id": 4, "home": None}, None]
    columns, rows = sample(tmp_path / "x.parquet", ["user", "item"], [users, [1, 2, 3]])
    assert columns == ("user.id", "user.home.zip", "item")
    assert rows == [["3", "a", "1"], ["4", None, "2"], [None, None, "3"]]


def test_a_name_that_comes_again_is_another_column(tmp_path: Path) -> None:
    names = ["item_id", "user_id", "item_id", "timestamp"]
    columns, rows = sample(tmp_path / "x.parquet", names, [["a"], ["u"], ["b"], [1_400_000_000]])
    assert columns == ("item_id", "user_id", "item_id.1", "timestamp")
    assert rows == [["a", "u", "b", "1400000000"]]


def test_bytes_are_text_or_nothing_of_use(tmp_path: Path) -> None:
    _, rows = sample(tmp_path / "x.parquet", ["a", "b"], [[b"caf\xc3\xa9", b"\xff\xfe"], [1.0, None]])
    assert rows == [["café", "1"], [b"\xff\xfe", None]]
    ids = [bytes([200 + n, 255]) for n in range(10)]
    columns = {"user_id": [b"\xff\xfe"] * 10, "item_id": ids}
    path = tmp_path / "ids.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=r"ids\.parquet"):
        read_path(path, mapping={"user": "user_id", "item": "item_id"})
