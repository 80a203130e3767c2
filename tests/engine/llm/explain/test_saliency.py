"""Gradient times input against what the loss does when a demonstration's embeddings grow a little."""

import pytest
import torch

from engine.llm.explain.saliency import gradient_times_input
from engine.llm.loading.agreement import own_attention
from engine.llm.scoring.modes import combine, loss_rows
from engine.llm.scoring.ranking import Task, prepare
from tests.engine.conftest import TITLES, make_loaded


def loss_with(loaded, fitted, question, b: int, scale: float) -> float:
    """The loss by the model's own attention, the embeddings of demonstration b's tokens multiplied."""
    owners = torch.tensor(fitted.encoded.owners())

    def grown(module, given, embedded):
        factor = torch.ones(embedded.shape[1], 1, dtype=embedded.dtype)
        factor[: len(owners)][owners == b] = scale
        return embedded * factor

    handle = loaded.model.get_input_embeddings().register_forward_hook(grown)
    logprobs = []
    try:
        for row in loss_rows(loaded.encoder, question):
            ids = [*fitted.encoded.ids, *row.ids]
            with torch.no_grad(), own_attention(loaded.model):
                logits = loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
            said = torch.log_softmax(logits.double(), dim=-1)
            places = range(len(ids) - row.scored, len(ids))
            logprobs.append(sum(said[at - 1, ids[at]] for at in places))
    finally:
        handle.remove()
    return float(combine(question, torch.stack(logprobs)[None])[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("scoring", ["sum", "yes_no", "listwise"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_it_is_the_slope_of_longer_embeddings(family: str, scoring: str, demos) -> None:
    loaded = make_loaded(family, dtype=torch.float64)
    asked = Task(demos, TITLES[2:6], TITLES[5:10], 2, scoring=scoring)  # type: ignore[arg-type]
    question, fitted, _, _ = prepare(loaded, asked)
    signed, size = gradient_times_input(loaded, fitted, question)
    step = 1e-2  # norms compute in float32, whatever the model's dtype
    for b in range(3):
        more, less = (loss_with(loaded, fitted, question, b, 1 + sign * step) for sign in (1, -1))
        assert float(signed[b]) == pytest.approx(-(more - less) / (2 * step), rel=5e-3, abs=3e-4)
    assert bool((size >= signed.abs()).all())
    assert float(signed.abs().min()) > 1e-3
