"""Blind comparisons in the store: what is kept of runs, who sees what where, who may say what, and undo."""

import csv
import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import judging, runs
from db.canonical import digest
from db.errors import BadInput, Conflict, NotFound
from db.judging import Judging, Side
from db.judging.order import schedule
from db.requests import RunRequest
from db.runs import Run
from db.store import Store

USERS = 6
HOSTILE = '=HYPERLINK("http://x")'


def stored(store: Store, user: str, demos: str, seed: int = 0, **result: Any) -> Run:
    """A run of ten candidates; its list begins at another place for each setting."""
    request = RunRequest("shop", user, demos=demos, seed=seed)
    start = len(demos) % 10
    titles = [f"Item {(start + place) % 10} of {user}" for place in range(10)]
    listed = [
        {"item": title, "title": title, "rank": rank, "score": -float(rank), "is_target": rank == 3}
        for rank, title in enumerate(titles, 1)
    ]
    count = 0 if demos == "none" else int(demos.partition(":")[2])
    bare = [{**row, "title": f"Item {place} of {user}"} for place, row in enumerate(listed)]
    body = {
        "items": listed if count else bare,
        "zero_shot": bare,
        "metrics": {"rank": 3.0, "ndcg10": 0.5 + count / 10, "zero_shot": {"rank": 4.0, "ndcg10": 0.4}},
        "loss": 1.0,
        "loss_zero_shot": 2.0,
        "margin": -1.0 + count / 4,
        "margin_zero_shot": -1.0,
        "demonstrations": [{"id": f"d{place}", "weight": 1.0} for place in range(count)],
        "history": [{"item": "h", "title": f"Bought {place}"} for place in range(4 if count else 6)],
        "target": {"item": "t", "title": "Target", "position": 9},
        "candidates": {"fingerprint": "c"},
        "model": {"revision": "1"},
        **result,
    }
    key = digest([user, demos, seed])
    run = Run(key, request, key, None, user, request.model, body, {"total": 1.0}, created_at=1.0 + seed)
    return runs.save(store, run)


@pytest.fixture
def both(store: Store) -> tuple[list[Run], list[Run]]:
    """Runs without demonstrations and with four, of the same users."""
    users = [f"user {number}" for number in range(USERS)]
    return [stored(store, user, "none") for user in users], [stored(store, user, "bm25:4") for user in users]


@pytest.fixture
def made(store: Store, both: tuple[list[Run], list[Run]]) -> Judging:
    """A comparison of both settings over all users."""
    a, b = judging.named(store, "shop", "none", "bm25:4")
    pairs = judging.make(store, judging.over_users(a, b, USERS, 0), 5)
    return judging.create(store, "With or without", pairs, seed=3)


def test_two_settings_over_users_become_pairs_cut_alike(store: Store, made: Judging) -> None:
    assert (made.pairs, made.judges, made.judgements) == (USERS, 0, 0)
    assert made.labels == ("no demonstrations", "BM25 (4)")
    for pair in judging.pairs(store, made):
        a, b = pair.lists
        assert (len(a.items), len(b.items)) == (5, 5)
        assert (a.ndcg10, a.effect, b.ndcg10, b.effect) == (0.5, 0.0, 0.9, 1.0)
        assert pair.history == tuple(f"Bought {place}" for place in range(6)), "the longer of both"
    assert judging.pair(store, made, 2) == judging.pairs(store, made)[2]
    assert judging.by_token(store, made.token) == judging.get(store, made.id) == made


def test_a_named_set_is_called_by_its_name_and_version() -> None:
    request = RunRequest("shop", "u", demos="set:good ones@0123456789abcdef")
    assert judging.in_words(request, ()) == "named set good ones@0123456789abcdef"


