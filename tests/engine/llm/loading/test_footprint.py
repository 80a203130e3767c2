"""The memory estimate: exact for keys and values, enough for a pass, and asked for before running."""

import dataclasses

import pytest
import torch

from db.errors import OutOfMemory
from engine.llm.loading import footprint
from engine.llm.loading.footprint import key_value_bytes, pass_bytes
from engine.llm.scoring import log_probs
from engine.llm.scoring.log_probs import prefill
from tests.engine.conftest import FAMILIES, make_loaded

IDS = tuple(range(20, 120))


@pytest.mark.parametrize("family", FAMILIES)
def test_keys_and_values_are_as_large_as_estimated(family: str) -> None:
    for dtype in (torch.float32, torch.float64):
        loaded = make_loaded(family, dtype=dtype)
        made = prefill(loaded, IDS, [-1] * len(IDS))
        kept = sum(t.numel() * t.element_size() for t in (*made.keys, *made.values))
        assert kept == key_value_bytes(loaded, len(IDS))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_module_gives_out_more_than_a_pass_is_estimated_to_hold(family: str) -> None:
    loaded = make_loaded(family)
    largest = 0

    def note(module: torch.nn.Module, given: object, made: object) -> None:
        nonlocal largest
        if isinstance(made, torch.Tensor) and module is not loaded.model.get_output_embeddings():
            largest = max(largest, made.numel() * made.element_size())

    hooks = [module.register_forward_hook(note) for module in loaded.model.modules()]
    try:
        prefill(loaded, IDS, [-1] * len(IDS))
    finally:
        for hook in hooks:
            hook.remove()
    assert 0 < largest * 4 <= pass_bytes(loaded, len(IDS))


def test_a_prompt_that_will_not_fit_is_refused_before_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = make_loaded("llama")
    head = prefill(loaded, IDS, [-1] * len(IDS)).head()
    needed = 2 * key_value_bytes(loaded, len(IDS)) + pass_bytes(loaded, len(IDS))
    monkeypatch.setattr(log_probs, "_forward", lambda *a, **k: pytest.fail("the model was run"))
    monkeypatch.setattr(footprint, "available_bytes", lambda device: needed - 1)
    with pytest.raises(OutOfMemory, match="Nothing was run"):
        prefill(loaded, IDS, [-1] * len(IDS))
    with pytest.raises(OutOfMemory, match="200 tokens"):
        log_probs.extend(loaded, head, IDS, [-1] * len(IDS))


def test_a_wider_model_needs_more() -> None:
    loaded = make_loaded("llama")
    deeper = dataclasses.replace(loaded, layers=6)
    assert key_value_bytes(deeper, 10) == 2 * key_value_bytes(loaded, 10)
    assert pass_bytes(loaded, 20) == 2 * pass_bytes(loaded, 10)
