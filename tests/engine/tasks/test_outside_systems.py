"""Lists for outside systems: nothing gives a target away; all forms of scores are read, all faults said."""

import csv
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import chisquare

from db import datasets, forgotten, outside
from db.datasets import DatasetInfo
from db.errors import BadInput, DataError, NotFound
from db.outside import Lists
from db.store import Store
from engine.tasks import frozen_lists, outside_systems
from engine.tasks.outside_systems import MEASURES
from tests.toys import toy_columns

LISTS = Lists(size=6)
USERS = 9
Rows = list[dict[str, Any]]


@pytest.fixture
def shop(store: Store) -> DatasetInfo:
    """Twelve users with eight purchases of thirty items each."""
    columns = toy_columns(users=12, items=30, length=8)
    return datasets.insert(store, "toy", columns, kind="t", source="t", fingerprint="toy", report={})


@pytest.fixture
def rows(store: Store, shop: DatasetInfo, tmp_path: Path) -> Rows:
    """The exported lists."""
    assert frozen_lists.export(store, shop, LISTS, USERS, tmp_path / "lists.jsonl") == USERS
    return [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text(encoding="utf-8").splitlines()]


def ids(row: dict[str, Any]) -> list[str]:
    return [each["item"] for each in row["candidates"]]


def scores_of(row: dict[str, Any]) -> list[float]:
    """Different numbers, a pure function of the user, none a tie."""
    numbers = [place / 4 for place in range(len(row["candidates"]))]
    random.Random(row["user"]).shuffle(numbers)
    return numbers


def lines(path: Path, written: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in written), encoding="utf-8")
    return path


def table(path: Path, head: list[str], written: list[list[Any]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *written])
    return path


def pairs(rows: Rows) -> Iterator[tuple[str, str, float]]:
    for row in rows:
        yield from ((row["user"], item, score) for item, score in zip(ids(row), scores_of(row), strict=True))


def by_item(row: dict[str, Any]) -> dict[str, float]:
    return dict(zip(ids(row), scores_of(row), strict=True))


def best_first(row: dict[str, Any]) -> list[str]:
    return sorted(ids(row), key=lambda item: -by_item(row)[item])


def parquet(path: Path, written: Rows) -> Path:
    pq.write_table(pa.Table.from_pylist(written), path)
    return path


def shuffled_trec(path: Path, rows: Rows) -> Path:
    told = [f"{user} Q0 {item} 1 {score} tag" for user, item, score in pairs(rows)]
    random.Random(0).shuffle(told)
    path.write_text("\n".join(told) + "\n", encoding="utf-8")
    return path


def ranks(rows: Rows) -> list[list[Any]]:
    return [[row["user"], item, place] for row in rows for place, item in enumerate(best_first(row), 1)]


FORMS: dict[str, Callable[[Path, Rows], Path]] = {
    "scores by item": lambda at, rows: lines(
        at / "s.jsonl", [{"user": row["user"], "scores": by_item(row)} for row in rows]
    ),
    "scores beside the exported row": lambda at, rows: lines(
        at / "s.ndjson", [{**row, "scores": scores_of(row)} for row in rows]
    ),
    "scores beside ids": lambda at, rows: lines(
        at / "s.jsonl",
        [{"user": r["user"], "candidates": ids(r)[::-1], "scores": scores_of(r)[::-1]} for r in rows],
    ),
    "scores of a list": lambda at, rows: lines(
        at / "s.jsonl", [{"qid": r["user"], "list": r["list"], "scores": scores_of(r)} for r in rows]
    ),
    "parquet, parallel": lambda at, rows: parquet(
        at / "s.parquet", [{**row, "scores": scores_of(row)} for row in rows]
    ),
    "parquet, by item": lambda at, rows: parquet(
        at / "s.parquet", [{"user_id": row["user"], "scores": by_item(row)} for row in rows]
    ),
    "parquet, a row per item": lambda at, rows: parquet(
        at / "s.parquet", [{"user": u, "item_id": i, "score": s} for u, i, s in pairs(rows)]
    ),
    "csv": lambda at, rows: table(
        at / "s.csv", ["user_id", "item_id", "score"], list(map(list, pairs(rows)))
    ),
    "tsv": lambda at, rows: table(
        at / "s.tsv", ["item", "score", "user"], [[i, s, u] for u, i, s in pairs(rows)], "\t"
    ),
    "trec": lambda at, rows: shuffled_trec(at / "s.run", rows),
}
RANKED: dict[str, Callable[[Path, Rows], Path]] = {
    "ranking": lambda at, rows: lines(
        at / "s.jsonl", [{"user": row["user"], "ranking": best_first(row)} for row in rows]
    ),
    "ranking of rows": lambda at, rows: parquet(
        at / "s.parquet",
        [
            {
                "user": r["user"],
                "ranking": sorted(r["candidates"], key=lambda each: -by_item(r)[each["item"]]),
            }
            for r in rows
        ],
    ),
    "ranks": lambda at, rows: table(at / "s.csv", ["user", "item", "rank"], ranks(rows)[::-1]),
}


