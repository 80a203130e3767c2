"""Log-probabilities of answers after a prompt whose keys and values are computed once.

`prefill` runs a prompt's shared part, `extend` lengthens it (with a gate on the demonstrations, if asked),
`suffix_logprobs` scores whole suffixes under many gates at once, differentiable in the gate, and
`tree_logprobs` does so for suffixes that begin alike. Only the logits that are asked for are computed. Many
prompts at once are the business of `packed`.
Knows token ids only: no titles, no templates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from db.errors import ModelError
from engine.llm.attention import lens
from engine.llm.loading.footprint import check_room
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.memory import in_batches, rows_at_once
from engine.llm.scoring.token_tree import Tree, groves, grown

_WHAT = "the scores of the candidates"
_PASS = {"cpu": 64, "cuda": 1024}  # tokens whose computation takes as long as starting one more pass
_CHUNK = 1024  # tokens of an extension run at once; bounds its score matrix at _CHUNK x prompt length


@dataclass(frozen=True)
class Prefix:
    """Keys and values of the first T tokens of a prompt, positions 0 to T - 1.

    keys, values: per layer [1, Hkv, T, d]. owners [T]: demonstration of each token or -1.
    next_logprobs [V]: float32 or better, of the token after the prefix.
    """

    ids: tuple[int, ...]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    owners: Tensor
    next_logprobs: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        tensors = (*self.keys, *self.values, self.owners, self.next_logprobs)
        return sum(t.numel() * t.element_size() for t in tensors)

    def cut(self, length: int) -> "Head":
        """The first `length` tokens: exact, because what comes later never changes them."""
        return Head(
            tuple(k[:, :, :length] for k in self.keys),
            tuple(v[:, :, :length] for v in self.values),
            self.owners[:length],
            self.ids[:length],
        )

    def head(self) -> "Head":
        """The whole prefix without its prediction."""
        return self.cut(len(self))


@dataclass(frozen=True)
class Head:
    """A prefix to build on: keys and values per layer [1, Hkv, T, d], owners [T], ids. May be empty."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    owners: Tensor
    ids: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(t.numel() * t.element_size() for t in (*self.keys, *self.values, self.owners))


@dataclass(frozen=True)
class Row:
    """Token ids after a prefix. The log-probabilities of its last `scored` tokens are asked for."""

    ids: tuple[int, ...]
    scored: int


def prefill(loaded: LoadedModel, ids: Sequence[int], owners: Sequence[int]) -> Prefix:
    """Runs a prompt from its start through SDPA's causal kernel; nothing of size T x T is built."""
    check_length(loaded, len(ids))
    check_room(loaded, len(ids), len(ids))
    return _run(loaded, None, ids, owners, None)


def extend(
    loaded: LoadedModel,
    base: Head,
    ids: Sequence[int],
    owners: Sequence[int],
    log_alpha: Tensor | None = None,
) -> Prefix:
    """Appends tokens to a prefix. log_alpha [k] gates edges from tokens outside b to tokens of b."""
    check_length(loaded, len(base.ids) + len(ids))
    check_room(loaded, len(base.ids) + len(ids), min(len(ids), _CHUNK))
    built, done = base, None
    for start in range(0, len(ids), _CHUNK):
        part = slice(start, start + _CHUNK)
        done = _run(loaded, built, ids[part], owners[part], log_alpha)
        built = done.head()
    if done is None:
        raise ValueError("nothing to extend the prefix with")
    return done


