"""Cells that hold lists are histories, each interaction of a user once, padding left out and counted."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.histories import History, elements, listed, padding_of
from engine.data.importing import read_path
from engine.data.report import ImportOptions
from tests.engine.data.originals import titles_of, write

EVERYBODY = ImportOptions(min_history=1)
HISTORIES = {f"u{u}": [f"i{(u + k) % 9}" for k in range(3 + u % 3)] for u in range(9)}

SPELLINGS = {
    "json": lambda items: json.dumps(items),
    "python": lambda items: str(items),
    "numpy": lambda items: f"[{' '.join(items)}]",
    "tuple": lambda items: str(tuple(items)),
    "spaces": " ".join,
    "bars": "|".join,
    "commas": ",".join,
}


@pytest.mark.parametrize("column", ["items", "item_id", "history", "item_id_list"])
@pytest.mark.parametrize("spelling", list(SPELLINGS))
def test_lists_of_every_spelling(spelling: str, column: str, tmp_path: Path) -> None:
    spell = SPELLINGS[spelling]
    rows = "".join(f"{user}\t{spell(items)}\n" for user, items in HISTORIES.items())
    columns, report = read_path(write(tmp_path / "x.tsv", f"user_id\t{column}\n{rows}"))
    assert histories_of(columns) == HISTORIES
    assert report.rows_read == report.rows_kept == sum(map(len, HISTORIES.values()))


def histories_of(columns: object) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for user, item in zip(columns.user, columns.item, strict=True):  # type: ignore[attr-defined]
        found.setdefault(columns.user_ids[user], []).append(columns.item_ids[item])  # type: ignore[attr-defined]
    return found


def test_parquet_lists(tmp_path: Path) -> None:
    table = pa.table({"user_id": list(HISTORIES), "item_id": list(HISTORIES.values())})
    pq.write_table(table, tmp_path / "x.parquet")
    assert histories_of(read_path(tmp_path / "x.parquet")[0]) == HISTORIES


def test_windows_of_one_history_with_padding_and_targets(tmp_path: Path) -> None:
    text = "user_id:token\titem_id:token\ttimestamp:float\titem_id_list:token_seq\n"
    for user in (1, 2):
        history = [2]
        for target in range(3, 8):
            window = [*history[-3:], 0, 0][:3]
            text += f"{user}\t{target}\t{1_400_000_000 + target}\t{' '.join(map(str, window))}\n"
            history.append(target)
    columns, report = read_path(write(tmp_path / "my.train.inter", text))
    assert histories_of(columns) == {str(user): list("234567") for user in (1, 2)}
    assert report.dropped["padding in a list"]["count"] == 6
    assert report.rows_read == report.rows_kept + sum(e["count"] for e in report.dropped.values()) == 40


def test_titles_beside_the_lists(tmp_path: Path) -> None:
    rows = [
        {
            "user_id": user,
            "history_item_title": str([f"Thing {item}" for item in items[:-1]]),
            "item_title": f"Thing {items[-1]}",
            "history_item_id": str(items[:-1]),
            "item_id": items[-1],
            "history_item_sid": str([f"<{item}>" for item in items[:-1]]),
        }
        for user, items in HISTORIES.items()
    ]
    text = "\n".join(["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]) + "\n"
    columns, report = read_path(write(tmp_path / "test.tsv", text))
    assert histories_of(columns) == HISTORIES
    assert titles_of(columns) == {f"i{k}": f"Thing i{k}" for k in range(9)}
    assert report.mapping["history"] == "history_item_id"


def test_lists_that_are_no_histories_stay_attributes(tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\ttimestamp:float\ttag_value:token_seq\tcodes:token_seq\n"
    rows = "".join(
        f"{user}\t{item}\t{1_400_000_000 + k}\tmetal live\t{item[1:]} {int(item[1:]) % 2}\n"
        for user, items in HISTORIES.items()
        for k, item in enumerate(items)
    )
    columns, report = read_path(write(tmp_path / "x.inter", header + rows))
    assert report.format == "recbole"
    assert histories_of(columns) == HISTORIES


def test_parts_with_histories_are_joined_where_none_holds_the_others(tmp_path: Path) -> None:
    for part, (low, high) in {"train": (0, 3), "test": (3, 6)}.items():
        rows = "".join(f"u{u}\t{' '.join(f'i{k}{u % 2}' for k in range(low, high))}\n" for u in range(6))
        write(tmp_path / f"x.{part}.inter", f"user_id:token\titem_id_list:token_seq\n{rows}")
    columns, report = read_path(tmp_path)
    assert histories_of(columns)["u0"] == [f"i{k}0" for k in range(6)]
    assert list(report.files) == ["x.train.inter", "x.test.inter"]


@pytest.mark.parametrize(
    ("lists", "targets", "padding"),
    [
        ([["1", "0", "0"], ["1", "2", "0"]], ["3"], "0"),
        ([["-1", "-1", "4"]], [], "-1"),
        ([["[PAD]", "[PAD]", "4"]], [], "[PAD]"),
        ([["1", "0", "0"], ["0", "2", "3"], ["2", "0", "3"]], [], None),  # inside a list it is an item
        ([["1", "0", "0"]], ["0"], None),  # a target is an item
        ([["0", "1", "2"], ["3", "4", "0"]], [], None),  # one of them fills nothing up
        ([["7", "7", "7"]], [], None),
    ],
)
def test_padding(lists: list[list[str]], targets: list[str], padding: str | None) -> None:
    assert padding_of(lists, targets) == padding


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.integers(1, 5))
def test_sliding_windows_never_lose_or_turn_round_a_history(items: list[str], width: int) -> None:
    numbered = [f"{item}{k}" for k, item in enumerate(items)]
    history = History()
    read = known = 0
    for end in range(1, len(numbered) + 1):
        window = numbered[max(0, end - width - 1) : end]
        known += history.merge(list(window), 0, end)
        read += len(window)
    assert history.items == numbered
    assert read - known == len(numbered) == len(history.lines)


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("[1, 2]", ["1", "2"]),
        ("['a', 'b']", ["a", "b"]),
        ("[1.0, 2.0]", ["1", "2"]),
        ("[]", []),
        (None, []),
        ([1, None, "x"], ["1", "", "x"]),
        ("[broken", ["[broken"]),
        ("i1;i2", ["i1", "i2"]),
    ],
)
def test_elements(cell: object, items: list[str]) -> None:
    assert elements(cell) == items


def test_what_is_no_list() -> None:
    assert all(listed(cell) is None for cell in ("", "plain", "[a] words (b)", "(open", 5, None, {"a": 1}))
