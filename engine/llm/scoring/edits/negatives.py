"""Negatives: what the user disliked taken off the demonstrations' values; the amount says how much of it."""

from dataclasses import dataclass, replace

import torch

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.draw import Draw
from engine.llm.scoring.log_probs import Prefix, prefill
from engine.llm.scoring.memory import PrefillCache
from engine.lrgd import perturb
from engine.prompts import Segment, Template, encode, render


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with its disliked titles, at least one, taken off its demonstrations' values."""
    return draw.editing(Negatives(amount, draw.disliked, draw.task.template, draw.task.scoring))


@dataclass(frozen=True)
class Negatives:
    """The mean value of disliked titles taken off the demonstrations' values (`perturb.negatives`).

    A disliked title's values are those of its tokens where it stands alone as a purchase after the prefix.
    """

    beta: float
    disliked: tuple[str, ...]
    template: Template
    scoring: str

    def __call__(self, loaded: LoadedModel, head: Prefix, cache: PrefillCache) -> Prefix:
        values = [
            value + perturb.negatives(value, head.owners, disliked, self.beta)
            for value, disliked in zip(head.values, self._values(loaded, cache), strict=True)
        ]
        return replace(head, values=tuple(values))

    def _values(self, loaded: LoadedModel, cache: PrefillCache) -> tuple[torch.Tensor, ...]:
        """Per layer [1, Hkv, n, d]: of all tokens of all disliked titles."""

        def compute() -> tuple[torch.Tensor, ...]:
            form, prefix = self.template.form(self.scoring), render(self.template, self.scoring, [], [])[0]
            per_title = []
            for title in self.disliked:
                purchase = Segment("query", 0, form.purchase(title))
                ids = encode(loaded.encoder, [prefix, purchase]).ids
                own = len(loaded.encoder.joined(purchase.pieces[-1:]))
                head = prefill(loaded, ids, [-1] * len(ids))
                per_title.append([value[:, :, -own:] for value in head.values])
            return tuple(torch.cat(layer, dim=2) for layer in zip(*per_title, strict=True))

        key = (loaded.key, "disliked", self.template, self.scoring, self.disliked)
        return cache.get(key, compute, lambda layers: sum(t.numel() * t.element_size() for t in layers))
