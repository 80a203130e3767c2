"""Rules of two questions: what the search finds, what cross-validation takes of it, and how it reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.studies.experiments.decision_rule import (
    DEPTHS,
    FOLDS,
    LEAST,
    Leaf,
    Split,
    as_json,
    decide,
    fit,
    fit_chosen,
    folds,
    in_words,
)

NAMES = ("history", "entropy")


def drawn(seed: int, users: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.random((users, 2)), rng.normal(0, 0.1, users)


def gained(rule: Leaf | Split, features: np.ndarray, gains: np.ndarray) -> float:
    return float(gains[decide(rule, features)].sum())


def test_a_threshold_is_found_where_it_is() -> None:
    features, noise = drawn(0)
    rule = fit_chosen(features, np.where(features[:, 1] > 0.6, 0.3, -0.3) + noise)
    assert isinstance(rule, Split)
    assert rule == Split(1, rule.at, Leaf(False), Leaf(True))
    assert rule.at == pytest.approx(0.6, abs=0.05)


def test_two_questions_that_pay_off_only_together_are_found() -> None:
    """Neither half alone gains anything: a greedy tree would stop."""
    grid = np.array([(x, y) for x in (0.25, 0.75) for y in (0.25, 0.75) for _ in range(50)])
    gains = np.where((grid[:, 0] > 0.5) == (grid[:, 1] > 0.5), 0.2, -0.2)
    rule = fit_chosen(grid, gains)
    assert (decide(rule, grid) == (gains > 0)).all()
    assert in_words(rule, NAMES).count(" and ") == 2


@given(st.integers(0, 10_000), st.integers(25, 120))
@settings(max_examples=15)
def test_a_question_never_gains_less_than_none_where_it_was_fitted(seed: int, users: int) -> None:
    features, gains = drawn(seed, users)
    reached = [gained(fit(features, gains, depth), features, gains) for depth in DEPTHS]
    assert reached[0] == pytest.approx(max(gains.sum(), 0))
    assert reached[0] <= min(reached) + 1e-9


def test_noise_alone_is_seldom_given_a_rule() -> None:
    rules = [fit_chosen(*drawn(seed, 100)) for seed in range(20)]
    assert sum(isinstance(rule, Leaf) for rule in rules) >= 17


def test_a_rule_for_a_handful_is_not_made() -> None:
    features = np.arange(100.0)[:, None]
    gains = np.where(features[:, 0] < LEAST - 2, 5.0, -0.01)
    rule = fit(features, gains, 1)
    assert isinstance(rule, Split)
    assert decide(rule, features).sum() >= LEAST
    assert isinstance(fit(features[: 2 * LEAST - 1], gains[: 2 * LEAST - 1], 2), Leaf)


def test_a_constant_feature_is_no_question() -> None:
    assert fit(np.ones((50, 1)), np.linspace(-1, 1, 50), 2) == Leaf(False)


@given(st.integers(1, 60), st.integers(0, 5))
def test_folds_are_of_equal_size_and_a_matter_of_the_seed(users: int, seed: int) -> None:
    sizes = np.bincount(folds(users, seed), minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 1
    assert (folds(users, seed) == folds(users, seed)).all()


def test_rules_in_words_and_as_json() -> None:
    assert in_words(Leaf(True), NAMES) == "always"
    assert in_words(Leaf(False), NAMES) == "never"
    rule = Split(0, 12.0, Leaf(False), Split(1, 1.5, Leaf(True), Leaf(False)))
    assert in_words(rule, NAMES) == "where history is above 12 and entropy is at most 1.5"
    rule = Split(0, 12.0, Leaf(True), Split(1, 1.5, Leaf(False), Leaf(True)))
    assert in_words(rule, NAMES) == (
        "where history is at most 12, or where history is above 12 and entropy is above 1.5"
    )
    assert as_json(rule, NAMES)["high"] == {
        "feature": "entropy",
        "at": 1.5,
        "low": {"yes": False},
        "high": {"yes": True},
    }
