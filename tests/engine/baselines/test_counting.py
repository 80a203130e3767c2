"""Popularity, item-kNN and BM25 against numbers worked out by hand or by another road."""

from dataclasses import replace

import numpy as np
import pytest

from db.datasets import DatasetColumns
from engine.baselines import bm25, itemknn, popularity
from engine.baselines.scorer import FitJob, visible
from tests.engine.baselines.shop import ITEMS, cycle_columns
from tests.toys import toy_columns


def everything(columns: DatasetColumns) -> np.ndarray:
    return np.ones(len(columns.user), dtype=bool)


def job(columns: DatasetColumns) -> FitJob:
    return FitJob("", columns, everything(columns))


def test_popularity_counts_the_purchases_before_the_moment():
    columns = toy_columns()  # shopper u buys item (u + p) % 6 on day u + p: item i on days i and i + 6
    fitted = popularity.fit(job(columns))
    assert fitted.scores([0], range(6)).tolist() == np.bincount(columns.item, minlength=6).tolist()
    day4 = 1_000_000_000 + 4 * 86_400
    assert columns.timestamp is not None
    expected = np.bincount(columns.item[columns.timestamp < day4], minlength=6)
    assert fitted.scores([0], range(6), day4).tolist() == expected.tolist()
    assert expected[4] == 0 < expected[3]


def brute_force(columns, mask, history, candidates, before, shrinkage):
    """The definition, with sets of people."""
    buyers = [set() for _ in columns.item_ids]
    for row in np.flatnonzero(mask):
        if before is None or columns.timestamp[row] < before:
            buyers[columns.item[row]].add(int(columns.user[row]))
    return [
        sum(
            len(buyers[own] & buyers[item]) / ((len(buyers[own]) * len(buyers[item])) ** 0.5 + shrinkage or 1)
            for own in set(history[-itemknn.NEWEST :])
        )
        for item in candidates
    ]


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
@pytest.mark.parametrize("before", [None, 5 * 86_400 + 7])
def test_item_knn_is_the_shrunk_cosine_of_who_bought_both(shrinkage, before):
    columns = cycle_columns(30)
    mask = visible(columns)
    history = [3, 16, 9, 9, 22, 15, 4, 21, 10, 3, 16]
    scores = itemknn.buyers_by_item(columns, mask, shrinkage).scores(history, range(ITEMS), before)
    expected = brute_force(columns, mask, history, range(ITEMS), before, shrinkage)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    assert max(expected) > 0


def test_item_knn_shrinkage_prefers_pairs_that_many_bought():
    columns = toy_columns(users=2, items=6, length=3)
    bought = np.array([[0, 1, 5], [0, 2, 2]]).ravel()
    columns = replace(columns, item=bought.astype(np.int32))
    plain = itemknn.buyers_by_item(columns, everything(columns), 0.0).scores([0], [1, 0])
    shrunk = itemknn.buyers_by_item(columns, everything(columns), 10.0).scores([0], [1, 0])
    assert plain[1] == pytest.approx(1)
    assert shrunk[0] / shrunk[1] < plain[0] / plain[1]


def test_counting_scorers_do_without_timestamps():
    columns = cycle_columns(20, timestamps=False)
    for module in (popularity, itemknn):
        fitted = module.fit(FitJob("", columns, visible(columns, "probe")))
        assert fitted.scores([1, 2], range(ITEMS), None).max() > 0


def test_an_item_nobody_bought_scores_nothing():
    columns = cycle_columns(20)
    nobody = np.zeros(len(columns.user), dtype=bool)
    assert itemknn.fit(FitJob("itemknn", columns, nobody)).scores([1], [2, 3]).tolist() == [0, 0]
    assert itemknn.buyers_by_item(columns, nobody, 0.0).scores([1], [2, 3]).tolist() == [0, 0]
    assert popularity.fit(FitJob("popularity", columns, nobody)).scores([1], [2, 3]).tolist() == [0, 0]


def test_bm25_prefers_titles_with_the_rare_words_of_the_newest_items():
    columns = replace(
        toy_columns(),
        titles=["Red lamp", "Blue lamp", "Red kettle", "Chess set", "Blue rope", "Green chess clock"],
    )
    scores = bm25.fit(job(columns)).scores([3], range(6))
    assert scores[5] > 0
    assert scores[[0, 1, 2, 4]].tolist() == [0] * 4
    old = bm25.fit(job(columns)).scores([3] + [4] * bm25.NEWEST, [5])
    assert old[0] == 0
