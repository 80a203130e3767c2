"""What a study says of its controls: paired differences, and sentences that say no more than they show."""

import numpy as np
import pytest

from engine.studies.controls import adds, left_out, notes

MEASURES = {"ndcg10": "NDCG@10", "hr1": "HR@1"}
NOISE = 0.05 * np.random.Generator(np.random.PCG64(0)).normal(size=(5, 60))
NOISE -= NOISE.mean(axis=1, keepdims=True)


def values(**means: float) -> dict[str, dict[str, np.ndarray]]:
    """Means of 60 users who differ little."""
    return {
        name.replace("_", "-"): dict.fromkeys(MEASURES, mean + NOISE[place])
        for place, (name, mean) in enumerate(means.items())
    }


def test_the_stronger_copy_and_each_placebo_are_named_with_paired_differences() -> None:
    cells = values(neighbours=0.8, copy=0.6, copy_histories=0.7, placebo=0.8, placebo_users=0.85)
    found = adds(cells, "neighbours", MEASURES, 0)
    assert found is not None
    by_control = {test["than"]: test["ndcg10"]["mean"] for test in found["tests"]}
    assert by_control == pytest.approx(
        {"copy": 0.2, "copy-histories": 0.1, "placebo": 0.0, "placebo-users": -0.05}, abs=1e-9
    )
    copying, permuted, others = found["said"]
    assert "With neighbours' windows the model reaches NDCG@10 0.800" in copying
    assert (
        "copy answers and histories (no model) 0.700. The model adds something to copying: +0.100" in copying
    )
    assert "0.800. It is not sure that its demonstrations add anything to this placebo" in permuted
    assert "0.850. Its demonstrations add nothing to this placebo, which is better: -0.050" in others
    assert all("p_holm" in test["hr1"] for test in found["tests"])


def test_copies_that_cannot_count_the_target_prove_nothing() -> None:
    cells = values(neighbours=0.8, copy=0.2, placebo=0.5)
    found = adds(cells, "neighbours", MEASURES, 0, blind=True)
    assert found is not None
    copying, permuted = found["said"]
    assert copying.startswith("Copies cannot count the target's item")
    assert "adds something" not in copying
    assert "Its demonstrations add something to this placebo" in permuted
    assert [test["than"] for test in found["tests"]] == ["copy", "placebo"]


def test_holm_s_correction_decides_what_is_sure() -> None:
    """Alone the difference would be beyond chance; among four it is not."""
    one = values(neighbours=0.521, copy=0.5)
    alone = adds(one, "neighbours", MEASURES, 0)
    assert alone is not None
    assert "The model adds something" in alone["said"][0]
    many = one | dict.fromkeys(("copy-histories", "placebo", "placebo-users"), one["copy"])
    among = adds(many, "neighbours", MEASURES, 0)
    assert among is not None
    assert among["tests"][0]["ndcg10"]["p"] == alone["tests"][0]["ndcg10"]["p"] < 0.05
    assert "It is not sure that the model adds anything to copying" in among["said"][0]


def test_without_controls_or_their_strategy_there_is_nothing_to_say() -> None:
    assert adds(values(neighbours=0.5, none=0.4), "neighbours", MEASURES, 0) is None
    assert adds(values(none=0.5, copy=0.4), "neighbours", MEASURES, 0) is None
    assert notes(["none", "bm25"], "neighbours", []) == []


def test_the_notes_add_up_what_placebos_measured() -> None:
    near = {"windows": 2, "tokens": 20, "tokens_of": 30, "apart": 10}
    said = notes(
        ["bm25", "placebo-users", "placebo"], "bm25", [{"placebo-users": near}, {"placebo-users": near}]
    )
    assert "demonstrations of BM25" in said[0]
    assert "10.0 tokens on average, the windows they stand for 15.0; two of a pair differ by 5.0" in said[1]
    assert len(said) == 2
    assert "3 of 9 in all" in left_out(3, 9)
