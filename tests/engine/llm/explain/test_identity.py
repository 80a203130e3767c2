"""The per-layer check of a loaded model."""

import dataclasses

import pytest
import torch

from db.errors import BadInput
from engine.llm.explain.identity import check_model
from engine.lrgd import verify
from tests.engine.conftest import FAMILIES, make_loaded


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_every_layer_equals_its_dual_model_to_the_rounding_of_its_dtype(family: str, dtype) -> None:
    check = check_model(make_loaded(family, dtype=dtype))
    assert check.ok
    assert [layer.layer for layer in check.layers] == [0, 1, 2]
    assert max(layer.form_b for layer in check.layers) <= verify.TOLERANCE[dtype]
    # Layer-local and true zero-shot are the same in the first layer only (bf16: but for rounding).
    assert check.layers[0].zero_shot_gap <= verify.TOLERANCE[dtype]
    assert check.layers[2].zero_shot_gap > 1e-2


def test_a_layer_that_does_something_else_is_not_ok(monkeypatch) -> None:
    honest = verify.split

    def wrong(record, owners, demonstrations):
        return honest(dataclasses.replace(record, scale=record.scale * 1.01), owners, demonstrations)

    monkeypatch.setattr(verify, "split", wrong)
    check = check_model(make_loaded("llama"))
    assert not check.ok
    assert check.layers[0].form_b > 1e-4


def test_a_context_without_room_for_a_demonstration_is_refused() -> None:
    small = dataclasses.replace(make_loaded("llama"), context_length=45)
    with pytest.raises(BadInput, match="No demonstration fits"):
        check_model(small)