def suffix_logprobs(
    loaded: LoadedModel,
    base: Head,
    rows: Sequence[Row],
    log_alpha: Tensor | None = None,
    row_gates: Sequence[int] | None = None,
    owners: Sequence[int] | None = None,
    observe: Callable[[lens.Seen], None] | None = None,
    starts: Sequence[int] | None = None,
    behind: Sequence[Head] | None = None,
) -> Tensor:
    """Summed log-probabilities [R] (float32 or better) of the scored tokens of each row.

    log_alpha [G, k]: gates; row_gates[r] is the gate of row r (default: the only one for all rows).
    owners: demonstrations of the suffix tokens, the same for all rows (default: none in the suffix).
    starts [R]: position of each row's first token (default: right after the base).
    behind [R]: a continuation of the base that this row alone sees and follows (default: none).
    Rows of like length are run together in micro-batches. Differentiable in log_alpha if gradients are
    enabled.
    """
    order = sorted(range(len(rows)), key=lambda r: len(rows[r].ids))
    gates = row_gates if row_gates is not None else [0] * len(rows)

    def work(chosen: Sequence[int]) -> Tensor:
        gate = None if log_alpha is None else log_alpha[[gates[r] for r in chosen]]
        places = None if starts is None else [starts[r] for r in chosen]
        heads = None if behind is None else [behind[r] for r in chosen]
        return _score(loaded, base, [rows[r] for r in chosen], gate, owners, observe, places, heads)

    longest = max(len(row.ids) for row in rows)
    between = 0 if behind is None else max(len(head.ids) for head in behind)
    if behind is not None and starts is None:
        starts = [len(base.ids) + len(head.ids) for head in behind]
    check_length(loaded, (len(base.ids) if starts is None else max(starts)) + longest)
    elements = elements_per_row(loaded, len(base.ids) + between, longest, _scored(rows))
    size = rows_at_once(loaded.device, elements)
    groups = _alike(order, [len(row.ids) for row in rows], _PASS.get(loaded.device.type, 64))
    parts = torch.cat([p for group in groups for p in in_batches(group, size, work, _WHAT)])
    back = torch.empty(len(order), dtype=torch.long)
    back[order] = torch.arange(len(order))
    return parts[back.to(parts.device)]


def tree_logprobs(
    loaded: LoadedModel,
    base: Head,
    rows: Sequence[Row],
    log_alpha: Tensor | None = None,
    owners: Sequence[int] | None = None,
    observe: Callable[[lens.Seen], None] | None = None,
) -> Tensor:
    """Summed log-probabilities [G, R] of the scored tokens of every row under every gate [G, k] (None: one).

    What `suffix_logprobs` gives, but whatever rows begin with alike is computed once per gate: the query once
    for all answers, and answers as branches behind it. owners: as there. Differentiable in log_alpha if
    gradients are enabled. Raises ModelError where a row is too long, OutOfMemory.
    """
    check_length(loaded, len(base.ids) + max(len(row.ids) for row in rows))
    many = 1 if log_alpha is None else len(log_alpha)
    order, parts = [], []
    for chosen in groves([row.ids for row in rows], _width(loaded)):
        tree = grown([rows[r].ids for r in chosen])
        some = [rows[r] for r in chosen]

        def work(gates: Sequence[int], tree: Tree = tree, some: Sequence[Row] = some) -> Tensor:
            gate = None if log_alpha is None else log_alpha[list(gates)]
            return _score_tree(loaded, base, tree, some, len(gates), gate, owners, observe)

        asked = len(
            {node for row, path in zip(some, tree.paths, strict=True) for node in path[-row.scored :]}
        )
        elements = elements_per_row(loaded, len(base.ids), len(tree.tokens), asked)
        size = rows_at_once(loaded.device, elements)
        parts.append(torch.cat(in_batches(range(many), size, work, _WHAT)))
        order += chosen
    back = torch.empty(len(order), dtype=torch.long)
    back[order] = torch.arange(len(order))
    found = torch.cat(parts, dim=1)
    return found[:, back.to(found.device)]


def _width(loaded: LoadedModel) -> int:
    return int(loaded.model.config.get_text_config().hidden_size)


def _score_tree(
    loaded: LoadedModel,
    base: Head,
    tree: Tree,
    rows: Sequence[Row],
    many: int,
    gate: Tensor | None,
    owners: Sequence[int] | None,
    observe: Callable[[lens.Seen], None] | None,
) -> Tensor:
    """[G, R] of one tree under some of the gates."""
    tokens = torch.tensor(tree.tokens, device=loaded.device).expand(many, -1)
    # A row's scored tokens are predicted by the nodes before them: the last so many of its path.
    nodes = [node for row, path in zip(rows, tree.paths, strict=True) for node in path[-row.scored :]]
    wanted = [token for row in rows for token in row.ids[-row.scored :]]
    asked = sorted(set(nodes))
    keep = torch.zeros(many, len(tree.tokens), dtype=torch.bool, device=loaded.device)
    keep[:, asked] = True
    logits = _forward(loaded, base, tokens, owners, gate, keep, observe=observe, tree=tree)[0]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)).view(many, len(asked), -1)
    place = {node: n for n, node in enumerate(asked)}
    at = torch.tensor([place[node] for node in nodes], device=loaded.device)
    token = torch.tensor(wanted, device=loaded.device)
    picked = logits[:, at, token] - torch.logsumexp(logits, dim=2)[:, at]
    counts = torch.tensor([row.scored for row in rows], device=loaded.device)
    owner = torch.repeat_interleave(torch.arange(len(rows), device=loaded.device), counts)
    return picked.new_zeros(many, len(rows)).index_add(1, owner, picked)


