"""How SASRec is trained (on the CPU): cross-entropy over all items or over samples, early stop, checkpoints.

Every user's newest visible item is the validation target; the rest is trained on, long histories in pieces.
An epoch's order is drawn from seed and epoch alone, a step's negatives and dropout from seed and step, so a
run stopped by its progress callback or a kill and resumed from its checkpoint ends with the very same weights
(unless its time was limited: then with those of the moment).
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from db.canonical import digest
from db.datasets import DatasetColumns
from db.errors import BadInput, Conflict
from engine.baselines import saved
from engine.baselines.sasrec_network import Network, Sasrec, Shape, arrays, fill, padded
from engine.baselines.scorer import Progress
from engine.data.draws import generator
from engine.data.kept import Kept
from engine.evaluation.metrics import Standing, ndcg
from engine.progress import give_way, worked

LOSSES = ("full", "scaled")
CHECKPOINT = "sasrec checkpoint"
POOL = 20  # batches sorted by length together, so that a batch has little padding
KEEP_S = 20.0  # seconds of work between checkpoints within an epoch


@dataclass(frozen=True)
class Recipe:
    """How SASRec is fitted.

    `loss`: `full` = softmax over the catalogue; `scaled` = over the target and `negatives` items drawn
    uniformly for each batch, whose summed exponentials count items / negatives times (arXiv 2408.14238; with
    this factor the normalizer is an unbiased estimate of the full one). `patience`: epochs without a better
    validation NDCG after which it ends. `validation`: users it is measured on. An epoch is one pass over the
    data, or as many as make `steps` updates: after fewer, on small data, early stop sees noise.
    """

    loss: str = "full"
    seed: int = 0
    width: int = 64
    blocks: int = 2
    longest: int = 50
    dropout: float = 0.2
    batch: int = 128
    learning_rate: float = 1e-3
    negatives: int = 256
    epochs: int = 200
    patience: int = 5
    steps: int = 50
    validation: int = 1000


@dataclass
class State:
    """What a checkpoint keeps beside the tensors; `curve` has a line per epoch.

    step: updates in all; batch: those of the epoch under way, with the sum of their `losses`; items: targets
    trained on; seconds: of training and validation, over all processes that had a part in it.
    """

    epoch: int = 0
    batch: int = 0
    losses: float = 0.0
    step: int = 0
    items: int = 0
    best: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    stopped_because: str = ""
    curve: list[dict[str, float]] = field(default_factory=list)

    def over(self, recipe: Recipe, minutes: float | None) -> str:
        """Why nothing more is to be trained; empty where more is."""
        if self.epoch >= recipe.epochs:
            return f"{recipe.epochs} epochs are done"
        if self.epoch - self.best_epoch >= recipe.patience:
            return f"no better validation for {recipe.patience} epochs"
        if self.late(minutes):
            return f"{minutes:g} minutes are over"
        return ""

    def late(self, minutes: float | None) -> bool:
        """The time is up."""
        return minutes is not None and self.seconds >= 60 * minutes


def train(
    columns: DatasetColumns,
    mask: NDArray[np.bool_],
    recipe: Recipe,
    *,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    minutes: float | None = None,
) -> Sasrec:
    """Train on the interactions of the mask [n] and return the best epoch's network.

    `checkpoint`: file written every `KEEP_S` seconds and after each epoch, gone on from where it exists and
    removed at the end, unless the time ended it: given more, it resumes. `progress` may raise to stop; after
    each epoch it is also given `{"curve": [...]}`.
    `minutes`: of work after which the epoch under way is cut short. Raises BadInput for an unknown loss and
    for data where nobody has three visible interactions, Conflict for a checkpoint of something else.
    """
    if recipe.loss not in LOSSES:
        raise BadInput(f"loss is {recipe.loss!r}; it must be one of {', '.join(LOSSES)}.")
    histories = visible_histories(columns, mask)
    run = _Run(histories, len(columns.item_ids), recipe, progress or (lambda *_: None))
    if checkpoint and checkpoint.exists():
        run.resume(checkpoint)
    while not (reason := run.state.over(recipe, minutes)):
        run.epoch(checkpoint, minutes)
    run.state.stopped_because = reason
    fill(run.network, run.best)
    if checkpoint and run.state.over(recipe, None):
        checkpoint.unlink(missing_ok=True)
    return Sasrec(run.network, {"recipe": asdict(recipe), **asdict(run.state)})


def visible_histories(columns: DatasetColumns, mask: NDArray[np.bool_]) -> list[list[int]]:
    """Items of each user's visible interactions, oldest first; users with fewer than two are left out."""
    users, items = columns.user[mask], columns.item[mask]
    parts = np.split(items, np.flatnonzero(np.diff(users)) + 1)
    return [part.tolist() for part in parts if len(part) > 1]


