"""Controls against rankings of their prompts; attention and the dual model on a run's own prompt."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from db.requests import RunRequest
from engine.context import Engine, resolve
from engine.explanations import controls
from engine.explanations.asking import Asked, explained
from engine.llm.loading.random_twin import random_twin
from engine.llm.scoring.ranking import rank_candidates
from engine.lrgd import verify
from engine.tasks.inputs import gather
from engine.tasks.rank import rank
from tests.engine.conftest import make_loaded

DISTINCT = "random:3"  # demonstrations with different answers


def asking(engine: Engine, request: RunRequest) -> Asked:
    """What an explanation is given."""
    inputs = gather(resolve(engine, request))
    return Asked(engine, inputs, inputs.task())


def test_controls_are_rankings_of_changed_demonstrations(engine: Engine, request_: RunRequest) -> None:
    request = replace(request_, demos=DISTINCT)
    found, run = explained(engine, "controls", request), rank(engine, request).result
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["run", "placebo", "shuffled", "random"]
    assert rows["run"]["gain"]["mean"] == pytest.approx(run["margin"] - run["margin_zero_shot"], abs=1e-5)
    asked = asking(engine, request)
    shuffles = [controls.shuffled(asked.task.demos, seed) for seed in range(controls.DRAWS)]
    ranked = [rank_candidates(asked.loaded, replace(asked.task, demos=demos)) for demos in shuffles]
    gains = [(each.margin or 0) - (each.margin_zero_shot or 0) for each in ranked]
    gain = rows["shuffled"]["gain"]
    assert (gain["low"], gain["high"]) == pytest.approx((min(gains), max(gains)), abs=1e-5)
    assert found["identity"] <= verify.TOLERANCE[torch.float32], "the identity is no evidence of learning"


def test_placebos_permute_answers_and_shuffles_keep_every_title(engine: Engine, request_: RunRequest) -> None:
    asked = asking(engine, replace(request_, demos=DISTINCT))
    demos = asked.task.demos
    placebos, unchanged = controls.placebos(asked)
    assert placebos
    assert not unchanged
    for moved in placebos:
        assert [demo.history for demo in moved] == [demo.history for demo in demos]
        assert Counter(demo.answer for demo in moved) == Counter(demo.answer for demo in demos)
        assert moved != demos
    for seed in range(3):
        dealt = controls.shuffled(demos, seed)
        assert [len(demo.history) for demo in dealt] == [len(demo.history) for demo in demos]
        assert Counter(title for demo in dealt for title in (*demo.history, demo.answer)) == Counter(
            title for demo in demos for title in (*demo.history, demo.answer)
        )
    assert controls.shuffled(demos, 0) == controls.shuffled(demos, 0) != controls.shuffled(demos, 1)


def test_one_demonstration_has_no_placebo_and_a_note_says_so(engine: Engine, request_: RunRequest) -> None:
    found = explained(engine, "controls", replace(request_, demos="neighbours:1"))
    assert [row["name"] for row in found["rows"]] == ["run", "shuffled", "random"]
    assert "there is no placebo" in found["notes"][0]


def test_the_sentence_says_what_is_left_of_the_help() -> None:
    def told(run: float, placebo: float) -> str:
        rows = [
            {"name": name, "gain": {"mean": value}} for name, value in (("run", run), ("placebo", placebo))
        ]
        return controls.said({"rows": rows})

    assert told(2.0, 0.1).endswith("Most of it is gone where no answer follows its own history.")
    assert told(2.0, 1.9).endswith("Most of it is left where no answer follows its own history.")
    assert told(0.01, 0.0).endswith("+0.01 log-share. Of the controls: 0.00 with answers permuted.")


def test_a_twin_is_as_large_and_knows_nothing_of_the_model(engine: Engine) -> None:
    loaded = make_loaded("qwen2")
    state = torch.random.get_rng_state()
    twin, again = random_twin(loaded, 1), random_twin(loaded, 1)
    assert torch.equal(state, torch.random.get_rng_state()), "other draws stay as they are"
    assert twin.model.num_parameters() == loaded.model.num_parameters()
    pairs = list(zip(twin.model.parameters(), loaded.model.parameters(), strict=True))
    assert any(not torch.equal(one, other) for one, other in pairs)
    same = zip(twin.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)
    assert twin.key != loaded.key, "what one has read is not the other's"


@pytest.mark.parametrize("changes", [{}, {"weights": (0.5, 0.0, 2.0)}, {"scoring": "listwise"}])
def test_attention_equals_the_dual_model_on_the_runs_own_prompt(
    engine: Engine, request_: RunRequest, changes: dict[str, object]
) -> None:
    found = explained(engine, "identity", replace(request_, **changes))  # type: ignore[arg-type]
    assert found["ok"]
    assert found["dtype"] == "float32"
    assert [layer["layer"] for layer in found["layers"]] == [0, 1, 2]
    assert found["layers"][0]["zero_shot_gap"] < 1e-4
    assert found["layers"][2]["zero_shot_gap"] > 1e-4
    assert 1 <= found["positions"] <= 4
    assert found["said"].startswith("In float32, attention equals the dual model in every layer")


def test_a_gate_that_is_not_the_runs_is_found_out(
    engine: Engine, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = verify.check_layer
    monkeypatch.setattr(
        "engine.llm.explain.identity.check_layer",
        lambda record, owners, count, alpha: honest(record, owners, count, None),
    )
    found = explained(engine, "identity", replace(request_, weights=(0.5, 0.0, 2.0)))
    assert not found["ok"]
    assert "does not equal" in found["said"]
