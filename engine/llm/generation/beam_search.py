"""Beam search over a catalogue's titles: the likeliest ones after a prompt, spelled along their prefix tree.

Scores are those of the likelihood ranking (title_scores.py: `sum`, `mean` or `calibrated`, nothing
renormalised over the tree), so a search wide enough gives the ranking's own list. A narrow search goes first:
its list tells a wide one which branches cannot matter, as no branch can exceed its bound. A title that no
other one can continue is scored to its end instead of token by token.
Knows token ids and rows of a `TitleTree`: no titles, no store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from engine.llm.attention import lens
from engine.llm.generation.prefix_tree import TitleTree
from engine.llm.generation.title_scores import Scale, Sum
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix, elements_per_row
from engine.llm.scoring.memory import in_batches, rows_at_once
from engine.progress import Report, quiet

WIDTH = 800  # `bench catalogue`: the exact top 10 of 16,403 titles for all users; at 400 85 %
NARROW = 10  # width of the search that goes first
PROBE = 3  # tokens of a lone title that are looked at before all of them
_WHAT = "the likeliest titles"


@dataclass(frozen=True)
class Found:
    """The best items, best first (equal scores by item number), with their scores in nats.

    proven: no title outside the list can score higher, because every branch that the beam's width cut off
    already stood below the list's last score. tokens: title tokens fed to the model; passes: forward passes.
    """

    items: list[int]
    scores: list[float]
    proven: bool
    tokens: int
    passes: int


def search(
    loaded: LoadedModel,
    prompt: Prefix,
    tree: TitleTree,
    top: int,
    width: int = WIDTH,
    log_alpha: Tensor | None = None,
    scale: Scale | None = None,
    excluded: Sequence[int] = (),
    report: Report = quiet,
) -> Found:
    """The `top` likeliest items after a prompt; at most `width` branches are followed at each depth.

    log_alpha [k]: gate on the prompt's demonstrations. scale: what a title's score is (default: the sum).
    excluded: items never given. A branch is left as soon as it cannot reach the list. Deterministic.
    """
    with torch.no_grad():
        return _Search(loaded, prompt, tree, top, width, log_alpha, scale or Sum(), excluded).run(report)


@dataclass(frozen=True)
class _Branch:
    """Titles `start` to `stop`, whose common tokens up to `token` score `score`; `token` is not yet fed.

    path: places in `_Written` of the tokens before it. bound: no title of the branch scores more.
    """

    score: float
    bound: float
    token: int
    start: int
    stop: int
    path: tuple[int, ...]


@dataclass(kw_only=True)
class _Branching(lens.Pass):
    """A pass whose rows each look at the prompt, at their own branch of the tokens fed, and at themselves.

    visible [R, K]: which of the K keys kept. places [K], at [R, S]: positions of keys and of queries, by
    which a sliding window counts. gate [K]: what is added to a key's score, or None.
    """

    visible: Tensor
    places: Tensor
    at: Tensor
    gate: Tensor | None
    _made: dict[int | None, Tensor] = field(default_factory=dict)

    def mask(self, shared: int, own: int, window: int | None, like: Tensor) -> Tensor:
        """Additive scores [R, S, K + S]."""
        if window not in self._made:
            rows = len(self.at)
            gap = self.at[:, :, None] - torch.cat([self.places.expand(rows, -1), self.at], 1)[:, None, :]
            hidden = gap < 0
            hidden[:, :, :shared] |= ~self.visible[:, None, :]
            if window is not None:
                hidden |= gap >= window
            made = torch.zeros(gap.shape, dtype=like.dtype, device=like.device)
            if self.gate is not None:
                made[:, :, :shared] += self.gate.to(like.dtype)
            self._made[window] = made.masked_fill_(hidden, float("-inf"))
        return self._made[window]


class _Written:
    """Keys and values of the prompt and, behind them, of each title token fed: every one once."""

    def __init__(self, prompt: Prefix, log_alpha: Tensor | None) -> None:
        self.prompt = self.used = len(prompt)
        self._keys, self._values = list(prompt.keys), list(prompt.values)
        self._places = torch.arange(self.used, device=prompt.owners.device)
        self._gate = None
        if log_alpha is not None:
            table = torch.cat([log_alpha, log_alpha.new_zeros(1)])  # owner -1 reads the last one
            self._gate = table[prompt.owners]

    def add(self, keys: list[Tensor], values: list[Tensor], place: int) -> range:
        """Appends one token of each of R rows, keys and values per layer [R, Hkv, 1, d]; their slots."""
        more = keys[0].shape[0]
        if self.used + more > len(self._places):
            self._grow(self.used + more)
        slots = range(self.used, self.used + more)
        for kept, new in [*zip(self._keys, keys, strict=True), *zip(self._values, values, strict=True)]:
            kept[0, :, slots.start : slots.stop] = new[:, :, 0].transpose(0, 1)
        self._places[slots.start : slots.stop] = place
        self.used = slots.stop
        return slots

    def _grow(self, least: int) -> None:
        size = 2 * least - self.prompt  # twice the room for titles, so that a long search seldom copies

        def longer(kept: Tensor, axis: int) -> Tensor:
            shape = [*kept.shape[:axis], size - kept.shape[axis], *kept.shape[axis + 1 :]]
            return torch.cat([kept, kept.new_zeros(shape)], axis)

        self._keys = [longer(kept, 2) for kept in self._keys]
        self._values = [longer(kept, 2) for kept in self._values]
        self._places = longer(self._places, 0)
        self._gate = None if self._gate is None else longer(self._gate, 0)

    def behind(self, branches: Sequence[_Branch], own: int) -> _Branching:
        """The pass of `own` next tokens of each branch, over the prompt and these branches' tokens alone."""
        device = self._places.device
        fed = sorted({slot for branch in branches for slot in branch.path})
        at = {slot: self.prompt + place for place, slot in enumerate(fed)}
        rows = torch.tensor([r for r, branch in enumerate(branches) for _ in branch.path], dtype=torch.long)
        seen = torch.tensor([at[slot] for branch in branches for slot in branch.path], dtype=torch.long)
        visible = torch.zeros(len(branches), self.prompt + len(fed), dtype=torch.bool, device=device)
        visible[:, : self.prompt] = True
        visible[rows.to(device), seen.to(device)] = True
        used = torch.cat([torch.arange(self.prompt), torch.tensor(fed, dtype=torch.long)]).to(device)
        first = torch.tensor([[self.prompt + len(branch.path)] for branch in branches], device=device)
        return _Branching(
            prefix_keys=[keys.index_select(2, used) for keys in self._keys],
            prefix_values=[values.index_select(2, used) for values in self._values],
            visible=visible,
            places=self._places[used],
            at=first + torch.arange(own, device=device),
            gate=None if self._gate is None else self._gate[used],
        )