def test_a_run_is_judged_against_its_own_list_without_demonstrations(
    store: Store, both: tuple[list[Run], list[Run]]
) -> None:
    a, b = judging.named(store, "shop", None, "bm25:4")
    made = judging.make(store, judging.over_users(a, b, 4, 0))
    assert made.labels == ("no demonstrations", "BM25 (4)")
    assert [listed.run for listed in made.pairs[0].lists] == [made.pairs[0].lists[0].run] * 2
    assert [listed.ndcg10 for listed in made.pairs[0].lists] == [0.4, 0.9]
    assert [listed.effect for listed in made.pairs[0].lists] == [0.0, 1.0]
    assert len(made.pairs) == 4


def test_runs_that_were_picked_are_paired_by_history(store: Store, both: tuple[list[Run], list[Run]]) -> None:
    alone, other = both[0][3], [both[1][0], both[0][0]]
    assert judging.by_history([alone, *other]) in (
        [(Side(both[0][0].key), Side(both[1][0].key))],
        [(Side(both[1][0].key), Side(both[0][0].key))],
    )


def test_a_longer_list_is_cut_to_the_shorter(store: Store, both: tuple[list[Run], list[Run]]) -> None:
    short = stored(store, "user 0", "bm25:4", seed=1, items=both[1][0].result["items"][:3])
    made = judging.make(store, [(Side(both[0][0].key), Side(short.key))])
    assert [len(listed.items) for listed in made.pairs[0].lists] == [3, 3]


def test_what_cannot_be_judged_is_left_out_and_said(store: Store, both: tuple[list[Run], list[Run]]) -> None:
    one, same = both[0][0], Side(both[0][1].key)
    unlike = stored(store, "user 3", "bm25:4", seed=2, candidates={"fingerprint": "other"})
    good = (Side(one.key), Side(both[1][0].key))
    wanted = [good, good, (same, same), (Side(both[0][3].key), Side(unlike.key))]
    made = judging.make(store, wanted)
    assert len(made.pairs) == 1
    assert sum(made.left_out.values()) == 3
    assert any("same titles" in why for why in made.left_out)
    with pytest.raises(BadInput, match=r"no pair to judge\. Both lists show the same"):
        judging.make(store, [(same, same)])
    with pytest.raises(BadInput, match="from 1 to 20"):
        judging.make(store, [good], 0)
    with pytest.raises(BadInput, match="at most 200"):
        judging.make(store, [good] * 201)
    with pytest.raises(NotFound):
        judging.make(store, [(Side("f" * 64), Side(one.key))])


def test_settings_are_named_by_a_strategy_or_a_run(store: Store, both: tuple[list[Run], list[Run]]) -> None:
    stored(store, "user 0", "recent:2", seed=9)  # another seed: not alike in all else
    with pytest.raises(BadInput, match="alike in all else"):
        judging.named(store, "shop", "none", "recent:2")
    with pytest.raises(BadInput, match=r"Its runs have: .*bm25:4"):
        judging.named(store, "shop", None, "bm25:9")
    a, b = judging.named(store, "shop", both[1][0].key[:12], both[0][2].key)
    assert a is not None
    assert (a.request.demos, b.request.demos, len(b.by_user)) == ("bm25:4", "none", USERS)


def test_deleting_the_runs_leaves_the_comparison(
    store: Store, made: Judging, both: tuple[list[Run], list[Run]]
) -> None:
    ana = judging.join(store, made, "Ana")
    judging.record(store, made, ana, 0, "b")
    before = judging.pairs(store, made)
    keys = [run.key for some in both for run in some]
    runs.delete(store, *keys)
    runs.purge(store, *keys)
    assert judging.pairs(store, made) == before
    assert len(judging.judgements(store, made)) == 1


def test_a_judge_is_a_name_and_comes_back_under_it(store: Store, made: Judging) -> None:
    ana = judging.join(store, made, " Ana  B ")
    assert (ana.number, ana.name, ana.judged) == (0, "Ana B", 0)
    judging.record(store, made, ana, 1, "tie", "Both fit.")
    assert judging.join(store, made, "ana b").number == 0
    assert judging.join(store, made, "Bob").number == 1
    found = judging.find_judge(store, made, "ANA B")
    assert found is not None
    assert (found.number, found.judged) == (0, 1)
    assert judging.find_judge(store, made, "Cleo") is None
    with pytest.raises(BadInput):
        judging.join(store, made, "  ")