def test_a_row_holds_the_history_before_the_target_and_the_list_in_its_order(
    store: Store, shop: DatasetInfo, rows: Rows
) -> None:
    assert [row["user"] for row in rows] == frozen_lists.order(store, shop, LISTS)[:USERS]
    for row in rows:
        assert row.keys() == {"user", "list", "history", "candidates"}
        known = datasets.history(store, shop.id, datasets.user(store, shop.id, row["user"]).user)
        assert [(each["item"], each["title"]) for each in row["history"]] == [
            (each.item_id, each.title) for each in known[:-1]
        ]
        listed = frozen_lists.frozen(store, shop, LISTS, row["user"])
        assert ids(row) == list(listed.items)
        assert ids(row)[listed.place] == known[-1].item_id
        assert not {each["item"] for each in row["history"]} & set(ids(row))


def test_both_forms_say_the_same(store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path) -> None:
    frozen_lists.export(store, shop, LISTS, USERS, tmp_path / "lists.parquet")
    assert pq.read_table(tmp_path / "lists.parquet").to_pylist() == rows
    assert sorted(path.suffix for path in tmp_path.glob("*lists*")) == [".jsonl", ".parquet"]


@pytest.mark.parametrize("kind", ["random", "popular", "hard"])
def test_where_the_target_stands_is_drawn_evenly(store: Store, shop: DatasetInfo, kind: str) -> None:
    places = Counter(
        frozen_lists.frozen(store, shop, Lists(kind, 5, seed), user).place
        for seed in range(25)
        for user in frozen_lists.order(store, shop, LISTS)
    )
    assert chisquare([places[place] for place in range(5)]).pvalue > 0.001


def test_the_probe_hides_what_came_after_it(store: Store, shop: DatasetInfo, tmp_path: Path) -> None:
    lists = Lists(size=6, target="probe")
    frozen_lists.export(store, shop, lists, 3, tmp_path / "probe.jsonl")
    for line in (tmp_path / "probe.jsonl").read_text(encoding="utf-8").splitlines():
        assert len(json.loads(line)["history"]) == 6


def expected(store: Store, shop: DatasetInfo, rows: Rows) -> dict[str, float]:
    """HR@1, HR@10, NDCG@10 and MRR by their definitions."""
    found: dict[str, float] = dict.fromkeys(MEASURES, 0.0)
    for row in rows:
        listed = frozen_lists.frozen(store, shop, LISTS, row["user"])
        rank = best_first(row).index(listed.items[listed.place]) + 1
        values = {"hr1": rank <= 1, "hr10": rank <= 10, "ndcg10": 1 / math.log2(rank + 1), "mrr": 1 / rank}
        found = {name: found[name] + value / len(rows) for name, value in values.items()}
    return found


@pytest.mark.parametrize("form", [*FORMS, *RANKED])
def test_every_form_of_scores_is_measured_alike(
    store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path, form: str
) -> None:
    path = {**FORMS, **RANKED}[form](tmp_path, rows)
    kept = outside_systems.take(store, shop, LISTS, "mine", path)
    assert (kept.users, kept.source) == (USERS, path.name)
    found = outside_systems.measured(store, shop, LISTS, "mine")
    assert {name: found[name]["mean"] for name in MEASURES} == pytest.approx(expected(store, shop, rows))
    assert (found["users"], found["outdated"], found["first"], found["mrr"]["n"]) == (USERS, 0, USERS, USERS)
    given = outside_systems.scores(store, shop, LISTS, "mine")
    if form in FORMS:
        assert given == {row["user"]: scores_of(row) for row in rows}
    for row in rows:
        order = sorted(range(6), key=lambda place: -given[row["user"]][place])
        assert [ids(row)[place] for place in order] == best_first(row)
    some = [row["user"] for row in rows[2:4]]
    assert outside_systems.scores(store, shop, LISTS, "mine", some).keys() == set(some)


