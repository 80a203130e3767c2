"""The training loop: it learns, stops, goes on after a kill, and meets a lack of memory."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from db.errors import ModelError, OutOfMemory
from engine import progress
from engine.tuning import trainer as training
from engine.tuning.trainer import Budget, State, Trainer, answer_losses, packed, rate_at
from engine.tuning.worlds import Sample
from tests.engine.conftest import FAMILIES, make_loaded


def fresh(family: str = "llama") -> torch.nn.Module:
    import copy

    model = copy.deepcopy(make_loaded(family).model).float()
    model.set_attn_implementation("sdpa")
    return model.requires_grad_(True).train()


def drawn(seed: str) -> Iterator[Sample]:
    """Two tokens in, their order reversed out: learnt in a few steps."""
    rng = random.Random(seed)
    while True:
        head = [rng.randrange(20, 40) for _ in range(rng.randint(1, 9))]
        ids = [*head, 5, head[-1]]
        yield Sample(ids, [0.0] * (len(ids) - 1) + [1.0], list(range(len(ids))))


def trainer(folder: Path, *, steps: int | None = 40, patience: int = 1000, **changes) -> Trainer:
    torch.manual_seed(0)
    validation = list(itertools.islice(drawn("validation"), 16))
    settings = {"seed": 1, "batch_tokens": 256, "learning_rate": 3e-3, **changes}
    return Trainer(fresh(), drawn, validation, Budget(None, steps, patience), folder=folder, **settings)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of work, in one cell: a fake clock on which every batch takes ten milliseconds."""
    now = [0.0]
    free = training.answer_losses

    def timed(*words: Any) -> Any:
        now[0] += 0.01
        return free(*words)

    monkeypatch.setattr(training, "worked", lambda: now[0])
    monkeypatch.setattr(training, "answer_losses", timed)
    return now


def silent(_state: State) -> None:
    """Progress for nobody."""


def test_it_learns_and_keeps_the_best_weights(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=120)
    state = run.run(silent)
    assert state.step == 120
    assert state.stopped_because == "all steps were done"
    first, best = state.curve[0]["validation"], state.best
    assert best < first - 1
    loss, weight = answer_losses(run.model.eval(), run.validation_set, run.device)
    assert loss.item() / weight == pytest.approx(best, abs=0.02)


def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    """The process is gone between two steps; the run that goes on from its checkpoint ends alike."""
    whole = trainer(tmp_path / "whole").run(silent)

    class Killed(Exception):
        pass

    def kill(state) -> None:
        if state.step == 17:
            raise Killed

    broken = trainer(tmp_path / "broken")
    with pytest.raises(Killed):
        broken.run(kill)
    again = trainer(tmp_path / "broken")
    assert again.state.step == 17
    done = again.run(silent)
    assert done.step == whole.step
    assert done.tokens == whole.tokens
    assert done.curve[-1]["validation"] == pytest.approx(whole.curve[-1]["validation"], abs=1e-3)


def test_it_stops_where_nothing_gets_better(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=400, patience=3, learning_rate=1e-12)
    state = run.run(silent)
    assert state.step < 400
    assert "nothing better" in state.stopped_because


@pytest.mark.usefixtures("clock")
def test_time_ends_it_too(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    run.budget = Budget(1.0, None, 1000)
    state = run.run(silent)
    assert state.stopped_because == "the time was up"
    assert 0.5 <= state.elapsed < 1.01, "the last validation is part of the time"


def test_a_validation_takes_a_small_part_of_the_time_and_all_reports_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    run = trainer(tmp_path)
    run.budget = Budget(2.0, None, 1000)
    free = training.answer_losses

    def slow(model: torch.nn.Module, batch: list[Sample], device: torch.device):
        if not torch.is_grad_enabled():
            clock[0] += 0.02 * len(batch)
        return free(model, batch, device)

    monkeypatch.setattr(training, "answer_losses", slow)
    said: list[str] = []
    state = run.run(lambda _: said.append(run.validating))
    assert training.LEAST_HELD_OUT <= state.held_out < 16
    assert f"validating, 0 of {state.held_out} answers" in said
    assert "" in said
    assert state.elapsed < 2.01
    again = trainer(tmp_path)
    assert again.state.held_out == state.held_out, "a resumed run validates on the same"


def test_a_step_that_was_stopped_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = trainer(tmp_path / "cut", steps=6)
    calls = iter(range(1000))

    def stop() -> None:
        if next(calls) == 30:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "POOL", 4)
    with monkeypatch.context() as patch:
        patch.setattr(training, "give_way", stop)
        with pytest.raises(KeyboardInterrupt):
            cut.run(silent)
    other = trainer(tmp_path / "other", steps=6).run(silent)
    resumed = trainer(tmp_path / "cut", steps=6).run(silent)
    assert resumed.tokens == other.tokens
    assert resumed.curve[-1]["validation"] == other.curve[-1]["validation"]
    assert resumed.step == 6


def test_a_lack_of_memory_halves_the_batch_and_changes_no_gradient(tmp_path: Path, monkeypatch) -> None:
    free = trainer(tmp_path / "free")
    free._step()
    true = training.answer_losses
    sizes: list[int] = []

    def tight(model, batch, device):
        sizes.append(len(batch) * max(len(sample.ids) for sample in batch))
        if sizes[-1] > 80:
            raise torch.OutOfMemoryError("no memory")
        return true(model, batch, device)

    monkeypatch.setattr(training, "answer_losses", tight)
    poor = trainer(tmp_path / "poor")
    poor._step()
    assert poor.state.batch_tokens < 256
    for name, value in free.trained.items():
        assert torch.allclose(value, poor.trained[name], atol=1e-4), name
    monkeypatch.setattr(
        training, "answer_losses", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no"))
    )
    with pytest.raises(OutOfMemory, match="LoRA"):
        trainer(tmp_path / "none")._step()


