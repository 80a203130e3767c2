"""Attention of one packed pass: several prompts side by side in one row, none of which sees another.

A prompt is a line of tokens behind keys and values that are there already, and behind the line trees of
continuations. Everything but attention is computed for all tokens at once, whatever prompt they are of, so
that nothing is padded and small prompts fill the processor as well as a large one.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from engine.llm.attention import lens


@dataclass(frozen=True)
class Branches:
    """A tree of S tokens behind a line. lines [S, S]: which of them each looks at; depths [S]: how many stand
    before each."""

    lines: Tensor
    depths: Tensor


@dataclass
class Packet:
    """One prompt of the pass, whose tokens begin at `start` of the row: a line, then its trees.

    before_keys, before_values: per layer [1, Hkv, T, d], of what stands before the line; empty for nothing.
    owners [T + line]: demonstration of each of those tokens, -1 for none. log_alpha [k]: gate of the edges
    from the trees' tokens, which are of no demonstration, to them; None for plain; the line is never gated.
    keep: how many of the line's first tokens leave their keys and values in `keys` and `values`.
    """

    start: int
    line: int
    trees: list[Branches]
    before_keys: list[Tensor] = field(default_factory=list)
    before_values: list[Tensor] = field(default_factory=list)
    owners: Tensor | None = None
    log_alpha: Tensor | None = None
    keep: int = 0
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    _masks: dict[tuple[int, int | None], Tensor] = field(default_factory=dict)

    @property
    def before(self) -> int:
        """T, how many tokens stand before the line."""
        return self.before_keys[0].shape[2] if self.before_keys else 0

    def mask(self, tree: int, window: int | None, like: Tensor) -> Tensor:
        """Additive scores [S, n] of a tree on all that it may see, or of the line itself (tree -1); made once
        for all layers."""
        if (tree, window) not in self._masks:
            if tree < 0:
                made = lens.causal(self.before, self.line, window, like)[0]
            else:
                made = self._of_tree(self.trees[tree], window, like)
            self._masks[tree, window] = made
        return self._masks[tree, window]

    def _of_tree(self, tree: Branches, window: int | None, like: Tensor) -> Tensor:
        before, own = self.before + self.line, len(tree.depths)
        made = like.new_zeros(own, before + own)
        if self.log_alpha is not None and self.owners is not None:
            of_nobody = self.log_alpha.new_zeros(1)  # owner -1: the last
            made[:, :before] = torch.cat([self.log_alpha, of_nobody])[self.owners].to(made)
        seen = lens.branched(before, tree.lines, tree.depths, window, like)[0]
        made[:, -seen.shape[1] :] += seen
        return made


@dataclass
class Packed:
    """What the lens follows (`lens.looking`) while a packed pass runs."""

    packets: list[Packet]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
    ) -> Tensor:
        """query [1, H, N, d], key and value [1, Hkv, N, d]; returns [1, N, H, dv]."""
        output = value.new_empty(1, query.shape[2], query.shape[1], value.shape[-1])
        for packet in self.packets:
            _attend(packet, layer, query, key, value, scale, window, output.transpose(1, 2))
        return output


def _attend(
    packet: Packet,
    layer: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    window: int | None,
    output: Tensor,
) -> None:
    """Writes a prompt's part of output [1, H, N, dv]."""
    line = slice(packet.start, packet.start + packet.line)
    keys, values = key[:, :, line], value[:, :, line]
    if packet.keep:
        if len(packet.keys) != layer:
            raise lens.not_told_apart()
        # Copied, so that the memory of the whole pass is let go.
        packet.keys.append(keys[:, :, : packet.keep].clone())
        packet.values.append(values[:, :, : packet.keep].clone())
    if packet.before_keys:
        keys = torch.cat([packet.before_keys[layer], keys], 2)
        values = torch.cat([packet.before_values[layer], values], 2)
    if packet.line and packet.before_keys:
        mask = packet.mask(-1, window, query)
        output[:, :, line] = _masked(query[:, :, line], keys, values, mask, scale)
    elif packet.line:
        output[:, :, line] = lens.plain(query[:, :, line], keys, values, scale, window)
    # A gate is not to be rounded to the model's precision.
    work = query.dtype if packet.log_alpha is None else torch.promote_types(query.dtype, torch.float32)
    start = line.stop
    for n, tree in enumerate(packet.trees):
        at = slice(start, start := start + len(tree.depths))
        if n == 0 and not packet.before_keys:  # they stand side by side
            whole = slice(packet.start, at.stop)
            seen_keys, seen_values = key[:, :, whole], value[:, :, whole]
        else:
            seen_keys, seen_values = (
                torch.cat(pair, 2) for pair in ((keys, key[:, :, at]), (values, value[:, :, at]))
            )
        q = query[:, :, at].to(work)
        mask = packet.mask(n, window, q)
        output[:, :, at] = _masked(q, seen_keys.to(work), seen_values.to(work), mask, scale)


def _masked(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    grouped = query.shape[1] != key.shape[1]
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped
    )