def test_ties_count_in_random_order(store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path) -> None:
    path = lines(tmp_path / "s.jsonl", [{**row, "scores": [0.5] * 6} for row in rows])
    outside_systems.take(store, shop, LISTS, "flat", path)
    found = outside_systems.measured(store, shop, LISTS, "flat")
    assert (found["hr1"]["mean"], found["hr10"]["mean"]) == (pytest.approx(1 / 6), 1.0)


def test_measures_are_those_of_ir_measures(
    store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path
) -> None:
    ir = pytest.importorskip("ir_measures")
    path = shuffled_trec(tmp_path / "s.trec", rows)
    outside_systems.take(store, shop, LISTS, "mine", path)
    found = outside_systems.measured(store, shop, LISTS, "mine")
    frozen = [frozen_lists.frozen(store, shop, LISTS, row["user"]) for row in rows]
    relevant = [ir.Qrel(one.user, one.items[one.place], 1) for one in frozen]
    theirs = ir.calc_aggregate(
        [ir.Success @ 1, ir.Success @ 10, ir.nDCG @ 10, ir.RR], relevant, ir.read_trec_run(str(path))
    )
    for name, measure in zip(MEASURES, (ir.Success @ 1, ir.Success @ 10, ir.nDCG @ 10, ir.RR), strict=True):
        assert found[name]["mean"] == pytest.approx(theirs[measure])


def spoiled(rows: Rows, change: Callable[[Rows], None]) -> Rows:
    """Scores by item of all users, with something wrong in them."""
    given = [{"user": row["user"], "scores": by_item(row)} for row in rows]
    change(given)
    return given


def _without_one(given: Rows) -> None:
    given[0]["scores"].popitem()


def _another_item(given: Rows) -> None:
    given[0]["scores"]["i99"] = given[0]["scores"].popitem()[1]


def _not_a_number(given: Rows) -> None:
    for row in given[:5]:
        row["scores"][next(iter(row["scores"]))] = math.nan


