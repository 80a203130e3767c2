"""Tokens and heads as JSON: sums that agree with each other, and texts that are the prompt's."""

import numpy as np
import pytest

from db import explanations, texts
from db.requests import RunRequest
from engine.context import Engine
from engine.explanations.asking import explained
from engine.tasks.rank import rank


def test_tokens_heads_and_demonstrations_add_up_to_the_same(engine: Engine, request_: RunRequest) -> None:
    result = explained(engine, "tokens", request_)
    demos = [part for part in result["segments"] if part["kind"] == "demo"]
    assert [part["index"] for part in demos] == [0, 1, 2]
    heads = explanations.read(texts.get(engine.store, result["detail"]))
    tokens = sum(len(part["tokens"]) for part in demos)
    for reading, together in (("effect", np.sum), ("attention", np.mean)):
        sums = [sum(part[reading]) for part in demos]
        assert [row[reading] for row in result["parts"]] == pytest.approx(sums, abs=1e-6)
        assert together(result["heads"][reading]) == pytest.approx(sum(sums), abs=1e-6)
        single = getattr(heads, reading).astype(float)
        assert single.shape == (3, 4, tokens)
        assert single.sum(-1) == pytest.approx(np.array(result["heads"][reading]), abs=2e-3)
    gain = result["value"] - result["value_zero_shot"]
    assert sum(row["effect"] for row in result["parts"]) == pytest.approx(gain, abs=result["error"] + 1e-6)
    assert result["said"].startswith("All tokens add up to ")


def test_the_tokens_are_the_prompt_and_the_value_is_the_runs(engine: Engine, request_: RunRequest) -> None:
    result, run = explained(engine, "tokens", request_), rank(engine, request_)
    shown = "".join(text for part in result["segments"] for text in part["tokens"])
    assert shown == texts.get(engine.store, run.result["prompt"]["hash"])
    assert result["value"] == pytest.approx(run.result["margin"], abs=1e-4)