def test_validation_meets_a_lack_of_memory_too(tmp_path: Path, monkeypatch) -> None:
    true = training.answer_losses

    def tight(model, batch, device):
        if len(batch) > 8:
            raise torch.OutOfMemoryError("no memory")
        return true(model, batch, device)

    run = trainer(tmp_path, steps=2)
    monkeypatch.setattr(training, "answer_losses", tight)
    assert run.run(silent).step == 2


def test_a_loss_that_is_no_number_is_told(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    next(iter(run.trained.values())).data.fill_(float("nan"))
    with pytest.raises(ModelError, match="learning-rate"):
        run.run(silent)


def test_work_for_others_takes_nothing_off_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    elsewhere = 0

    def work_elsewhere(*_: State) -> None:
        nonlocal elsewhere
        with progress.aside():
            elsewhere += 1_000_000

    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: next(clock) + elsewhere))
    monkeypatch.setattr(progress, "_aside_s", 0.0)
    with progress.giving_way(work_elsewhere):
        state = trainer(tmp_path, steps=5).run(work_elsewhere)
    assert elsewhere >= 10_000_000, "between steps and between the parts of a step"
    assert 0 < state.elapsed < 1_000_000


def test_a_run_ended_anywhere_resumes_with_the_same_batch(tmp_path: Path) -> None:
    """Between two layers, forwards or backwards, with nothing of the step done."""
    calls = itertools.count()
    with progress.giving_way(lambda: next(calls) and None):
        whole = trainer(tmp_path / "whole", steps=4).run(silent)
    units = next(calls)
    assert units > 4 * 2 * 3, "forwards and backwards through three layers, four times"
    for stop_at in range(units // 4, units, units // 7):
        left = iter(range(stop_at))

        def end(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise InterruptedError

        folder = tmp_path / str(stop_at)
        with progress.giving_way(end), pytest.raises(InterruptedError):
            trainer(folder, steps=4).run(silent)
        state = trainer(folder, steps=4).run(silent)
        assert (state.step, state.place) == (whole.step, whole.place)
        assert state.tokens == whole.tokens
        assert state.curve[-1]["validation"] == whole.curve[-1]["validation"]


def test_a_batch_of_one_class_still_teaches() -> None:
    """A loss weighted by class would be 0 where a batch holds one class only."""
    model = fresh()
    batch = [Sample([25, 26, 27, 30], [0.0, 0.0, 0.0, 1.0], [0, 1, 2, 3])] * 4  # four times the same answer
    summed, weight = answer_losses(model, batch, torch.device("cpu"))
    (summed / weight).backward()
    assert float(summed.detach()) / weight > 1
    assert sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_only_weighted_tokens_count_and_padding_does_not(family: str) -> None:
    model, device = fresh(family).eval(), torch.device("cpu")
    batch = list(itertools.islice(drawn("x"), 5))
    with torch.no_grad():
        whole, weight = answer_losses(model, batch, device)
        alone = [answer_losses(model, [sample], device) for sample in batch]
    assert weight == 5
    assert float(whole) == pytest.approx(sum(float(loss) for loss, _ in alone), rel=0.02)
    sample = batch[0]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([sample.ids])).logits[0]
    true = -logits.log_softmax(-1)[-2, sample.ids[-1]]
    assert float(alone[0][0]) == pytest.approx(float(true), rel=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_with_a_rival_is_told_from_it_alone(family: str) -> None:
    """Binary cross-entropy of the two, whatever the rest of the vocabulary gets."""
    model, device = fresh(family).eval(), torch.device("cpu")
    plain = list(itertools.islice(drawn("x"), 3))
    batch = [replace(sample, rivals={len(sample.ids) - 1: 7}) for sample in plain[:2]]
    with torch.no_grad():
        found, weight = answer_losses(model, [*batch, plain[2]], device)
        rest = answer_losses(model, [plain[2]], device)[0]
        ends = [model(input_ids=torch.tensor([sample.ids])).logits[0, -2] for sample in batch]
    two = [torch.stack([end[sample.ids[-1]], end[7]]) for end, sample in zip(ends, batch, strict=True)]
    expected = sum(float(torch.nn.functional.cross_entropy(each, torch.tensor(0))) for each in two)
    assert weight == 3
    assert float(found - rest) == pytest.approx(expected, rel=0.02)


def test_batches_keep_to_their_tokens_and_lose_nothing() -> None:
    samples = list(itertools.islice(drawn("y"), 50))
    batches = list(packed(samples, 40))
    assert [sample for batch in batches for sample in batch] == samples
    assert all(len(batch) * max(len(s.ids) for s in batch) <= 40 for batch in batches)
    assert [len(batch) for batch in packed(samples, 1)] == [1] * 50


def test_the_rate_rises_then_falls_to_a_tenth() -> None:
    assert rate_at(0.0, 0) < 0.01
    assert rate_at(0.06, 10) == pytest.approx(1.0, abs=0.02)
    assert rate_at(1.0, 10_000) == pytest.approx(0.1)
