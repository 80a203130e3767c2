"""What each token of the demonstrations contributes, layer by layer and head by head: effects, divided.

Two readings. Attention: the share of the answer's attention that a head gives a token; a demonstration's
tokens add up to its share lam_b. Effect: one player per layer, head and token, with the integral of
Aumann and Shapley over all of them while they grow together from 0 to their weights (engine/lrgd/aumann.py).
A weight acts as `log alpha` on the scores of its demonstration's tokens, so the slope of the cost along it is
the sum over layers, heads and tokens of `a_i g.(v_i - o) / alpha`, with g the slope of the cost along the
head's output o. So the contributions add up to each demonstration's own Aumann-Shapley effect, and all of
them to the gain, up to the error of the integral, which is told. It is a division of what was measured: what
one token does alone, nobody measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.llm.attention.lens import Seen
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import SIGNS, Measure, reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, kept_weights, prepare
from engine.lrgd.aumann import aumann
from engine.prompts import Fitted


@dataclass(frozen=True)
class TokenParts:
    """places [N]: of the demonstrations' tokens in the prompt; owners [N]: of which demonstration, counted
    among those in the prompt. effect [L, H, N]: contributions in the measure's unit, above 0 where they help.
    attention [L, H, N]: shares of the answer's attention. value_off, value: the measure with all
    demonstrations at weight 0 and at their own. error: by how much the contributions miss their difference.
    passes: gradients taken.
    """

    measure: Measure
    fitted: Fitted
    places: Tensor
    owners: Tensor
    effect: Tensor
    attention: Tensor
    value_off: float
    value: float
    error: float
    passes: int


def token_parts(
    loaded: LoadedModel,
    task: Task,
    measure: Measure = "margin",
    cache: PrefillCache | None = None,
    say: Callable[[int], object] = int,
) -> TokenParts:
    """Contributions of every demonstration token at the task's weights. `say`: how many gradients are done.

    Raises ValueError without a target, OutOfMemory.
    """
    cache = cache or PrefillCache()
    question, fitted, _, _ = prepare(loaded, task)
    ask = reading(loaded, question, measure, cache)
    head = demo_head(loaded, fitted, cache, task.edits)
    prompt = WeightedPrompt(loaded, fitted, head, ask)
    weights = torch.tensor(kept_weights(task, fitted), dtype=prompt.dtype, device=loaded.device)
    places = torch.nonzero(head.owners >= 0)[:, 0]
    owners = head.owners[places]
    attention = prompt.attention(weights)[:, :, places]
    players = _Players(prompt, weights, places, owners, attention.shape[:2], say)
    shape = attention.shape
    measured = aumann(players, weights[owners].expand(shape).reshape(-1))
    sign = SIGNS[measure]
    return TokenParts(
        measure=measure,
        fitted=fitted,
        places=places,
        owners=owners,
        effect=measured.effects.view(shape),
        attention=attention,
        value_off=sign * measured.cost_off,
        value=sign * measured.cost_on,
        error=measured.completeness_error,
        passes=measured.passes,
    )


class _Players:
    """An Objective (engine/lrgd/objective.py) whose players are layers x heads x tokens.

    All players of a demonstration are at its weight: only points on the path of the integral can be asked.
    """

    def __init__(
        self,
        prompt: WeightedPrompt,
        weights: Tensor,
        places: Tensor,
        owners: Tensor,
        heads: torch.Size,
        say: Callable[[int], object],
    ) -> None:
        self._prompt, self._places, self._owners, self._heads, self._say = prompt, places, owners, heads, say
        self._first = [int(torch.nonzero(owners == b)[0, 0]) for b in range(weights.numel())]
        self._done = 0

    def value(self, alpha: Tensor) -> Tensor:
        """Costs [m] at alpha [m, players]."""
        return self._prompt.value(alpha[:, self._first])

    def gradient(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Costs [m] and slopes [m, players], one weighting at a time: the graph of one is large enough."""
        costs, slopes = [], []
        for row in alpha[:, self._first]:
            cost, slope = self._slopes(row)
            costs.append(cost)
            slopes.append(slope.reshape(-1))
            self._done += 1
            self._say(self._done)
        return torch.stack(costs), torch.stack(slopes)

    def _slopes(self, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """The cost at alpha [k], and d cost / d alpha of each token at each layer and head [L, H, N]."""
        found = alpha.new_zeros(*self._heads, len(self._places))

        def note(seen: Seen) -> None:
            assert seen.weights is not None
            shares = seen.weights[..., self._places]
            values, output = seen.values[:, :, self._places], seen.output.detach()
            layer = seen.layer

            def pushed(slope: Tensor) -> None:
                found[layer] += _along_scores(shares, values, output, slope)

            seen.output.register_hook(pushed)

        with torch.enable_grad():
            leaf = alpha.detach().clone().requires_grad_(True)
            cost = self._prompt.watched(leaf[None], note)[0, 0]
            torch.autograd.grad(cost, leaf)
        weight = alpha[self._owners]
        return cost.detach(), torch.where(weight > 0, found / weight.clamp_min(1e-30), 0.0)


@torch.no_grad()
def _along_scores(shares: Tensor, values: Tensor, output: Tensor, slope: Tensor) -> Tensor:
    """d cost / d score summed over rows and positions [H, N]: shares [R, H, S, N] times g.(v - o).

    values [R or 1, Hkv, N, dv]; output and its slope g [R, H, S, dv].
    """
    work = shares.dtype
    rows, heads, own, _ = slope.shape
    group = heads // values.shape[1]
    folded = slope.to(work).reshape(rows, values.shape[1], group * own, -1)
    along = (folded @ values.to(work).transpose(-1, -2)).view(rows, heads, own, -1)
    level = (slope.to(work) * output.to(work)).sum(-1, keepdim=True)
    return (shares * (along - level)).sum((0, 2))
