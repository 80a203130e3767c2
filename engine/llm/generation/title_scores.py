"""How a title's score is made of its tokens' log-probabilities: their sum, mean, or sum less a prior.

For the search through a catalogue (beam_search.py), which has to know of an unfinished branch how
good it looks so far and what none of its titles can exceed. Knows rows of a `TitleTree`, no titles.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from engine.llm.attention import lens
from engine.llm.generation.prefix_tree import TitleTree
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix, elements_per_row
from engine.llm.scoring.memory import in_batches, rows_at_once
from engine.progress import plan


class Scale(Protocol):
    """sums: of log-probabilities so far [n]; rows, starts, stops: of the tree, int64 [n]."""

    def so_far(self, sums: np.ndarray, starts: np.ndarray, depth: int) -> np.ndarray:
        """What branches of `depth` tokens are put in order by."""
        ...

    def bounds(self, sums: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """What the score of no title in rows `starts` to `stops` can exceed."""
        ...

    def scores(self, sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Scores of whole titles."""
        ...


class Sum:
    """The sum: it only falls with each token."""

    def so_far(self, sums: np.ndarray, starts: np.ndarray, depth: int) -> np.ndarray:
        return sums

    def bounds(self, sums: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        return sums

    def scores(self, sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return sums


class Mean:
    """The mean per token: at most the sum so far, spread over the longest title."""

    def __init__(self, tree: TitleTree) -> None:
        self._lengths = tree.lengths

    def so_far(self, sums: np.ndarray, starts: np.ndarray, depth: int) -> np.ndarray:
        return sums

    def bounds(self, sums: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        longest = [self._lengths[a:b].max() for a, b in zip(starts, stops, strict=True)]
        return sums / np.array(longest)

    def scores(self, sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return sums / self._lengths[rows]


class Calibrated:
    """The sum less what the title has without history and demonstrations (arXiv 2104.08315).

    priors: of every token of the tree, cumulated from its row's first one (`priors`). What is still to come
    of a branch can be certain at best, so its bound takes its titles' least prior off the sum so far.
    """

    def __init__(self, tree: TitleTree, priors: np.ndarray) -> None:
        self._offsets, self._priors = tree.offsets, priors
        self._whole = priors[tree.offsets[1:] - 1]
        self._least = [self._whole]  # [j][r]: of rows r to r + 2^j
        while 1 << len(self._least) <= len(self._whole):
            half, last = 1 << (len(self._least) - 1), self._least[-1]
            self._least.append(np.minimum(last[:-half], last[half:]))

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self._priors.nbytes + sum(table.nbytes for table in self._least)

    def so_far(self, sums: np.ndarray, starts: np.ndarray, depth: int) -> np.ndarray:
        return sums - self._priors[self._offsets[starts] + depth - 1]

    def bounds(self, sums: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        least = np.empty(len(sums))
        level = np.frexp(stops - starts)[1] - 1  # the largest power of two that fits
        for j in np.unique(level):
            at = level == j
            table = self._least[j]
            least[at] = np.minimum(table[starts[at]], table[stops[at] - (1 << int(j))])
        return sums - least

    def scores(self, sums: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return sums - self._whole[rows]


def priors(loaded: LoadedModel, prompt: Prefix, tree: TitleTree) -> np.ndarray:
    """Log-probability (nats) of each token of the tree after the prompt and its row's tokens before it.

    Cumulated along each row, float64 [tokens of the tree]. Takes one pass over every title.
    """
    lengths = tree.lengths
    found = np.empty(len(tree.tokens))
    order = np.argsort(lengths, kind="stable")
    first = prompt.next_logprobs.double().cpu().numpy()
    starts = tree.offsets[:-1]
    found[starts] = first[tree.tokens[starts]]

    def work(rows: Sequence[int]) -> None:
        for row, rest in zip(rows, _rest(loaded, prompt, [tree.row(row) for row in rows]), strict=True):
            found[starts[row] + 1 : starts[row] + len(rest) + 1] = rest

    plan(loaded.layers * int((lengths - 1).sum()))
    at = 0
    longer = order[lengths[order] > 1].tolist()
    while at < len(longer):  # rows of like length together, so that little is padded
        width = int(lengths[longer[min(at + 63, len(longer) - 1)]])
        size = min(64, rows_at_once(loaded.device, elements_per_row(loaded, len(prompt), width, width)))
        in_batches(longer[at : at + size], size, work, "the prior of every title")
        at += size
    for start, stop in zip(tree.offsets[:-1], tree.offsets[1:], strict=True):
        np.cumsum(found[start:stop], out=found[start:stop])
    return found


@torch.no_grad()
def _rest(loaded: LoadedModel, prompt: Prefix, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Log-probabilities of every token but the first, per row."""
    device = loaded.device
    width = max(len(row) for row in rows) - 1
    fed = [row[:-1].tolist() for row in rows]
    tokens = torch.tensor([one + one[-1:] * (width - len(one)) for one in fed], device=device)
    keep = torch.arange(width, device=device)[None] < torch.tensor([[len(one)] for one in fed], device=device)
    current = lens.Pass(prefix_keys=list(prompt.keys), prefix_values=list(prompt.values))
    places = (len(prompt) + torch.arange(width, device=device)).expand_as(tokens)
    with lens.looking(current):
        logits = loaded.model(
            input_ids=tokens, position_ids=places, use_cache=False, logits_to_keep=keep
        ).logits
    logits = logits.reshape(-1, logits.shape[-1])
    logprobs = torch.log_softmax(logits, -1, dtype=torch.promote_types(logits.dtype, torch.float32))
    wanted = torch.from_numpy(np.concatenate([row[1:] for row in rows])).to(device, torch.long)
    picked = logprobs.gather(1, wanted[:, None])[:, 0].double().cpu().numpy()
    return np.split(picked, np.cumsum([len(one) for one in fed])[:-1])