def elements_per_row(loaded: LoadedModel, shared: int, own: int, scored: int) -> int:
    """Elements of a row's largest intermediate tensor: attention scores, or logits."""
    text = loaded.model.config.get_text_config()
    return max(int(text.num_attention_heads) * own * (shared + own), 2 * scored * int(text.vocab_size))


def _alike(order: Sequence[int], lengths: Sequence[int], worth: int) -> list[list[int]]:
    """Rows in order of length, cut where padding would waste more than `worth` tokens: what a pass costs."""
    groups: list[list[int]] = [[]]
    real = 0
    for r in order:
        if (len(groups[-1]) + 1) * lengths[r] - (real + lengths[r]) > worth:
            groups.append([])
            real = 0
        groups[-1].append(r)
        real += lengths[r]
    return groups


def _scored(rows: Sequence[Row]) -> int:
    return max(row.scored for row in rows)


def _score(
    loaded: LoadedModel,
    base: Head,
    rows: Sequence[Row],
    gate: Tensor | None,
    owners: Sequence[int] | None,
    observe: Callable[[lens.Seen], None] | None,
    starts: Sequence[int] | None,
    behind: Sequence[Head] | None,
) -> Tensor:
    """One micro-batch of rows."""
    fed = [row.ids[:-1] for row in rows]  # the last token is predicted, never fed
    padded = _padded(loaded, fed)
    width = padded.shape[1]
    keep = torch.zeros(len(rows), width, dtype=torch.bool)
    for r, row in enumerate(rows):
        keep[r, len(fed[r]) - row.scored : len(fed[r])] = True
    wanted = torch.tensor([i for row in rows for i in row.ids[-row.scored :]], device=loaded.device)
    counts = torch.tensor([row.scored for row in rows], device=loaded.device)
    logits = _forward(
        loaded, base, padded, owners, gate, keep.to(loaded.device), False, observe, starts, behind
    )[0]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # [sum of scored, V]
    picked = logits.gather(1, wanted[:, None])[:, 0] - torch.logsumexp(logits, dim=1)
    owner = torch.repeat_interleave(torch.arange(len(rows), device=loaded.device), counts)
    return picked.new_zeros(len(rows)).index_add(0, owner, picked)


