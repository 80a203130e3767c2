"""Log-probabilities of answers after many prompts, read side by side in as few passes as memory allows.

Each prompt is read once, whatever its answers begin with alike too, and what is known of its beginning not at
all; prompts share a pass, so nothing is padded and no pass is small where there is more to do.
Knows token ids only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.llm.attention import lens
from engine.llm.attention.packed import Branches, Packed, Packet
from engine.llm.loading.footprint import check_room
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Head, Prefix, Row, check_length
from engine.llm.scoring.memory import in_batches, out_of_memory, rows_at_once
from engine.llm.scoring.token_tree import Tree, groves, grown
from engine.progress import plan

_TOKENS = {"cpu": 2048, "cuda": 32768}  # of one pass: more are not read any faster


@dataclass(frozen=True)
class Prompt:
    """A line of tokens behind `base`, and the rows behind the line whose log-probabilities are asked for.

    owners: demonstration of each token of the line, -1 for none. log_alpha [k]: gate of the rows' view of
    base and line; None for plain. A row's first token can be scored only where there is a line. kept: how
    many of the line's tokens, 0 for none, are given back as a `Prefix`, base included.
    """

    line: tuple[int, ...]
    owners: tuple[int, ...]
    rows: tuple[Row, ...]
    base: Head | None = None
    log_alpha: Tensor | None = None
    kept: int = 0

    @property
    def before(self) -> int:
        """Tokens before the rows."""
        return len(self.line) + (len(self.base.ids) if self.base else 0)


def ending(before: Prompt, query: Sequence[int], rows: Sequence[Row]) -> Prompt:
    """The prompt with the query at its end and these rows behind it. Under a gate the query stands at the
    beginning of every row, as what it sees is gated."""
    if before.log_alpha is not None:
        return replace(before, rows=tuple(Row((*query, *row.ids), row.scored) for row in rows))
    line, owners = (*before.line, *query), (*before.owners, *[-1] * len(query))
    return replace(before, line=line, owners=owners, rows=tuple(rows))


@dataclass(frozen=True)
class Told:
    """Log-probabilities [R] (nats, float32 or better) of a prompt's rows, and what was to be kept."""

    logprobs: Tensor
    prefix: Prefix | None


@torch.no_grad()
def read(loaded: LoadedModel, prompts: Sequence[Prompt], planned: bool = True) -> list[Told]:
    """What each prompt tells. Raises ModelError where one is too long, OutOfMemory.

    planned: whether the caller has said how much work this is (`engine.progress.plan`); else it is said here.
    """
    laid = [_laid_out(loaded, prompt) for prompt in prompts]
    if not planned:
        plan(loaded.layers * sum(one.tokens for one in laid))
    told: list[Told] = []
    for some in _passes(loaded, laid):
        check_room(loaded, max(one.prompt.before for one in some), sum(one.tokens for one in some))
        for part in in_batches(some, len(some), lambda chosen: _tried(loaded, chosen), "the answers"):
            told += part
    return told


def _tried(loaded: LoadedModel, chosen: Sequence["_LaidOut"]) -> list[Told]:
    """One pass; a prompt that is alone in it and too large has its rows taken in parts."""
    alone = len(chosen) == 1 and len(set(chosen[0].prompt.rows)) > 1
    if alone and chosen[0].asked > _asked_at_once(loaded):
        return [_by_halves(loaded, chosen[0].prompt)]
    try:
        return _pass(loaded, chosen)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not (alone and out_of_memory(error)):
            raise
    return [_by_halves(loaded, chosen[0].prompt)]


def _by_halves(loaded: LoadedModel, prompt: Prompt) -> Told:
    """What is to be kept is read first, then each half of the rows, rows that begin alike together."""
    if prompt.kept:
        head = read(loaded, [replace(prompt, line=prompt.line[: prompt.kept], rows=(), log_alpha=None)])[0]
        assert head.prefix is not None
        line, owners = prompt.line[prompt.kept :], prompt.owners[prompt.kept :]
        rest = replace(prompt, base=head.prefix.head(), line=line, owners=owners, kept=0)
        return Told(_by_halves(loaded, rest).logprobs, head.prefix)
    # Rows that are the same are read once: their log-probabilities are one number, a tie.
    rows = sorted(set(prompt.rows), key=lambda row: (row.ids, row.scored))
    half = len(rows) // 2
    parts = [read(loaded, [replace(prompt, rows=tuple(some))])[0] for some in (rows[:half], rows[half:])]
    place = {row: n for n, row in enumerate(rows)}
    found = torch.cat([part.logprobs for part in parts])
    return Told(found[[place[row] for row in prompt.rows]], None)


@dataclass(frozen=True)
class _LaidOut:
    """A prompt, its rows as trees: which rows are in each, and the tree they make."""

    prompt: Prompt
    trees: list[tuple[list[int], Tree]]
    tokens: int
    asked: int


def _laid_out(loaded: LoadedModel, prompt: Prompt) -> _LaidOut:
    rows = [row.ids for row in prompt.rows]
    check_length(loaded, prompt.before + max(map(len, rows), default=0))
    if not prompt.line and any(row.scored == len(row.ids) for row in prompt.rows):
        raise ValueError("nothing before a row predicts its first token")
    width = int(loaded.model.config.get_text_config().hidden_size)
    trees = [(chosen, grown([rows[r] for r in chosen])) for chosen in groves(rows, width)] if rows else []
    tokens = len(prompt.line) + sum(len(tree.tokens) for _, tree in trees)
    return _LaidOut(prompt, trees, tokens, sum(row.scored for row in prompt.rows) + bool(prompt.kept))


