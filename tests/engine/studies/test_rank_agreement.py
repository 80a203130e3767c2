"""Agreement of scores with truths, worked out by hand; ties, constants, bars and the sentence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lrgd.agreement import pearson, same_best, same_order, spearman
from engine.studies.rank_agreement import (
    agreement_of,
    bars,
    claim,
    drops,
    effect_of,
    estimators,
    explained,
    summary,
    verdict,
)
from engine.studies.scores import RIVAL, SCORES


def user(gain: float = 4.0, passes: int = 20, **values: list[float]) -> dict[str, Any]:
    """One user's scores; those not named rank as the truth does."""
    plain = {name: [0.0, 1.0, 3.0] for name in SCORES}
    return {
        "values": {**plain, **values},
        "gain": gain,
        "passes": dict.fromkeys(("exact", "kriging", "aumann"), passes),
        "covered": {"kriging": [True, True, False]},
    }


def test_one_user_by_hand() -> None:
    found = agreement_of([1.0, 2.0, 3.0], [10.0, 30.0, 20.0], 60.0)
    assert found is not None
    assert found["spearman"] == pytest.approx(0.5)
    assert found["pearson"] == pytest.approx(0.5)
    assert found["top1"] == 0
    assert found["sign"] == 1
    assert found["ratio"] == pytest.approx(10)
    assert found["apart"] == pytest.approx(18)


def test_signs_are_of_what_is_felt_and_sizes_of_all() -> None:
    found = agreement_of([-1.0, 2.0, 0.5, -3.0], [2.0, 2.0, -0.001, -2.0], 4.0)
    assert found is not None
    assert found["sign"] == pytest.approx(2 / 3), "the third is too small to have a sign"
    assert found["ratio"] == pytest.approx(6.001 / 6.5)
    assert found["apart"] == pytest.approx((3 + 0 + 0.501 + 1) / 4)


def test_truths_closer_than_a_hundredth_of_the_gain_count_as_equal() -> None:
    found = agreement_of([1.0, 2.0, 3.0], [5.0, 0.02, 0.01], 5.03)
    assert found is not None
    assert (found["spearman"], found["pairs"]) == (pytest.approx(-1), -1)
    found = agreement_of([3.0, 1.0, 2.0], [5.0, 0.02, 0.01], 5.03)
    assert found is not None
    assert (found["spearman"], found["pairs"]) == (pytest.approx(0.5), 1)
    near = agreement_of([2.0, 1.0], [1.0, 1.01], 2.01)
    assert near is not None
    assert (near["top1"], near["top1_ties"], near["pairs"]) == (0, 1, None)


def test_a_constant_score_ranks_nothing_and_a_constant_truth_is_left_out() -> None:
    found = agreement_of([0.0, 0.0], [1.0, 2.0], 3.0)
    assert found is not None
    assert (found["spearman"], found["pearson"], found["top1"]) == (0, 0, 0.5)
    assert agreement_of([1.0, 2.0], [0.0, 0.0], 0.0) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=2, max_size=7), st.integers(0, 3))
def test_the_order_of_pairs_that_are_apart(rows: list[tuple[int, int]], tolerance: int) -> None:
    scores, truth = [row[0] for row in rows], [row[1] for row in rows]
    apart = [(a, b) for a in rows for b in rows if a[1] - b[1] > tolerance]
    alike = sum(a[0] > b[0] for a, b in apart) - sum(a[0] < b[0] for a, b in apart)
    found = same_order(scores, truth, tolerance)
    assert found == (pytest.approx(alike / len(apart)) if apart else None)
    assert same_order(truth, truth, tolerance) == (1 if apart else None)


def test_the_best_is_shared_where_several_are_highest() -> None:
    assert same_best([1, 1, 0], [5, 0, 0]) == 0.5
    assert same_best([1, 1, 0], [5, 4.9, 0], 0.1 + 1e-9) == 1
    assert same_best([0, 0, 1], [5, 4, 0]) == 0
    assert pearson([1, 1], [1, 2]) is None
    assert pearson([0, 1, 3], [1, 3, 7]) == pytest.approx(1)
    assert spearman([0, 1, 3], [1, 3, 2]) == pytest.approx(0.5)


def test_a_summary_counts_only_the_users_who_have_the_measure() -> None:
    near, far = agreement_of([2.0, 1.0], [1.0, 1.01], 2.01), agreement_of([2.0, 1.0], [3.0, 1.0], 4.0)
    assert near is not None
    assert far is not None
    found = summary([near, far], 0)
    assert (found["spearman"]["n"], found["pairs"]["n"]) == (2, 1)
    assert (found["spearman"]["mean"], found["pairs"]["mean"]) == pytest.approx((0, 1))
    assert summary([near], 0)["pairs"] is None