class _Search:
    """One search's state: what was fed, what is finished, and what the width has cost."""

    def __init__(
        self,
        loaded: LoadedModel,
        prompt: Prefix,
        tree: TitleTree,
        top: int,
        width: int,
        log_alpha: Tensor | None,
        scale: Scale,
        excluded: Sequence[int],
    ) -> None:
        self._loaded, self._prompt, self._tree = loaded, prompt, tree
        self._top, self._width, self._scale = top, width, scale
        self._written = _Written(prompt, log_alpha)
        self._lengths = tree.lengths
        offered = ~np.isin(tree.items, np.fromiter(excluded, dtype=np.int64))
        self._offered = np.add.reduceat(offered, tree.owned[:-1], dtype=np.int64)  # items each row may give
        self._rows_before = np.concatenate(([0], np.cumsum(self._offered > 0)))
        self._excluded = set(excluded)
        self._done: dict[int, float] = {}  # scores of the best rows, never more than make the list
        self._single: list[_Branch] = []  # branches of one title each, waiting to be finished
        self._floor = self._lost = float("-inf")
        self._tokens = self._passes = 0

    def run(self, report: Report) -> Found:
        asked = self._width
        for self._width in (NARROW, asked) if asked > NARROW else (asked,):
            self._lost = float("-inf")
            self._sweep(report if self._width == asked else quiet)  # the narrow one takes no time
        return self._found()

    def _sweep(self, report: Report) -> None:
        """One search from the first token to the last; what an earlier one found is the floor of this one."""
        depth, deepest = 0, int(self._lengths.max())
        root = _Branch(0.0, 0.0, -1, 0, len(self._tree), ())
        alive = self._expand([root], self._prompt.next_logprobs[None], [()])
        while alive:
            depth += 1
            report(depth / deepest, f"searching the catalogue: token {depth} of at most {deepest}")
            logprobs, slots = self._feed(alive)
            paths = [(*branch.path, slot) for branch, slot in zip(alive, slots, strict=True)]
            alive = self._expand(alive, logprobs, paths)
            self._finish()
        self._finish()

    def _expand(
        self, parents: Sequence[_Branch], logprobs: Tensor, paths: Sequence[tuple[int, ...]]
    ) -> list[_Branch]:
        """The best branches one token deeper, at most `width`; those of one title go to `_single`."""
        depth = len(paths[0])
        found = [self._tree.children(branch.start, branch.stop, depth) for branch in parents]
        owner = np.repeat(np.arange(len(parents)), [len(children.tokens) for children in found])
        tokens, starts, stops = (
            np.concatenate([getattr(children, name) for children in found])
            for name in ("tokens", "starts", "stops")
        )
        index = torch.from_numpy(owner).to(logprobs.device), torch.from_numpy(tokens).to(logprobs.device)
        scores = np.array([branch.score for branch in parents])[owner]
        scores = scores + logprobs[index].double().cpu().numpy()
        ended = self._lengths[starts] == depth + 1
        self._end(starts[ended], scores[ended])
        bounds = self._scale.bounds(scores, starts, stops)
        promise = self._scale.so_far(scores, starts, depth + 1)
        starts = starts + ended
        titles = self._rows_before[stops] - self._rows_before[starts]
        order = np.lexsort((starts, -promise))
        order = order[(titles[order] > 0) & (bounds[order] >= self._floor)]
        if len(order) > self._width:
            self._lost = max(self._lost, float(bounds[order[self._width :]].max()))
        alive = []
        for c in order[: self._width].tolist():
            path = paths[int(owner[c])]
            branch = _Branch(
                float(scores[c]), float(bounds[c]), int(tokens[c]), int(starts[c]), int(stops[c]), path
            )
            (self._single if titles[c] == 1 else alive).append(branch)
        return alive

    def _feed(self, branches: Sequence[_Branch]) -> tuple[Tensor, range]:
        """One token of each: log-probabilities [B, V] of the next one, and where its keys are kept."""

        def work(chosen: Sequence[_Branch]) -> tuple[Tensor, lens.Pass]:
            tokens = torch.tensor([[branch.token] for branch in chosen], device=self._loaded.device)
            return self._forward(chosen, tokens, torch.ones_like(tokens, dtype=torch.bool))

        parts = in_batches(branches, self._rows_at_once(1), work, _WHAT)
        layers = range(self._loaded.layers)
        keys = [torch.cat([seen.keys[layer] for _, seen in parts]) for layer in layers]
        values = [torch.cat([seen.values[layer] for _, seen in parts]) for layer in layers]
        slots = self._written.add(keys, values, self._written.prompt + len(branches[0].path))
        return torch.cat([logprobs for logprobs, _ in parts]), slots

    def _finish(self) -> None:
        """Scores titles of `_single` to their ends, the most promising first; drops those past hope."""
        pairs = [
            (branch, row)
            for branch in self._single
            if branch.bound >= self._floor
            for row in self._only_row(branch)
            if row not in self._done
        ]
        self._single = []
        hopes = self._partly(pairs, PROBE) if self._floor > float("-inf") else [b.bound for b, _ in pairs]
        order = sorted(range(len(pairs)), key=lambda p: (-hopes[p], pairs[p][1]))
        for start in range(0, len(order), NARROW):
            part = [pairs[p] for p in order[start : start + NARROW] if hopes[p] >= self._floor]
            if part:
                self._end(np.array([row for _, row in part]), np.array(self._partly(part, None, ended=True)))

    def _partly(
        self, pairs: Sequence[tuple[_Branch, int]], tokens: int | None, ended: bool = False
    ) -> list[float]:
        """Bounds of lone titles after so many more tokens (None: all); with `ended` their plain sums."""
        order = sorted(range(len(pairs)), key=lambda p: self._left(pairs[p]))
        found = [0.0] * len(pairs)
        while order:
            shortest = min(self._left(pairs[order[0]]), tokens or 1 << 30)
            alike = [
                p for p in order if min(self._left(pairs[p]), tokens or 1 << 30) <= 4 + shortest * 5 // 4
            ]
            order = order[len(alike) :]
            size = self._rows_at_once(self._left(pairs[alike[-1]]))
            parts = in_batches([(*pairs[p], tokens) for p in alike], size, self._rest, _WHAT)
            for p, more in zip(alike, torch.cat(parts).tolist(), strict=True):
                found[p] = pairs[p][0].score + more
        if ended:
            return found
        return self._scale.scores(np.array(found), np.array([row for _, row in pairs], dtype=int)).tolist()

    def _left(self, pair: tuple[_Branch, int]) -> int:
        """Tokens of a title that are not yet scored."""
        branch, row = pair
        return int(self._lengths[row]) - len(branch.path) - 1

    def _only_row(self, branch: _Branch) -> list[int]:
        rows = np.arange(branch.start, branch.stop)
        return rows[self._offered[rows] > 0].tolist()

    def _rest(self, asked: Sequence[tuple[_Branch, int, int | None]]) -> Tensor:
        """Summed log-probabilities [R] (float64) of what follows each branch's token in its title, at most so
        many tokens."""
        ids = [
            self._tree.row(row)[len(branch.path) :][: None if n is None else n + 1]
            for branch, row, n in asked
        ]
        fed = [one[:-1].tolist() for one in ids]
        width = max(len(one) for one in fed)
        device = self._loaded.device
        tokens = torch.tensor([one + one[-1:] * (width - len(one)) for one in fed], device=device)
        counts = torch.tensor([len(one) for one in fed], device=device)
        keep = torch.arange(width, device=device)[None] < counts[:, None]
        wanted = torch.cat([torch.from_numpy(one[1:]) for one in ids])
        logprobs, _ = self._forward([branch for branch, _, _ in asked], tokens, keep)
        picked = logprobs.gather(1, wanted.to(device, torch.long)[:, None])[:, 0].double()
        owner = torch.repeat_interleave(torch.arange(len(asked), device=device), counts)
        return picked.new_zeros(len(asked)).index_add(0, owner, picked)

    def _forward(self, branches: Sequence[_Branch], tokens: Tensor, keep: Tensor) -> tuple[Tensor, lens.Pass]:
        """Tokens [R, S] of each branch; log-probabilities [N, V] after those in `keep` [R, S]."""
        current = self._written.behind(branches, tokens.shape[1])
        current.keep = tokens.shape[1] == 1
        with lens.looking(current):
            logits = self._loaded.model(
                input_ids=tokens, position_ids=current.at, use_cache=False, logits_to_keep=keep
            ).logits
        logits = logits.reshape(-1, logits.shape[-1])
        self._tokens += tokens.numel()
        self._passes += 1
        work = torch.promote_types(logits.dtype, torch.float32)
        return torch.log_softmax(logits, dim=-1, dtype=work), current

    def _rows_at_once(self, own: int) -> int:
        elements = elements_per_row(self._loaded, self._written.used, own, own)
        return rows_at_once(self._loaded.device, elements)

    def _end(self, rows: np.ndarray, sums: np.ndarray) -> None:
        """Notes finished titles and raises the floor: the score that a title must reach to be listed."""
        scores = self._scale.scores(sums, rows)
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            if self._offered[row]:
                self._done.setdefault(row, score)
        best = sorted(self._done.items(), key=lambda pair: (-pair[1], pair[0]))
        items = np.cumsum([self._offered[row] for row, _ in best])
        enough = int(np.searchsorted(items, self._top))
        if enough < len(items):
            self._done = dict(best[: enough + 1])
            self._floor = best[enough][1]

    def _found(self) -> Found:
        listed = [
            (-score, int(item))
            for row, score in self._done.items()
            for item in self._tree.items_of(row)
            if int(item) not in self._excluded
        ]
        listed = sorted(listed)[: self._top]
        return Found(
            items=[item for _, item in listed],
            scores=[-score for score, _ in listed],
            proven=self._lost < self._floor or self._lost == float("-inf"),
            tokens=self._tokens,
            passes=self._passes,
        )
