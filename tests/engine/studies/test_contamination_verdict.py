"""What counts as a sign and which verdict follows, from made numbers."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from db.contamination import VERDICTS
from engine.studies.contamination_verdict import (
    EVIDENCE,
    NO,
    RULES,
    UNSURE,
    YES,
    evidence,
    pairs,
    state,
    verdict,
)

N = 40


def users(order: float = 0.0, names: bool = False) -> list[dict[str, Any]]:
    noise = np.random.default_rng(0).normal(0, 0.01, N)
    twin = [9, 0] if names else [0, 0]
    return [
        {
            "real": -2.0 + order + noise[n],
            "shuffled": -2.0,
            "other": None if n == 0 else -2.0 - noise[n],
            "standing": {
                "real": {"zero_shot": [0, 0], "demonstrations": [0, 0]},
                "twin": {"zero_shot": twin, "demonstrations": [0, 0]},
            },
        }
        for n in range(N)
    ]


def titles(completed: int, count: int = 200) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {
            "own": rng.normal(0, 0.01),
            "other": rng.normal(0, 0.01),
            "completed": n < completed,
            "guessed": n >= count - 2,
        }
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("completed", "order", "names", "wanted"),
    [
        (0, 0.0, False, "none"),
        (40, 0.0, False, "titles"),
        (40, 0.3, False, "knows"),
        (40, 0.0, True, "knows"),
        (0, 0.3, False, "sequences"),
        (0, 0.3, True, "language"),
    ],
)
def test_verdicts_follow_from_numbers(completed: int, order: float, names: bool, wanted: str) -> None:
    rows = evidence(pairs(titles(completed), users(order, names)), 0)
    name, sentence = verdict(rows, "m", "toy")
    assert name == wanted
    assert sentence.startswith("m ")
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0, "one sentence"
    assert f"completes {completed / 2:.1f}%" in sentence
    assert [row["name"] for row in rows] == [row.name for row in EVIDENCE]
    assert rows[3]["difference"]["n"] == N - 1, "who has no other history is left out, and counted"
    for row in rows:
        for part in ("real", "control", "difference"):
            assert row[part]["n"] > 0
            assert row[part]["low"] <= row[part]["mean"] <= row[part]["high"]


def test_too_few_say_nothing() -> None:
    rows = evidence(pairs(titles(1, 5), users()[:3]), 0)
    name, sentence = verdict(rows, "m", "toy")
    assert name == "unsure"
    assert "too few titles" in sentence
    rows = evidence(pairs(titles(0), users()[:4]), 0)
    assert verdict(rows, "m", "toy")[0] == "no titles"
    assert verdict([], "m", "toy") == ("unsure", f"m {RULES[3].says.format(dataset='toy')}.")


def test_an_interval_below_what_matters_is_no_sign_and_a_wide_one_says_nothing() -> None:
    found = {"mean": 0.01, "low": -0.01, "high": 0.03, "p": 0.4, "p_holm": 0.8}
    assert (state(found, 0.05), state(found, 0.02)) == (NO, UNSURE)
    assert state({**found, "high": None}, 0.05) == UNSURE
    assert state({**found, "p_holm": 0.01}, 0.05) == YES
    assert state({**found, "mean": -0.5, "high": -0.1, "p_holm": 0.01}, 0.05) == NO


def test_some_rule_always_holds_and_every_verdict_has_its_words() -> None:
    names = [row.name for row in EVIDENCE]
    for states in product((YES, NO, UNSURE), repeat=len(names)):
        held = dict(zip(names, states, strict=True))
        assert any(all(held[name] == wanted for name, wanted in rule.needs.items()) for rule in RULES)
    assert {rule.verdict for rule in RULES} == set(VERDICTS)
