"""Value noise: noise on the demonstrations' tokens' values; the amount is its size in root mean squares."""

from dataclasses import dataclass, replace

from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.draw import Draw
from engine.llm.scoring.log_probs import Prefix
from engine.llm.scoring.memory import PrefillCache
from engine.lrgd import perturb


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with noise on its demonstrations' values."""
    return draw.editing(ValueNoise(amount, draw.seed, draw.number))


@dataclass(frozen=True)
class ValueNoise:
    """Noise on the demonstrations' values, every layer's drawn anew (`perturb.value_noise`)."""

    sigma: float
    seed: int
    draw: int

    def __call__(self, loaded: LoadedModel, head: Prefix, cache: PrefillCache) -> Prefix:
        values = [
            value + perturb.value_noise(value, head.owners, self.sigma, self.seed, self.draw, layer)
            for layer, value in enumerate(head.values)
        ]
        return replace(head, values=tuple(values))