def _passes(loaded: LoadedModel, laid: Sequence[_LaidOut]) -> list[list[_LaidOut]]:
    """The prompts in order, cut where a pass would get too large."""
    most = _TOKENS.get(loaded.device.type, _TOKENS["cpu"])
    asked_at_once = _asked_at_once(loaded)
    passes: list[list[_LaidOut]] = []
    tokens = asked = 0
    for one in laid:
        tokens, asked = tokens + one.tokens, asked + one.asked
        if not passes or tokens > most or asked > asked_at_once:
            passes.append([])
            tokens, asked = one.tokens, one.asked
        passes[-1].append(one)
    return passes


def _asked_at_once(loaded: LoadedModel) -> int:
    """Tokens whose predictions, one number for each of the vocabulary, are held together."""
    return rows_at_once(loaded.device, int(loaded.model.config.get_text_config().vocab_size))


def _pass(loaded: LoadedModel, chosen: Sequence[_LaidOut]) -> list[Told]:
    tokens: list[int] = []
    places: list[Tensor] = []
    packets: list[Packet] = []
    asked: list[int] = []  # places in the pass that predict something
    for one in chosen:
        packet, ids, at = _packet(loaded, one, len(tokens))
        asked += _asked(one, packet)
        tokens += ids
        places.append(at)
        packets.append(packet)
    if not tokens:
        return [Told(torch.zeros(0), None) for _ in chosen]
    kept = sorted(set(asked))
    with lens.looking(Packed(packets)):
        logits = loaded.model(
            input_ids=torch.tensor([tokens], device=loaded.device),
            position_ids=torch.cat(places)[None],
            use_cache=False,
            logits_to_keep=torch.tensor(kept, device=loaded.device),
        ).logits[0]
    logprobs = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=1)
    row_of = {place: n for n, place in enumerate(kept)}
    return [_told(loaded, one, packet, logprobs, row_of) for one, packet in zip(chosen, packets, strict=True)]


def _packet(loaded: LoadedModel, one: _LaidOut, start: int) -> tuple[Packet, list[int], Tensor]:
    """A prompt as it stands in the pass, its tokens and their positions."""
    prompt, device = one.prompt, loaded.device
    base = prompt.base if prompt.base is not None and prompt.base.ids else None
    before = len(base.ids) if base else 0
    owners = torch.tensor(prompt.owners, dtype=torch.long, device=device)
    trees = [tree for _, tree in one.trees if tree.tokens]  # a row of one token reads none
    depths = [torch.tensor(tree.depths, device=device) for tree in trees]
    packet = Packet(
        start=start,
        line=len(prompt.line),
        trees=[Branches(tree.lines().to(device), d) for tree, d in zip(trees, depths, strict=True)],
        before_keys=list(base.keys) if base else [],
        before_values=list(base.values) if base else [],
        owners=torch.cat([base.owners, owners]) if base else owners,
        log_alpha=prompt.log_alpha,
        keep=prompt.kept,
    )
    line = torch.arange(before, prompt.before, device=device)
    ids = [*prompt.line, *(token for tree in trees for token in tree.tokens)]
    return packet, ids, torch.cat([line, *(prompt.before + d for d in depths)])


def _asked(one: _LaidOut, packet: Packet) -> list[int]:
    """Places in the pass that predict what is asked: of the rows' scored tokens in turn, tree by tree, and of
    the token after what is kept."""
    places, start = [], packet.start + packet.line
    for chosen, tree in one.trees:
        for r, path in zip(chosen, tree.paths, strict=True):
            scored = one.prompt.rows[r].scored
            line = [packet.start + packet.line - 1, *(start + node for node in path)]
            places += line[len(line) - scored :]
        start += len(tree.tokens)
    if one.prompt.kept:
        places.append(packet.start + one.prompt.kept - 1)
    return places


def _told(
    loaded: LoadedModel,
    one: _LaidOut,
    packet: Packet,
    logprobs: Tensor,
    row_of: dict[int, int],
) -> Told:
    prompt = one.prompt
    places = [row_of[place] for place in _asked(one, packet)]
    prefix = _prefix(loaded, prompt, packet, logprobs[places.pop()]) if prompt.kept else None
    order = [r for chosen, _ in one.trees for r in chosen]
    wanted = [token for r in order for token in prompt.rows[r].ids[-prompt.rows[r].scored :]]
    owner = [r for r in order for _ in range(prompt.rows[r].scored)]
    at, token, row = (
        torch.tensor(x, device=loaded.device, dtype=torch.long) for x in (places, wanted, owner)
    )
    picked = logprobs[at, token]
    return Told(picked.new_zeros(len(prompt.rows)).index_add(0, row, picked), prefix)


def _prefix(loaded: LoadedModel, prompt: Prompt, packet: Packet, next_logprobs: Tensor) -> Prefix:
    keys, values = packet.keys, packet.values
    ids, owners = prompt.line[: prompt.kept], list(prompt.owners[: prompt.kept])
    own = torch.tensor(owners, device=loaded.device, dtype=torch.long)
    if prompt.base is not None and prompt.base.ids:
        keys = [torch.cat(pair, dim=2) for pair in zip(prompt.base.keys, keys, strict=True)]
        values = [torch.cat(pair, dim=2) for pair in zip(prompt.base.values, values, strict=True)]
        own, ids = torch.cat([prompt.base.owners, own]), (*prompt.base.ids, *ids)
    return Prefix(tuple(ids), tuple(keys), tuple(values), own, next_logprobs.clone())