def test_the_first_answer_stays_unless_it_is_replaced(store: Store, made: Judging) -> None:
    ana = judging.join(store, made, "Ana")
    judging.record(store, made, ana, 1, "a", "First.")
    judging.record(store, made, ana, 1, "a", "Pressed twice.")
    with pytest.raises(Conflict, match="stays"):
        judging.record(store, made, ana, 1, "b")
    [kept] = judging.judgements(store, made, ana)
    assert (kept.choice, kept.reason) == ("a", "First.")
    judging.record(store, made, ana, 1, "tie", replace=True)
    [kept] = judging.judgements(store, made, ana)
    assert (kept.choice, kept.reason, kept.left) == ("tie", "", dict(judging.order(made, ana))[1])


@pytest.mark.parametrize(
    ("number", "choice", "reason", "error"),
    [(0, "left", "", BadInput), (0, "a", "x" * 2_001, BadInput), (USERS, "a", "", NotFound)],
)
def test_a_wrong_answer_changes_nothing(
    store: Store, made: Judging, number: int, choice: str, reason: str, error: type[Exception]
) -> None:
    ana = judging.join(store, made, "Ana")
    with pytest.raises(error, match="Nothing was kept"):
        judging.record(store, made, ana, number, choice, reason)
    assert judging.judgements(store, made) == []


def test_deleting_a_comparison_is_undone(store: Store, made: Judging) -> None:
    ana = judging.join(store, made, "Ana")
    judging.record(store, made, ana, 0, "b")
    judging.delete(store, made.id)
    assert judging.listing(store) == []
    assert [gone.id for gone in judging.deleted(store)] == [made.id]
    with pytest.raises(NotFound, match="Ask for the link again"):
        judging.by_token(store, made.token)
    with pytest.raises(NotFound, match="deleted meanwhile"):
        judging.record(store, made, ana, 1, "b")
    judging.restore(store, made.id)
    assert judging.get(store, made.id).judgements == 1
    with pytest.raises(NotFound):
        judging.delete(store, 99)


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"question": " \n"}, {"seed": -1}, {"name": "x" * 300}], ids=str
)
def test_a_comparison_that_cannot_be_is_refused(
    store: Store, both: tuple[list[Run], list[Run]], wrong: dict[str, Any]
) -> None:
    made = judging.make(store, judging.with_and_without([both[1][0].key]))
    with pytest.raises(BadInput):
        judging.create(store, **{"name": "one", "made": made, **wrong})
    assert judging.listing(store) == []


def test_both_files_hold_every_judgement_and_no_formula(store: Store, made: Judging) -> None:
    ana = judging.join(store, made, HOSTILE)
    judging.record(store, made, ana, 0, "b", "@cmd")
    judging.record(store, made, ana, 1, "tie")
    written = judging.as_json(store, made)
    assert json.loads(json.dumps(written)) is not None
    assert [each["choice"] for each in written["judgements"]] == ["b", "tie"]
    assert written["judgements"][0]["judge"] == HOSTILE
    assert len(written["pairs"]) == USERS
    rows = list(csv.DictReader(io.StringIO(judging.as_csv(store, made))))
    assert [row["choice"] for row in rows] == ["b", "tie"]
    assert rows[0]["judge"] == f"'{HOSTILE}"
    assert rows[0]["reason"] == "'@cmd"
    assert (rows[0]["list_b"], rows[0]["ndcg10_b"], rows[0]["effect_b"]) == ("BM25 (4)", "0.9", "1.0")