def _padded(loaded: LoadedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """[R, longest]: right-padded with each row's own last token, which no earlier token can see."""
    width = max(len(ids) for ids in rows)
    return torch.tensor([[*ids, *([ids[-1]] * (width - len(ids)))] for ids in rows], device=loaded.device)


@torch.no_grad()
def continuations(loaded: LoadedModel, base: Head, rows: Sequence[Sequence[int]]) -> list[Head]:
    """Keys and values of each row of tokens right after the base, without the base's own; in batches."""
    longest = max(len(ids) for ids in rows)
    check_length(loaded, len(base.ids) + longest)

    def work(chosen: Sequence[Sequence[int]]) -> list[Head]:
        tokens = _padded(loaded, chosen)
        # A prediction has to be asked for; one of the first token costs least.
        last = torch.zeros_like(tokens, dtype=torch.bool)
        last[:, 0] = True
        seen = _forward(loaded, base, tokens, None, None, last, keep=True)[1]
        return [_own(loaded, seen, row, ids) for row, ids in enumerate(chosen)]

    size = rows_at_once(loaded.device, elements_per_row(loaded, len(base.ids), longest, 1))
    return [head for part in in_batches(rows, size, work, "the demonstrations of the pool") for head in part]


def _own(loaded: LoadedModel, seen: lens.Pass, row: int, ids: Sequence[int]) -> Head:
    """A row's own keys and values, copied, so that the batch's memory is let go."""
    keys = tuple(seen.keys[layer][row : row + 1, :, : len(ids)].clone() for layer in range(loaded.layers))
    values = tuple(seen.values[layer][row : row + 1, :, : len(ids)].clone() for layer in range(loaded.layers))
    return Head(keys, values, torch.zeros(len(ids), dtype=torch.long, device=loaded.device), tuple(ids))


@torch.no_grad()
def _run(
    loaded: LoadedModel,
    base: Head | None,
    ids: Sequence[int],
    owners: Sequence[int],
    log_alpha: Tensor | None,
) -> Prefix:
    """One pass of one row that keeps its keys and values and predicts the next token."""
    tokens = torch.tensor([list(ids)], device=loaded.device)
    last = torch.zeros(1, len(ids), dtype=torch.bool, device=loaded.device)
    last[0, -1] = True
    gate = None if log_alpha is None else log_alpha[None]

    def work(_: Sequence[int]) -> tuple[Tensor, lens.Pass]:
        return _forward(loaded, base, tokens, owners, gate, last, keep=True)

    logits, seen = in_batches([0], 1, work, "the prompt")[0]
    logits = logits[0].to(torch.promote_types(logits.dtype, torch.float32))
    own = torch.tensor(list(owners), device=loaded.device, dtype=torch.long)
    keys = tuple(seen.keys[layer] for layer in range(loaded.layers))
    values = tuple(seen.values[layer] for layer in range(loaded.layers))
    whole = tuple(int(i) for i in ids)
    if base is not None and base.ids:
        keys = tuple(torch.cat(pair, dim=2) for pair in zip(base.keys, keys, strict=True))
        values = tuple(torch.cat(pair, dim=2) for pair in zip(base.values, values, strict=True))
        own, whole = torch.cat([base.owners, own]), (*base.ids, *whole)
    return Prefix(whole, keys, values, own, torch.log_softmax(logits, dim=-1))


def _forward(
    loaded: LoadedModel,
    base: Head | None,
    tokens: Tensor,
    owners: Sequence[int] | None,
    gate: Tensor | None,
    logits_at: Tensor,
    keep: bool = False,
    observe: Callable[[lens.Seen], None] | None = None,
    starts: Sequence[int] | None = None,
    behind: Sequence[Head] | None = None,
    tree: Tree | None = None,
) -> tuple[Tensor, lens.Pass]:
    """tokens [R, S] after the base; returns the logits at `logits_at` [R, S] flattened to [N, V].

    owners: demonstrations of the first suffix tokens; in a tree, of the first ones of every branch.
    """
    depths = torch.arange(tokens.shape[1], device=loaded.device)
    if tree is not None:
        depths = torch.tensor(tree.depths, device=loaded.device)
    owned = torch.full((int(depths.max()) + 1,), -1, device=loaded.device, dtype=torch.long)
    if owners is not None:
        owned[: len(owners)] = torch.tensor(list(owners), device=loaded.device, dtype=torch.long)
    own = owned[depths]
    shared = len(base.ids) if base is not None else 0
    current = lens.Pass(log_alpha=gate, keep=keep, observe=observe, query_owners=own)
    current.key_owners = own
    if base is not None and shared:
        current.prefix_keys, current.prefix_values = list(base.keys), list(base.values)
        current.key_owners = torch.cat([base.owners, own])
    if behind is not None:
        layers = range(loaded.layers)
        current.row_keys = [_stacked([head.keys[layer] for head in behind]) for layer in layers]
        current.row_values = [_stacked([head.values[layer] for head in behind]) for layer in layers]
        current.row_lengths = torch.tensor([len(head.ids) for head in behind], device=loaded.device)
    if tree is not None:
        current.branches, current.depths = tree.lines().to(loaded.device), depths
    first = torch.tensor([shared] if starts is None else list(starts), device=loaded.device)
    places = (first[:, None] + depths).expand_as(tokens)
    with lens.looking(current):
        logits = loaded.model(
            input_ids=tokens, position_ids=places, use_cache=False, logits_to_keep=logits_at
        ).logits
    return logits.reshape(-1, logits.shape[-1]), current


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """[1, Hkv, n, d] of various n as [R, Hkv, longest n, d], zeros behind the shorter ones."""
    longest = max(part.shape[2] for part in parts)
    made = parts[0].new_zeros(len(parts), parts[0].shape[1], longest, parts[0].shape[3])
    for row, part in enumerate(parts):
        made[row, :, : part.shape[2]] = part[0]
    return made


def check_length(loaded: LoadedModel, tokens: int) -> None:
    if tokens > loaded.context_length:
        raise ModelError(
            f"The prompt has {tokens} tokens and {loaded.name} takes {loaded.context_length}. Use fewer "
            "demonstrations or a shorter history."
        )
