"""The table of an experiment: hand-computed values, identities, and another implementation of the metrics."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.experiments import MEASURES
from engine.evaluation.metrics import auc_parts
from engine.evaluation.statistics import estimate
from engine.studies.experiments.beyond_accuracy import Catalogue, catalogue, coverage, diversity, listed
from engine.studies.experiments.leaderboard import area, leaderboard
from tests.support.grid import NOTHING_KNOWN, SIZE, cell, grid

SHOP = catalogue(
    [str(item) for item in range(1, 13)],
    [f"title {item}" for item in range(1, 13)],
    [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
)
drawn = st.integers(2, 12).flatmap(
    lambda users: st.lists(
        st.lists(st.integers(1, SIZE), min_size=users, max_size=users), min_size=2, max_size=3
    )
)


def measures(rows: dict, known: Catalogue = NOTHING_KNOWN, **more) -> dict:
    return {row["key"]: row["measures"] for row in leaderboard(grid(rows, **more), known)["rows"]}


def test_values_worked_out_by_hand() -> None:
    found = measures({"llm": [1, 2, 11, 20]}, tokens=100, complied=1.0)["llm"]
    assert found["hr1"]["mean"] == 0.25
    assert found["hr10"]["mean"] == 0.5
    assert found["ndcg10"]["mean"] == pytest.approx((1 + 0.6309297535714575) / 4)
    assert found["mrr"]["mean"] == pytest.approx((1 + 1 / 2 + 1 / 11 + 1 / 20) / 4)
    assert found["uauc"]["mean"] == pytest.approx((1 + 18 / 19 + 9 / 19 + 0) / 4)
    assert found["tokens"] == {"mean": 100, "low": 100, "high": 100, "n": 4, "sd": 0, "sd_draws": None}
    assert found["effect"] is None, "no margin was measured"
    assert found["hr1"]["sd"] == pytest.approx(np.std([1, 0, 0, 0], ddof=1))


def test_ir_measures_agrees_where_nothing_is_tied() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    rng = np.random.Generator(np.random.PCG64(0))
    places = rng.integers(1, 101, 60)
    ours = measures({"llm": places}, size=100)["llm"]
    relevant = [ir_measures.Qrel(f"q{user}", "1", 1) for user in range(60)]
    run = [
        ir_measures.ScoredDoc(f"q{user}", "1" if at == rank else f"other{at}", 1000.0 - at)
        for user, rank in enumerate(places)
        for at in range(1, 101)
    ]
    names = {"ndcg10": "nDCG@10", "hr1": "Success@1", "hr10": "Success@10", "mrr": "RR"}
    asked = {name: ir_measures.parse_measure(theirs) for name, theirs in names.items()}
    theirs = ir_measures.calc_aggregate(list(asked.values()), relevant, run)
    for name, measure in asked.items():
        assert ours[name]["mean"] == pytest.approx(theirs[measure], abs=1e-6), name


def test_every_estimate_is_the_one_of_its_values_alone() -> None:
    cells = grid({"llm": [1, 4, 9, 15, 2, 2, 7], "popularity": [3, 3, 1, 20, 11, 8, 2]})
    table = {row["key"]: row["measures"] for row in leaderboard(cells, SHOP, seed=5)["rows"]}
    for key in ("llm", "popularity"):
        for name in ("ndcg10", "hr1", "mrr", "uauc"):
            alone = estimate(cells.mean(key, name), 5)
            assert {part: table[key][name][part] for part in alone} == pytest.approx(alone), name


def test_the_area_is_that_of_all_users_pooled_and_the_mean_over_draws() -> None:
    cells = grid({"llm": [[1, 5, 9], [2, 2, 20]]})
    parts = [
        auc_parts([-float(rank) for rank in draw], [cell(rank).scores[1:] for rank in draw])
        for draw in ([1, 5, 9], [2, 2, 20])
    ]
    assert area(cells, "llm") == pytest.approx(np.array(parts))
    found = leaderboard(cells, NOTHING_KNOWN)["rows"][0]["measures"]["auc"]
    assert found["mean"] == pytest.approx(np.mean(parts))
    assert found["sd_draws"] == pytest.approx(np.std(np.mean(parts, axis=1), ddof=1))


def test_lists_of_different_lengths_have_no_area_together() -> None:
    cells = grid({"llm": [[cell(1)], [cell(1, size=12)]]})
    assert leaderboard(cells, NOTHING_KNOWN)["rows"][0]["measures"]["auc"] is None


@given(drawn)
def test_the_spread_over_draws_is_apart_from_that_over_users(draws: list[list[int]]) -> None:
    cells = grid({"llm": draws})
    values = cells.values("llm", "ndcg10")
    found = leaderboard(cells, NOTHING_KNOWN)["rows"][0]["measures"]["ndcg10"]
    assert values is not None
    assert found["mean"] == pytest.approx(values.mean())
    assert found["sd_draws"] == pytest.approx(np.std([draw.mean() for draw in values], ddof=1))
    assert found["sd"] == pytest.approx(np.std(values.mean(axis=0), ddof=1))


def test_draws_that_only_permute_users_have_no_spread() -> None:
    found = measures({"llm": [[1, 2, 3, 11], [11, 3, 2, 1]]})["llm"]["ndcg10"]
    assert found["sd_draws"] == pytest.approx(0, abs=1e-12)
    assert found["sd"] > 0


def test_one_user_has_no_spread_and_no_width() -> None:
    found = measures({"llm": [4]})["llm"]["ndcg10"]
    assert (found["low"], found["high"], found["sd"], found["n"]) == (found["mean"], found["mean"], None, 1)


def test_seconds_are_kept_apart_and_all_else_repeats_to_the_byte() -> None:
    first, again = (
        leaderboard(grid({"llm": [1, 3, 9], "bm25": [2, 2, 12]}, seconds=seconds), SHOP)
        for seconds in (0.5, 0.25)
    )
    assert first["timings"]["seconds"]["llm"]["mean"] == 0.5
    assert json.dumps(first["rows"]) == json.dumps(again["rows"])
    assert set(first["rows"][0]["measures"]) == set(MEASURES)


# Beyond the target.


def test_the_percentile_of_popularity_counts_ties_half() -> None:
    known = catalogue(["a", "b", "c", "d"], [""] * 4, [5, 1, 1, 9])
    assert known.percentile == {"a": 2.5 / 4, "b": 1 / 4, "c": 1 / 4, "d": 3.5 / 4}


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_the_mean_percentile_of_a_catalogue_is_a_half(counts: list[int]) -> None:
    known = catalogue([str(item) for item in range(len(counts))], [""] * len(counts), counts)
    assert np.mean(list(known.percentile.values())) == pytest.approx(0.5)


def test_a_list_of_best_sellers_is_more_popular() -> None:
    def of(*top: str) -> float:
        return measures({"llm": [[cell(1, top=top)]]}, SHOP)["llm"]["popularity"]["mean"]

    assert of("1", "2") == pytest.approx((11.5 + 10.5) / 24)
    assert of("1", "2") > of("1", "12") > of("11", "12")
    assert of("1", "not of the catalogue") == of("1")


def test_coverage_counts_items_once_and_averages_draws() -> None:
    lists = [[("1", "2"), ("1", "2")], [("2", "3"), ("1", "2")]]  # [users][draws]
    cells = grid({"llm": [[cell(1, top=top) for top in draws] for draws in lists]})
    assert coverage(cells, "llm", SHOP) == pytest.approx((3 / 12 + 2 / 12) / 2)
    assert coverage(cells, "llm", NOTHING_KNOWN) is None
    assert listed(cells) == {"1", "2", "3"}


def test_diversity_worked_out_by_hand() -> None:
    known = catalogue(["a", "b", "c"], ["red shoe", "blue shoe", "Red Shoe"], [1, 1, 1], ["x", "x", "x"])
    tops = [("a", "b"), ("a", "c"), ("a", "b", "c"), ("a",), ("a", "unknown")]
    cells = grid({"llm": [[cell(1, top=top)] for top in tops]})
    found = diversity(cells, known)["llm"][0]
    # Sets of three words (the category is one): a and b share two of four.
    assert found[:3] == pytest.approx([0.5, 0.0, 1 - (0.5 + 1 + 0.5) / 3])
    assert np.isnan(found[3:]).all()
    assert leaderboard(cells, known)["rows"][0]["measures"]["diversity"]["n"] == 3


def test_items_of_which_nothing_is_known_have_no_diversity() -> None:
    found = measures({"llm": [1, 2]}, NOTHING_KNOWN)["llm"]
    assert found["diversity"] is None
    assert found["popularity"] is None


def test_a_category_is_no_word_of_a_title() -> None:
    known = catalogue(["a", "b"], ["toys", "ball"], [1, 1], ["ball", "toys"])
    assert not known.words["a"] & known.words["b"]


def test_only_items_that_are_listed_need_be_kept() -> None:
    known = catalogue(["a", "b"], ["x", "y"], [1, 3], only={"b"})
    assert (known.size, known.percentile) == (2, {"b": 0.75})
