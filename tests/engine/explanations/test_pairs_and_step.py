"""Pairs against stored effects and rankings at weight 0; the second reading against its own definition."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch

from db.requests import RunRequest
from engine.context import Engine, resolve
from engine.explanations import pairs
from engine.explanations.asking import Asked, explained
from engine.llm.attention import lens
from engine.llm.explain.step_shares import step_shares
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, prepare
from engine.lrgd.agreement import spearman
from engine.lrgd.step_loss import decreases
from engine.progress import quiet
from engine.tasks.effects import effects
from engine.tasks.inputs import gather
from engine.tasks.rank import rank
from tests.engine.conftest import TITLES, make_loaded


def test_pairs_of_few_are_those_of_exact_effects(engine: Engine, request_: RunRequest) -> None:
    found = explained(engine, "pairs", request_)
    _, measured = effects(engine, request_, mode="direct")
    assert (found["of"], found["passes"]) == ("shapley", 8)
    truth = {(row["first"], row["second"]): row["interaction"] for row in measured.result["interactions"]}
    assert {(row["first"], row["second"]): row["interaction"] for row in found["interactions"]} == (
        pytest.approx(truth, abs=1e-5)
    )


def test_pairs_of_many_are_differences_of_rankings_at_weight_0(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "EXACT_UP_TO", 2)
    found = explained(engine, "pairs", request_)
    assert (found["of"], found["passes"]) == ("last", 7)

    def margin(*off: int) -> float:
        weights = tuple(0.0 if b in off else 1.0 for b in range(3))
        return rank(engine, replace(request_, weights=weights)).result["margin"]

    for row, (a, b) in zip(found["interactions"], combinations(range(3), 2), strict=True):
        assert row["interaction"] == pytest.approx(margin() - margin(a) - margin(b) + margin(a, b), abs=1e-4)


def test_sentences_about_pairs_name_only_what_is_felt(engine: Engine, request_: RunRequest) -> None:
    inputs = gather(resolve(engine, request_))
    asked = Asked(engine, inputs, inputs.task())
    names = asked.ids

    def told(*values: float) -> str:
        rows = [
            {"first": names[a], "second": names[b], "interaction": value}
            for (a, b), value in zip(combinations(range(3), 2), values, strict=True)
        ]
        return pairs.said(asked, {"interactions": rows, "of": "last"})

    assert "need each other" not in told(-0.5, -0.2, -0.1)
    assert "teach the same most: −0.50 log-share, with all the others there." in told(-0.5, 0.0, 0.0)
    assert told(0.01, 0.0, -0.01).startswith("No two demonstrations")
    assert pairs.said(asked, {"interactions": [], "of": "last"}) == "There is one demonstration, and no pair."


def test_the_second_reading_stands_beside_measured_effects(engine: Engine, request_: RunRequest) -> None:
    found = explained(engine, "step", request_)
    _, measured = effects(engine, request_, mode="direct", leave_one_out=True)
    assert [row["effect"] for row in found["rows"]] == [
        row["effect"] for row in measured.result["demonstrations"]
    ]
    shares = [row["share"] for row in found["rows"]]
    assert sum(shares) == pytest.approx(1.0)
    assert found["spearman"] == spearman(shares, [round(row["effect"], 2) for row in found["rows"]])
    for layer in found["layers"]:
        assert sum(layer) == pytest.approx(1.0)
    two = explained(engine, "step", replace(request_, demos="neighbours:2"), quiet)
    assert two["spearman"] is None
    assert "too few demonstrations" in two["said"]


@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2"])
def test_shares_are_those_of_keys_and_values_that_the_kernel_saw(family: str, demos) -> None:
    """Against one plain pass of the whole prompt, in the layers' own sliding windows."""
    loaded = make_loaded(family, dtype=torch.float64)
    asked = Task(demos, TITLES[2:6], TITLES[5:10], 2, weights=(0.5, 1.0, 2.0))
    found, kept = step_shares(loaded, asked, PrefillCache())
    _, fitted, _, _ = prepare(loaded, asked)
    seen: list[lens.Seen] = []
    with lens.looking(lens.Pass(observe=seen.append)):
        loaded.model(input_ids=torch.tensor([fitted.encoded.ids]), use_cache=False)
    owners, last = torch.tensor(fitted.encoded.owners()), len(fitted.encoded) - 1
    assert kept == (0, 1, 2)
    for layer in seen:
        visible = owners >= 0
        if layer.window is not None:
            visible &= last - torch.arange(len(owners)) < layer.window
        if not visible.any():
            assert found[layer.layer].isnan().all()
            continue
        truth = decreases(
            layer.keys[0][:, visible],
            layer.values[0][:, visible],
            owners[visible],
            torch.tensor([0.5, 1.0, 2.0]),
            layer.scale,
        )
        assert torch.allclose(found[layer.layer], truth, atol=1e-9)
