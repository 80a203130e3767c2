"""Titles as pooled hidden states: padding, order and company change nothing; the cache is used."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from engine.llm.embedding.pooled_states import pooled_states
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.memory import PrefillCache
from engine.prompts.segments import HEAD, title_answer
from tests.engine.conftest import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_title_alone_has_the_vector_it_has_in_company(
    loaded: Callable[..., LoadedModel], titles: tuple[str, ...], family: str
) -> None:
    model = loaded(family)
    together = pooled_states(model, titles)
    assert together.shape == (len(titles), 32)
    alone = np.concatenate([pooled_states(model, [title]) for title in reversed(titles)])[::-1]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0.1


@pytest.mark.parametrize("tokenizer", ["bpe", "metaspace", "chat"])
def test_the_vector_is_the_mean_state_over_the_titles_own_tokens(
    loaded: Callable[..., LoadedModel], tokenizer: str
) -> None:
    model = loaded("llama", tokenizer)
    opening = [*model.encoder.ids(HEAD), *model.encoder.ids("-")]
    ids = [*opening, *model.encoder.joined(title_answer("Moonlit Kart Racing"))]
    with torch.no_grad():
        seen = model.model.base_model(torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    by_hand = seen.hidden_states[1][0, len(opening) :].mean(0)
    found = pooled_states(model, ["Moonlit Kart Racing"])[0]
    np.testing.assert_allclose(found, by_hand.numpy(), rtol=1e-4, atol=1e-5)


def test_a_title_is_read_once(loaded: Callable[..., LoadedModel], titles: tuple[str, ...]) -> None:
    cache = PrefillCache()
    first = pooled_states(loaded("llama"), titles[:4], cache)
    assert (cache.hits, cache.misses) == (0, 4)
    again = pooled_states(loaded("llama"), [titles[3], titles[0], titles[3]], cache)
    assert cache.misses == 4
    assert np.array_equal(again, first[[3, 0, 3]])


def test_a_cache_that_is_full_forgets_but_answers(
    loaded: Callable[..., LoadedModel], titles: tuple[str, ...]
) -> None:
    """Keeping the new ones drops the old ones, some of which were asked for, too."""
    plain = pooled_states(loaded("llama"), titles)
    cache = PrefillCache(limit_bytes=3 * plain[0].nbytes)
    for part in (titles[:3], titles[1:6], titles):
        found = pooled_states(loaded("llama"), part, cache)
        np.testing.assert_allclose(found, plain[[titles.index(t) for t in part]], rtol=1e-4, atol=1e-4)
        assert cache.nbytes <= cache.limit_bytes
