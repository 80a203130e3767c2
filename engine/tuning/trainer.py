"""Training a causal language model on samples: batches, optimizer, validation, early stop, checkpoints.

Knows token ids, loss weights and positions, nothing of data sets. A run is a function of its seed: killed and
started again it resumes from its last checkpoint with the same samples. Batches hold samples of like length
up to a budget of tokens; where memory runs out the budget is halved.
"""

import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from db.errors import ModelError, OutOfMemory
from engine.llm.loading.precision import half_is_faster
from engine.llm.scoring.memory import out_of_memory
from engine.progress import give_way, worked
from engine.tuning.worlds import Sample

POOL = 128  # samples sorted by length at a time
WARM_UP = 0.05  # of the run, and at most this many steps
WARM_UP_STEPS = 200
LAST_RATE = 0.1  # of the peak, at the end of the cosine (arXiv 2410.23136)
WEIGHT_DECAY = 0.01
VALIDATE_EVERY = 0.05  # of the run
VALIDATE_COST = 0.2  # of the time, at most
VALIDATION_SHARE = 0.1  # of the time, for one validation at most
LEAST_HELD_OUT = 8  # samples that validate, however little time there is
SAVE_EVERY_S = 60.0

Endless = Callable[[str], Iterator[Sample]]
Report = Callable[["State"], None]


@dataclass
class State:
    """Where a run stands. `elapsed`, `working`: seconds since its start, and of them in training steps.

    `validation_s`: seconds of the last validation; `held_out`: samples that validate, 0 for all there are.

    `loss`, `best`: of the answers, nats per token: mean since the last validation, best on validation.
    """

    step: int = 0
    tokens: int = 0
    elapsed: float = 0.0
    working: float = 0.0
    pool: int = 0
    place: int = 0
    batch_tokens: int = 0
    loss: float = math.nan
    best: float = math.inf
    worse: int = 0
    stopped_because: str = ""
    validation_s: float = 0.0
    held_out: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Budget:
    """The run ends at `seconds` or `steps`, or after `patience` validations without a better loss.

    The seconds hold the last validation, too: steps end early enough for it.
    """

    seconds: float | None
    steps: int | None
    patience: int

    def share(self, state: State) -> float:
        """How much of the run is over, 0 to 1."""
        shares = [state.elapsed / self._for_steps(state)] if self.seconds else []
        shares += [state.step / self.steps] if self.steps else []
        return min(1.0, max(shares))

    def late(self, state: State, step_s: float) -> bool:
        """Whether another step of `step_s` seconds would exceed the time."""
        return self.seconds is not None and state.elapsed + step_s > self._for_steps(state)

    def _for_steps(self, state: State) -> float:
        assert self.seconds is not None
        return max(self.seconds - state.validation_s, 0.05 * self.seconds)


def precision(device: torch.device) -> AbstractContextManager[Any]:
    """bf16 autocast where that is faster."""
    return torch.autocast(device.type, torch.bfloat16) if half_is_faster(device.type) else nullcontext()