@given(st.integers(0, 2**40), st.integers(0, 9), st.integers(0, 40))
def test_a_judge_sees_every_pair_once_and_either_side_equally_often(
    seed: int, judge: int, pairs: int
) -> None:
    shown = schedule(seed, judge, pairs)
    assert sorted(number for number, _ in shown) == list(range(pairs))
    for stop in range(pairs + 1):
        counted = Counter(left for _, left in shown[:stop])
        assert abs(counted["a"] - counted["b"]) <= 1, "also for who stops early"
    assert shown == schedule(seed, judge, pairs)


@given(st.integers(0, 2**40), st.integers(0, 5), st.integers(1, 40))
def test_every_two_judges_see_each_pair_both_ways(seed: int, couple: int, pairs: int) -> None:
    first, second = (dict(schedule(seed, 2 * couple + each, pairs)) for each in (0, 1))
    assert all({first[number], second[number]} == {"a", "b"} for number in range(pairs))


def test_judges_and_seeds_differ() -> None:
    assert schedule(0, 0, 20) != schedule(1, 0, 20)
    assert [number for number, _ in schedule(0, 0, 20)] != [number for number, _ in schedule(0, 2, 20)]


def test_a_judging_survives_what_it_cannot_count(store: Store, made: Judging) -> None:
    """Results of a comparison nobody judged yet."""
    found = judging.outcome(made, judging.pairs(store, made), [], [])
    assert found["all"]["rate"] is None
    assert found["agreement"] is None
    assert found["effects"]["correlation"] is None


def test_results_of_two_judges(store: Store, made: Judging) -> None:
    ana, bob = judging.join(store, made, "Ana"), judging.join(store, made, "Bob")
    for number in range(USERS):
        judging.record(store, made, ana, number, "b")
        judging.record(store, made, bob, number, "b" if number < 3 else "a" if number < 5 else "tie")
    found = judging.outcome(
        made, judging.pairs(store, made), judging.judges(store, made), judging.judgements(store, made)
    )
    first, second = found["judges"]
    assert (first["judge"], first["b"], first["rate"]["mean"]) == ("Ana", 6, 1.0)
    assert (second["a"], second["b"], second["tie"]) == (2, 3, 1)
    assert second["rate"]["mean"] == pytest.approx(3.5 / 6)
    assert found["all"]["rate"]["n"] == USERS, "pairs, not judgements"
    assert found["all"]["rate"]["mean"] == pytest.approx((3 + 2 * 0.5 + 0.75) / 6)
    assert found["agreement"] == {
        "kind": "Cohen",
        "judges": 2,
        "pairs": 6,
        "share": 0.5,
        "kappa": pytest.approx(0.0),
    }
    assert found["ndcg"]["rate"]["mean"] == found["all"]["rate"]["mean"], "B's is the higher in every pair"
    assert found["demonstrations"] == found["all"]["rate"]
    assert found["effects"]["correlation"] is None, "all effects are the same"
    judging.record(store, made, judging.join(store, made, "Cleo"), 0, "b")
    assert (
        judging.outcome(
            made, judging.pairs(store, made), judging.judges(store, made), judging.judgements(store, made)
        )["agreement"]["kind"]
        == "Fleiss"
    )


def test_preferences_go_with_effects_where_they_do(store: Store) -> None:
    keys = []
    for number in range(8):
        run = stored(store, f"user {number}", "bm25:4", margin=-1.0 + (number - 3) / 4)
        keys.append(run.key)
    made = judging.create(store, "effects", judging.make(store, judging.with_and_without(keys)))
    ana = judging.join(store, made, "Ana")
    for pair in judging.pairs(store, made):
        judging.record(store, made, ana, pair.number, "b" if (pair.lists[1].effect or 0) > 0.3 else "a")
    found = judging.outcome(
        made, judging.pairs(store, made), judging.judges(store, made), judging.judgements(store, made)
    )
    assert found["effects"]["equal"] == 1
    assert found["effects"]["pairs"] == 7
    assert found["effects"]["rate"]["mean"] == pytest.approx(6 / 7)
    assert found["effects"]["correlation"]["mean"] > 0.8
