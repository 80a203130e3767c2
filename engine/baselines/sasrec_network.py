"""The network of SASRec: a causal transformer over item numbers (arXiv 1808.09781).

It predicts the next item. Boundary: the network and the fitted scorer; `sasrec_training` trains it. Items are
row numbers, `items` is padding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engine.data.kept import Kept


@dataclass(frozen=True)
class Shape:
    """Size of the network, as in the paper's section 4.2 but for the width (there 50)."""

    items: int
    width: int = 64
    blocks: int = 2
    heads: int = 1
    longest: int = 50
    dropout: float = 0.2


class Block(nn.Module):
    """Attention, then a feed-forward of the same width: x + Dropout(g(LayerNorm(x))) each (section 3.3)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.before_attention, self.before_feed = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.inputs = nn.Linear(shape.width, 3 * shape.width)
        self.output = nn.Linear(shape.width, shape.width)
        self.feed = nn.Sequential(
            nn.Linear(shape.width, shape.width),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.width, shape.width),
        )
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor) -> Tensor:  # [batch, length, width]
        batch, length, width = x.shape
        split = self.inputs(self.before_attention(x)).view(batch, length, 3, self.shape.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [batch, heads, length, width / heads]
        dropout = self.shape.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        x = x + self.dropout(self.output(mixed.transpose(1, 2).reshape(batch, length, width)))
        return x + self.dropout(self.feed(self.before_feed(x)))


class Network(nn.Module):
    """Item numbers to a state per place whose product with an item's embedding is its logit."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.item = nn.Embedding(shape.items + 1, shape.width, padding_idx=shape.items)
        self.place = nn.Embedding(shape.longest, shape.width)
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.blocks)])
        self.last = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """States [batch, longest, width] of items [batch, longest], padded on the right.

        Places count to the newest item, which always stands at the last one, as with the paper's padding on
        the left; with causal attention the padding on the right is never seen.
        """
        steps = torch.arange(inputs.shape[1], device=inputs.device)
        places = (self.shape.longest - lengths[:, None] + steps).clamp(max=self.shape.longest - 1)
        x = self.dropout(self.item(inputs) * self.shape.width**0.5 + self.place(places))
        for block in self.blocks:
            x = block(x)
        return self.last(x)

    @torch.no_grad()
    def newest(self, histories: Sequence[Sequence[int]]) -> Tensor:
        """State after the newest item of each history [batch, width]; histories of at least one item."""
        inputs, lengths = padded(histories, self.shape)
        device = self.place.weight.device
        states = self(inputs.to(device), lengths.to(device))
        return states[torch.arange(len(lengths)), lengths - 1]


def padded(histories: Sequence[Sequence[int]], shape: Shape) -> tuple[Tensor, Tensor]:
    """The newest items of each history [batch, longest of them], padded on the right; lengths [batch]."""
    cut = [list(history[-shape.longest :]) for history in histories]
    longest = max(map(len, cut))
    rows = [row + [shape.items] * (longest - len(row)) for row in cut]
    return torch.tensor(rows), torch.tensor([len(row) for row in cut])


class Sasrec:
    """A fitted network with what was seen while it was fitted (`report`: recipe, curve, best epoch)."""

    def __init__(self, network: Network, report: dict) -> None:
        self.network, self.report = network.eval(), report

    def scores(
        self, history: Sequence[int], candidates: Sequence[int], before: int | None = None
    ) -> NDArray[np.float64]:
        """Logit of each candidate after the history [candidates]; the history has at least one item."""
        del before  # the weights know what they were trained on, whatever the moment
        state = self.network.newest([history])[0]
        embeddings = self.network.item.weight[torch.tensor(list(candidates), device=state.device)]
        return (embeddings @ state).detach().double().cpu().numpy()

    def kept(self) -> Kept:
        """Weights, shape and report."""
        return Kept(arrays(self.network), {"shape": asdict(self.network.shape), "report": self.report})


def rebuilt(kept: Kept) -> Sasrec:
    """The scorer of what `kept` gave, on the CPU."""
    network = Network(Shape(**kept.state["shape"]))
    fill(network, kept.tensors)
    return Sasrec(network, kept.state["report"])


def arrays(network: Network) -> dict[str, np.ndarray]:
    """The weights by name, copied to the CPU."""
    return {name: tensor.detach().cpu().clone().numpy() for name, tensor in network.state_dict().items()}


def fill(network: Network, tensors: Mapping[str, np.ndarray]) -> None:
    """Set the weights by name."""
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