def collate(batch: Sequence[Sample]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, loss weights and positions, ``[batch, longest]``, padded on the right with weight 0."""
    longest = max(len(sample.ids) for sample in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    weights = torch.zeros(len(batch), longest)
    positions = torch.zeros(len(batch), longest, dtype=torch.long)
    for row, sample in enumerate(batch):
        size = len(sample.ids)
        ids[row, :size] = torch.tensor(sample.ids)
        weights[row, :size] = torch.tensor(sample.weights)
        positions[row, :size] = torch.tensor(sample.positions)
    return ids, weights, positions


def answer_losses(
    model: torch.nn.Module, batch: Sequence[Sample], device: torch.device
) -> tuple[Tensor, float]:
    """Summed weighted loss of the samples' answers (nats), and the summed weight.

    Cross-entropy over the vocabulary; where a token has a rival, of the two: the binary cross-entropy of
    arXiv 2305.00447 and 2410.23136.
    """
    ids, weights, places = (part.to(device) for part in collate(batch))
    asked = torch.zeros_like(weights, dtype=torch.bool)
    asked[:, :-1] = weights[:, 1:] > 0  # the token before predicts
    # An explicit mask of ones: without it transformers takes position gaps for borders of packed sequences.
    # Padding stands on the right, where no answer sees it.
    with precision(device):
        logits = model(
            input_ids=ids,
            position_ids=places,
            attention_mask=torch.ones_like(ids),
            use_cache=False,
            logits_to_keep=asked,
        ).logits
    wanted, by = ids[:, 1:][asked[:, :-1]], weights[:, 1:][asked[:, :-1]]
    logits = logits.reshape(-1, logits.shape[-1]).float()
    rivals = rivals_of(batch, ids.shape[1]).to(device)[:, 1:][asked[:, :-1]]
    losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
    if (told := rivals >= 0).any():
        pair = torch.stack([wanted, rivals], dim=1)[told]
        two = logits[told].gather(1, pair)
        losses = losses.masked_scatter(told, torch.nn.functional.softplus(two[:, 1] - two[:, 0]))
    return (losses * by).sum(), float(by.sum())


def rivals_of(batch: Sequence[Sample], longest: int) -> Tensor:
    """The rival of each token, ``[batch, longest]``; -1 where it has none."""
    rivals = torch.full((len(batch), longest), -1, dtype=torch.long)
    for row, sample in enumerate(batch):
        for place, rival in sample.rivals.items():
            rivals[row, place] = rival
    return rivals


class Trainer:
    """One run over `endless` samples. `trained`: the parameters that change."""

    def __init__(
        self,
        model: torch.nn.Module,
        endless: Endless,
        validation: Sequence[Sample],
        budget: Budget,
        *,
        folder: Path,
        seed: int,
        batch_tokens: int,
        learning_rate: float,
    ) -> None:
        self.model, self.endless, self.validation_set = model, endless, validation
        self.budget, self.folder, self.seed, self.rate = budget, folder, seed, learning_rate
        self.device = next(model.parameters()).device
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.trained.values(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY
        )
        self.state = State(batch_tokens=batch_tokens)
        self._planned = batch_tokens  # a step's tokens stay the same where memory makes it run in parts
        self._report: Report = lambda _: None
        self.validating = ""  # in words, while it does
        self._held: tuple[int, list[list[Sample]]] = (-1, [])
        give_way_between_layers(model)
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, report: Report) -> State:
        """Train to the end of the budget; `report` is called after every step and may raise to stop.

        The weights are those of the best validation afterwards. Raises OutOfMemory.
        """
        state, self._report = self.state, report
        saved, began = worked(), worked() - state.elapsed
        if not state.curve:
            self._limit_validation()
            self._validate()
        next_check, not_before = self.budget.share(state) + VALIDATE_EVERY, 0.0
        total = weight = 0.0
        try:
            while not state.stopped_because:
                step_began = worked()
                loss, size = self._step()
                step_s = worked() - step_began
                total, weight = total + loss, weight + size
                state.loss = total / weight
                state.elapsed = worked() - began
                timed = self.budget.late(state, step_s)
                share = 1.0 if timed else self.budget.share(state)
                if share >= 1.0 or (share >= next_check and worked() >= not_before):
                    started = worked()
                    self._validate()
                    ended = worked()
                    not_before = ended + (ended - started) * (1 - VALIDATE_COST) / VALIDATE_COST
                    next_check, total, weight = share + VALIDATE_EVERY, 0.0, 0.0
                    if state.worse >= self.budget.patience:
                        state.stopped_because = f"{state.worse} validations brought nothing better"
                    elif share >= 1.0:
                        state.stopped_because = "the time was up" if timed else "all steps were done"
                if worked() - saved > SAVE_EVERY_S:
                    self.save()
                    saved = worked()
                state.elapsed = worked() - began
                report(state)
        finally:
            self.save()
        best = torch.load(self.folder / "best.pt", weights_only=True)
        with torch.no_grad():
            for name, value in best.items():
                self.trained[name].copy_(value)
        return state

    def save(self) -> None:
        """Write the checkpoint from which a killed run resumes."""
        kept = {"state": asdict(self.state), "optimizer": self.optimizer.state_dict()}
        _write(self.folder / "checkpoint.pt", {**kept, "trained": _values(self.trained)})

    def _resume(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        kept = torch.load(path, weights_only=True)
        with torch.no_grad():
            for name, value in kept["trained"].items():
                self.trained[name].copy_(value)
        self.optimizer.load_state_dict(kept["optimizer"])
        self.state = State(**kept["state"])

    def _step(self) -> tuple[float, float]:
        """One step on the next batch; the summed loss and weight of its answers."""
        state, started = self.state, worked()
        before = state.pool, state.place
        batch = self._next()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * rate_at(self.budget.share(state), state.step)
        try:
            loss, weight = self._in_memory(lambda: self._gradients(batch))
        except BaseException:
            state.pool, state.place = before  # ended within the step: a resumed run takes this batch again
            raise
        torch.nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        state.place += 1  # not before: a step that was stopped is done again
        state.step += 1
        state.tokens += sum(len(sample.ids) for sample in batch)
        state.working += worked() - started
        return loss, weight

    def _gradients(self, batch: Sequence[Sample]) -> tuple[float, float]:
        """Gradients of the mean answer loss, added up over parts of at most `batch_tokens` padded tokens."""
        self.optimizer.zero_grad(set_to_none=True)
        whole = sum(sum(weight for weight in sample.weights) for sample in batch)
        loss = 0.0
        for part in packed(batch, self.state.batch_tokens):
            give_way()
            summed, _ = answer_losses(self.model, part, self.device)
            (summed / whole).backward()
            loss += float(summed.detach())
        return loss, whole

    def _in_memory(self, work: Callable[[], tuple[float, float]]) -> tuple[float, float]:
        """Do the work, in ever smaller parts while memory runs out."""
        while True:
            try:
                return work()
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            self._halve()

    def _halve(self) -> None:
        state = self.state
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        state.batch_tokens //= 2
        if state.batch_tokens < 16:
            raise OutOfMemory(
                "Memory ran out while tuning, even for one sample at a time. Use LoRA, fewer demonstrations "
                "or a smaller model."
            )

    def _next(self) -> list[Sample]:
        """The next batch; a function of the seed and of how many steps were done."""
        state = self.state
        if state.place >= len(self._pool(state.pool)):
            state.pool, state.place = state.pool + 1, 0
        return self._pool(state.pool)[state.place]

    def _pool(self, number: int) -> list[list[Sample]]:
        """The batches of a pool of samples, in random order."""
        if self._held[0] != number:
            name = f"{self.seed}-{number}"
            drawn = []
            for sample in islice(self.endless(name), POOL):
                give_way()
                drawn.append(sample)
            drawn.sort(key=lambda sample: len(sample.ids))
            batches = list(packed(drawn, self._planned))
            random.Random(name).shuffle(batches)
            self._held = (number, batches)
        return self._held[1]

    @torch.no_grad()
    def _validate(self) -> None:
        """Note the loss on the validation samples; keep the weights where it is the best so far."""
        state, began = self.state, worked()
        self.model.eval()
        total, weight = self._in_memory(self._validation_loss)
        self.model.train()
        self.validating, state.validation_s = "", worked() - began
        mean = total / weight
        if not math.isfinite(mean):
            raise ModelError(
                f"After {state.step} steps the loss on what is held out is no number any more. Nothing was "
                "registered. Try a smaller --learning-rate, or another base."
            )
        state.worse = 0 if mean < state.best else state.worse + 1
        if mean < state.best:
            state.best = mean
            _write(self.folder / "best.pt", _values(self.trained))
        row = {"step": state.step, "tokens": state.tokens, "seconds": round(state.elapsed, 1)}
        loss = {} if math.isnan(state.loss) else {"loss": round(state.loss, 4)}
        state.curve.append({**row, **loss, "validation": round(mean, 4)})

    @torch.no_grad()
    def _limit_validation(self) -> None:
        """Let fewer samples validate where all would take too much of the time; noted in the state."""
        if self.budget.seconds is None:
            return
        middle = sorted(self.validation_set, key=lambda s: len(s.ids))[len(self.validation_set) // 2]
        began = worked()
        self._in_memory(lambda: (float(answer_losses(self.model, [middle], self.device)[0]), 1.0))
        affordable = int(VALIDATION_SHARE * self.budget.seconds / max(worked() - began, 1e-9))
        if affordable < len(self.validation_set):
            self.state.held_out = min(len(self.validation_set), max(LEAST_HELD_OUT, affordable))

    def _held_out(self) -> Sequence[Sample]:
        """The samples that validate, evenly taken from all there are."""
        whole, count = self.validation_set, self.state.held_out
        return [whole[at * len(whole) // count] for at in range(count)] if count else whole

    def _validation_loss(self) -> tuple[float, float]:
        total = weight = 0.0
        samples = sorted(self._held_out(), key=lambda s: len(s.ids))
        done = 0
        for part in packed(samples, self.state.batch_tokens):
            self.validating = f"validating, {done} of {len(samples)} answers"
            self._report(self.state)
            done += len(part)
            give_way()
            loss, size = answer_losses(self.model, part, self.device)
            total, weight = total + float(loss), weight + size
        return total, weight


def give_way_between_layers(model: torch.nn.Module) -> None:
    """From now on the model gives way before each of its layers, forwards and backwards."""

    def before(*_: object) -> None:
        give_way()

    def after(_module: torch.nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        hidden = output if isinstance(output, Tensor) else output[0]
        if hidden.requires_grad:
            hidden.register_hook(before)

    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):  # what transformers makes every decoder layer from
            layer.register_forward_pre_hook(before)
            layer.register_forward_hook(after)


def packed(samples: Sequence[Sample], tokens: int) -> Iterator[list[Sample]]:
    """Cut samples into batches of at most `tokens` tokens with padding, at least one sample each."""
    batch: list[Sample] = []
    longest = 0
    for sample in samples:
        longest = max(longest, len(sample.ids))
        if batch and (len(batch) + 1) * longest > tokens:
            yield batch
            batch, longest = [], len(sample.ids)
        batch.append(sample)
    if batch:
        yield batch


def rate_at(share: float, step: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to a tenth."""
    warm = min(1.0, max((step + 1) / WARM_UP_STEPS, share / WARM_UP))
    return warm * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * share)))


def _values(parameters: dict[str, torch.nn.Parameter]) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in parameters.items()}


def _write(path: Path, content: object) -> None:
    """Whole or not at all."""
    fresh = path.with_suffix(".new")
    torch.save(content, fresh)
    os.replace(fresh, path)