FAULTY: dict[str, tuple[Callable[[Rows], Any], str]] = {
    "a candidate less": (_without_one, r"1 candidates have no score \('u"),
    "another item": (
        _another_item,
        r"1 items are not in their user's list \('u.*: 'i99'\); 1 candidates have no",
    ),
    "NaN": (_not_a_number, r"5 scores are not finite numbers \('u.* nan, .*, …\)"),
    "an unknown user": (
        lambda given: given.append({"user": "who", "scores": {"i1": 1}}),
        r"1 users are not in .*'who'",
    ),
    "a user twice": (lambda given: given.append(given[0]), r"1 users stand there more than once"),
    "a user left out": (
        lambda given: given.pop(2),
        r"1 users of the draw have no scores though later ones do",
    ),
    "another list": (
        lambda given: given[1].update(list="0" * 64),
        r"1 lists are others than the frozen ones",
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_what_is_wrong_is_said_with_counts_examples_and_what_to_do(
    store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path, fault: str
) -> None:
    change, said = FAULTY[fault]
    path = lines(tmp_path / "s.jsonl", spoiled(rows, change))
    with pytest.raises(BadInput, match=said) as told:
        outside_systems.take(store, shop, LISTS, "mine", path)
    assert "s.jsonl was not stored" in str(told.value)
    assert "`dualens lists export -d toy --users" in str(told.value)
    assert outside.listing(store, shop) == []


def test_the_wrong_seed_is_found_though_the_scores_name_no_list(
    store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path
) -> None:
    path = FORMS["csv"](tmp_path, rows)
    with pytest.raises(BadInput, match="items are not in their user's list"):
        outside_systems.take(store, shop, Lists(size=6, seed=1), "mine", path)


def test_duplicates_in_long_tables_and_lengths_of_arrays(
    store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path
) -> None:
    told = [*map(list, pairs(rows))]
    with pytest.raises(BadInput, match="1 candidates have more than one score"):
        outside_systems.take(
            store, shop, LISTS, "mine", table(tmp_path / "s.csv", ["user", "item", "score"], [*told, told[0]])
        )
    short = [{"user": r["user"], "list": r["list"], "scores": scores_of(r)[1:]} for r in rows]
    with pytest.raises(BadInput, match=r"9 users have another number of scores than candidates .*5 of 6"):
        outside_systems.take(store, shop, LISTS, "mine", lines(tmp_path / "s.jsonl", short))


def test_users_that_are_insisted_on_must_be_there(
    store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path
) -> None:
    path = FORMS["csv"](tmp_path, rows)
    with pytest.raises(BadInput, match="2 of the users asked for have no scores"):
        outside_systems.take(store, shop, LISTS, "mine", path, users=11)
    assert outside_systems.take(store, shop, LISTS, "mine", path, users=9).users == 9


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.txt", "x", "says no format of scores"),
        ("s.jsonl", "", "holds no scores"),
        ("s.jsonl", "{", "line 1: it is no JSON"),
        ("s.jsonl", "[1]", "line 1: it is no JSON object"),
        ("s.jsonl", '{"scores": {"i": 1}}', "names no user"),
        ("s.jsonl", '{"user": "u0"}', "needs one of"),
        ("s.jsonl", '{"user": "u0", "scores": [1], "ranking": ["i"]}', "needs one of"),
        ("s.jsonl", '{"user": "u0", "scores": [1, 2]}', "must say of what"),
        ("s.jsonl", '{"user": "u0", "candidates": ["a"], "scores": [1, 2]}', "2 scores of 1 candidates"),
        ("s.jsonl", '{"user": "u0", "scores": {"i1": true}}', "True is no number"),
        ("s.jsonl", '{"user": 1.5, "scores": {"i1": 1}}', "1.5 is no id"),
        ("s.csv", "user,item,score\nu0,i1,high\n", "line 2: 'high' is no number"),
        ("s.csv", "user,item,score\nu0,i1\n", "line 2: it has not as many cells"),
        ("s.run", "u0 Q0 i1 1 0.5\n", "line 1: a TREC run has"),
        ("s.parquet", "PAR1", "not readable as Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(
    store: Store, shop: DatasetInfo, tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said) as told:
        outside_systems.take(store, shop, LISTS, "mine", tmp_path / name)
    assert name in str(told.value)
    assert "Nothing was stored" in str(told.value)


def test_a_file_that_is_not_there_and_one_that_cannot_be_written(
    store: Store, shop: DatasetInfo, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        outside_systems.take(store, shop, LISTS, "mine", tmp_path / "none.csv")
    for name, said in (("no/lists.jsonl", "cannot be written"), ("lists.csv", "must end in .jsonl or")):
        with pytest.raises(BadInput, match=said):
            frozen_lists.export(store, shop, LISTS, 3, tmp_path / name)
    with pytest.raises(NotFound):
        outside_systems.measured(store, shop, LISTS, "mine")


def test_after_forgetting_only_lists_that_are_what_they_were_count(
    store: Store, shop: DatasetInfo, rows: Rows, tmp_path: Path
) -> None:
    outside_systems.take(store, shop, LISTS, "mine", FORMS["csv"](tmp_path, rows))
    before = outside_systems.scores(store, shop, LISTS, "mine")
    gone = rows[0]["user"]
    forgotten.forget(store, "toy", forgotten.user(store, "toy", gone))
    layer = datasets.get(store, "toy")
    assert outside_systems.scores(store, layer, LISTS, "mine") == {
        user: scores for user, scores in before.items() if user != gone
    }, "other users' lists are what they were"
    forgotten.forget(store, "toy", forgotten.item(store, "toy", ids(rows[1])[0]))
    layer = datasets.get(store, "toy")
    left = outside_systems.scores(store, layer, LISTS, "mine")
    assert rows[1]["user"] not in left
    found = outside_systems.measured(store, layer, LISTS, "mine")
    assert (found["users"], found["outdated"]) == (len(left), USERS - len(left))