def pieces(history: Sequence[int], longest: int) -> list[list[int]]:
    """A history as windows of at most `longest` + 1 items, each item but the oldest a target exactly once.

    A window starts with the item that ends the one before it; the newest window is full.
    """
    ends = range(len(history), 1, -longest)
    return [list(history[max(0, end - longest - 1) : end]) for end in ends]


class _Run:
    """A training run between two steps."""

    def __init__(self, histories: list[list[int]], items: int, recipe: Recipe, progress: Progress) -> None:
        content = hashlib.sha256(repr(histories).encode()).hexdigest()
        self.identity = digest([asdict(recipe), items, content])
        self.recipe, self.progress = recipe, progress
        self.shape = Shape(items, recipe.width, recipe.blocks, longest=recipe.longest, dropout=recipe.dropout)
        order = generator(recipe.seed).permutation(len(histories))
        self.validation = [histories[place] for place in order[: recipe.validation]]
        self.sequences = [
            piece
            for history in histories
            if len(history) > 2
            for piece in pieces(history[:-1], recipe.longest)
        ]
        if not self.sequences:
            raise BadInput("Nobody has three visible interactions: there is no sequence to learn from.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.network = Network(self.shape)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98)
        )
        self.state = State()
        self.best = arrays(self.network)

    def epoch(self, checkpoint: Path | None, minutes: float | None) -> None:
        """What is left of one epoch, then validation; the state moves on."""
        state = self.state
        order = generator(self.recipe.seed, state.epoch)
        batches = list(self._batches(order))
        kept = state.seconds
        while state.batch < len(batches) and not state.late(minutes):
            began = worked()
            state.losses += self._step(batches[state.batch])
            state.batch += 1
            state.step += 1
            state.seconds += worked() - began
            give_way()
            if checkpoint and state.seconds - kept > KEEP_S:
                self.keep(checkpoint)
                kept = state.seconds
            self.progress(*self._progress_line(state.epoch, state.batch / len(batches)))
        self._end_epoch()
        if checkpoint:
            self.keep(checkpoint)
        self.progress(*self._progress_line(state.epoch - 1, 1), {"curve": state.curve})

    def _end_epoch(self) -> None:
        began, state = worked(), self.state
        self.network.eval()
        ndcg = self._validated()
        state.epoch += 1
        if ndcg > state.best:
            state.best, state.best_epoch = ndcg, state.epoch
            self.best = arrays(self.network)
        state.seconds += worked() - began
        loss = state.losses / max(state.batch, 1)
        line = {"step": state.step, "tokens": state.items, "seconds": state.seconds, "loss": loss}
        state.curve.append({"epoch": state.epoch, **line, "validation": ndcg})
        state.batch, state.losses = 0, 0.0

    def _progress_line(self, epoch: int, share: float) -> tuple[float, str]:
        """How much is done of the epochs that early stop still allows, and a line."""
        state = self.state
        end = min(self.recipe.epochs, state.best_epoch + self.recipe.patience)
        best = f", validation NDCG {state.best:.4f} in epoch {state.best_epoch}" if state.best_epoch else ""
        return min((epoch + share) / max(end, 1), 1.0), f"SASRec epoch {epoch + 1}{best}"

    def _batches(self, order: np.random.Generator) -> Iterator[list[list[int]]]:
        """The sequences in random batches of similar length, once or as often as an epoch needs."""
        size = self.recipe.batch
        for _ in range(math.ceil(self.recipe.steps / math.ceil(len(self.sequences) / size))):
            places = order.permutation(len(self.sequences)).tolist()
            for start in range(0, len(places), POOL * size):
                pool = sorted(
                    places[start : start + POOL * size], key=lambda place: len(self.sequences[place])
                )
                for place in order.permutation(math.ceil(len(pool) / size)).tolist():
                    yield [self.sequences[number] for number in pool[place * size : (place + 1) * size]]

    def _step(self, batch: list[list[int]]) -> float:
        """One update; its random numbers are its own, so that it is the same in whichever process."""
        drawn = np.random.SeedSequence([self.recipe.seed, self.state.step]).generate_state(1, np.uint64)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(drawn >> 1))
            return self._update(batch)

    def _update(self, batch: list[list[int]]) -> float:
        self.network.train()
        inputs, lengths = padded([piece[:-1] for piece in batch], self.shape)
        targets, _ = padded([piece[1:] for piece in batch], self.shape)
        real = targets != self.shape.items
        states = self.network(inputs, lengths)[real]  # [places, width]
        if self.recipe.loss == "full":
            loss = full_loss(states, targets[real], self.network.item.weight[:-1])
        else:
            drawn = torch.randint(self.shape.items, (self.recipe.negatives,))
            loss = scaled_loss(states, targets[real], self.network.item.weight[:-1], drawn)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.state.items += int(real.sum())
        return loss.item()

    def _validated(self) -> float:
        """NDCG of the newest visible item over the whole catalogue, without a cut-off: of few users a cut-off
        keeps too few ranks to tell epochs apart."""
        total = 0.0
        for start in range(0, len(self.validation), self.recipe.batch):
            give_way()
            part = self.validation[start : start + self.recipe.batch]
            state = self.network.newest([history[:-1] for history in part])
            logits = (state @ self.network.item.weight[:-1].T).detach()  # [part, items]
            target = torch.tensor([history[-1] for history in part])
            own = logits.gather(1, target[:, None])
            above = torch.where(own[:, 0].isnan(), self.shape.items - 1, (logits > own).sum(1))
            tied = ((logits == own).sum(1) - 1).clamp(min=0)  # the target is equal to itself
            for counts in zip(above.tolist(), tied.tolist(), strict=True):
                total += ndcg(Standing(*counts), self.shape.items)
        return total / len(self.validation)

    def keep(self, path: Path) -> None:
        """Write weights, best weights, optimizer and state."""
        tensors = {f"now/{name}": tensor for name, tensor in arrays(self.network).items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam/{number}/{name}": value.cpu().numpy() for name, value in values.items()}
        state = {"identity": self.identity, "run": asdict(self.state)}
        saved.write(path, CHECKPOINT, Kept(tensors, state))

    def resume(self, path: Path) -> None:
        """Go on from what `keep` wrote. Raises Conflict where it is of another recipe or other data."""
        tensors, state = saved.read(path, CHECKPOINT)
        if state["identity"] != self.identity:
            raise Conflict(
                f"{path} is a checkpoint of another recipe or of other data. It was kept. Delete it or name "
                "another file to start anew."
            )
        fill(self.network, _under(tensors, "now/"))
        self.best = _under(tensors, "best/")
        adam: dict[str, Any] = self.optimizer.state_dict()
        for name, tensor in _under(tensors, "adam/").items():
            number, part = name.split("/")
            adam["state"].setdefault(int(number), {})[part] = torch.from_numpy(tensor)
        self.optimizer.load_state_dict(adam)
        self.state = State(**state["run"])


def full_loss(states: Tensor, targets: Tensor, embeddings: Tensor) -> Tensor:
    """Mean cross-entropy of targets [places] over all items; states [places, width]."""
    return functional.cross_entropy(states @ embeddings.T, targets)


def scaled_loss(states: Tensor, targets: Tensor, embeddings: Tensor, drawn: Tensor) -> Tensor:
    """Mean of log(e^t + a sum e^n) - t: t the target's logit, n those of the items `drawn` [negatives],
    a = other items / draws that are not the target (arXiv 2408.14238, eq. of the scaled cross-entropy)."""
    target = (states * embeddings[targets]).sum(-1, keepdim=True)  # [places, 1]
    same = drawn[None] == targets[:, None]  # [places, negatives]
    factor = (len(embeddings) - 1) / (~same).sum(1, keepdim=True).clamp(min=1)
    others = (states @ embeddings[drawn].T + factor.log()).masked_fill(same, -torch.inf)
    return (torch.cat([target, others], 1).logsumexp(1) - target[:, 0]).mean()


def _under(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