def test_estimators_are_held_against_exact_values() -> None:
    users = [user(kriging=[0.0, 1.0, 3.4]), user(kriging=[0.0, 0.8, 3.0])]
    found = estimators(users, 0)
    assert found["kriging"]["error"]["max"] == pytest.approx(0.1)
    assert found["kriging"]["error"]["median"] == pytest.approx(0.075)
    assert found["kriging"]["covered"]["mean"] == pytest.approx(2 / 3)
    assert found["aumann"]["covered"] is None
    assert found["exact"]["error"]["max"] == 0


def rows_of(users: list[dict[str, Any]], k: int) -> dict[str, Any]:
    return {row["what"]: row for row in bars(users, k, 0)}


def test_bars_are_those_of_the_k() -> None:
    users = [user() for _ in range(4)]
    [covered] = [row for what, row in rows_of(users, 8).items() if "intervals" in what]
    assert (covered["bar"], covered["found"]["mean"]) == (0.9, pytest.approx(2 / 3))
    assert (covered["verdict"], covered["holds"]) == ("does not hold", False)
    assert not any("intervals" in what for what in rows_of(users, 6))
    assert (effect_of("exact", 4), effect_of("removal", 6), effect_of("removal", 7)) == (
        "kriging",
        "exact",
        "kriging",
    )
    assert (effect_of("reprompt", 4), effect_of("reprompt_loo", 8)) == ("exact", "reprompt")


def test_every_mode_is_held_against_the_real_drop() -> None:
    """The one it is, the order it is in, and how much it is."""
    users = [
        user(
            exact=[-1.0, 1.0, 3.0],
            total=[0.5, 0.4, 0.3],
            reprompt=[1.0, 2.0, 4.0],
            reprompt_loo=[0.5, 1.0, 2.0],
        )
        for _ in range(4)
    ]
    found = drops(users, 0)
    assert {mode: set(row) for mode, row in found.items()} == {
        "direct": {"reprompt_loo", "reprompt"},
        "total": {"reprompt_loo", "reprompt"},
        "reprompt": {"reprompt_loo"},
    }
    means = {
        mode: {kind: cell["mean"] for kind, cell in row["reprompt_loo"].items()}
        for mode, row in found.items()
    }
    assert (means["direct"]["sign"], means["direct"]["spearman"]) == pytest.approx((2 / 3, 1))
    assert (means["total"]["sign"], means["total"]["spearman"]) == pytest.approx((1, -1))
    assert (means["reprompt"]["ratio"], means["reprompt"]["apart"]) == pytest.approx((0.5, 3.5 / 3))


def test_a_rival_that_ranks_better_is_named_and_the_bar_does_not_hold() -> None:
    others = {name: [3.0, 1.0, 0.0] for name, score in SCORES.items() if score.kind == RIVAL}
    good = [user(**others) for _ in range(6)]
    assert {row["verdict"] for row in bars(good, 3, 0)} == {"holds"}
    users = [user(**{**others, "mass": [0.0, 1.0, 3.0]}, kriging=[1.0, 0.0, 3.0]) for _ in range(6)]
    rows = bars(users, 3, 0)
    lost = [row for row in rows if not row["holds"]]
    assert len(lost) == 4  # level is not above
    assert sorted(row["verdict"] for row in lost) == ["does not hold", "not sure", "not sure", "not sure"]
    assert all("the best is attention mass" in row["what"] for row in lost)
    assert lost[0]["found"]["mean"] == pytest.approx(-0.5)
    said = claim("toys", "margin", 3, rows)
    assert said.startswith(
        f"On toys, margin, with 3 demonstrations, of {len(rows)} bars {len(rows) - 4} hold, 1 do not, "
        "and of 3 it is not sure. Does not hold: "
    )
    assert said.count("Not sure: ") == 3


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.81, 0.9, "holds"), (0.8, 0.9, "not sure"), (0.7, 0.79, "does not hold"), (None, None, "not sure")],
)
def test_a_bar_holds_where_the_whole_interval_is_above_it(
    low: float | None, high: float | None, said: str
) -> None:
    assert verdict(0.8, {"mean": 0.85, "low": low, "high": high}) == said


def test_what_is_lost_for_a_known_reason_is_explained() -> None:
    lost = {"what": "", "holds": False, "rival": "gradient", "truth": "removal"}
    assert "slope" in explained([lost])[0]
    for change in ({"holds": True}, {"rival": "mass"}, {"truth": "exact"}):
        assert explained([{**lost, **change}]) == []
    assert explained([{"what": "", "holds": False}]) == []
    assert "positions" not in explained([lost])[0]
    [said] = explained([{"what": "", "holds": False, "truth": "reprompt"}])
    assert "keeps every position" in said
