"""Train the embedded model: ``python -m engine.tuning.train_embedded --out engine/embedded --minutes 90``.

A Llama of 6.7 million parameters from scratch on prompts of ever new simulated worlds: copying until
induction is near perfect, then small almost deterministic worlds, then larger ones up to the simulated
store's size (the data of :mod:`engine.tuning.worlds`). It is trained shallow first and deepened for the last
stage by layers that start as the identity (arXiv 1511.05641): circuits form sooner, and steps are cheaper,
in fewer layers. The schedule follows the clock, so the same command
is right for slow and fast machines; the recipe and what was reached are written beside the weights. A
killed run resumes from its last checkpoint when the same command is given again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from db.canonical import digest
from engine.tuning.start import sketch_induction
from engine.tuning.tokenizer import train_tokenizer
from engine.tuning.trainer import collate, packed
from engine.tuning.worlds import SCALES, STAGES, Layout, Sample, samples

SHAPE = {"hidden_size": 256, "intermediate_size": 704, "num_attention_heads": 4}
#: Layers by stage.
LAYERS = {"copy": 5, "small": 5, "medium": 5, "store": 7}
CONTEXT = 2048
#: Tokens per step; small while circuits form, where the number of steps counts, not their precision.
BATCH_TOKENS = {"copy": 1280, "small": 3072, "medium": 4096, "store": 6144}
POOL = 160  # samples sorted by length at a time, so that a batch has little padding
PEAK = 1e-3
WARM_UP_STEPS = 50
DECAY_FROM = 0.65
#: Share of the time at which a stage ends at the latest, and the loss on answers below which it ends earlier.
STAGE_ENDS = {"copy": (0.1, 0.6), "small": (0.3, 0.0), "medium": (0.42, 0.0), "store": (1.0, 0.0)}
REPORT_EVERY = 50
CURVE_EVERY = 200
WORK = Path.home() / ".cache" / "dualens" / "embedded-training"
UNKNOWN = float("inf")
SAVE_EVERY_S = 120


@dataclass
class Progress:
    """What a checkpoint keeps beside weights and optimizer; ``elapsed`` in seconds of training."""

    step: int = 0
    tokens: int = 0
    elapsed: float = 0.0
    stage: str = "copy"
    curve: list[dict] = field(default_factory=list)


def build_model(vocabulary: int, seed: int, layers: int) -> LlamaForCausalLM:
    """The untrained model, float32."""
    torch.manual_seed(seed)
    settings = {"vocab_size": vocabulary, "max_position_embeddings": CONTEXT, "tie_word_embeddings": True}
    ends = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    config = LlamaConfig.from_dict({**settings, **ends, **SHAPE, "num_hidden_layers": layers})
    model = LlamaForCausalLM(config)
    # Embeddings of norm 1 (shared with the output): copying a token then is an identity map from the start.
    torch.nn.init.normal_(model.get_parameter("model.embed_tokens.weight"), std=SHAPE["hidden_size"] ** -0.5)
    sketch_induction(model, torch.Generator().manual_seed(seed))
    return model


def deepened(model: LlamaForCausalLM, layers: int, seed: int) -> LlamaForCausalLM:
    """The same function with more layers: what the new ones add to the stream is 0 to begin with."""
    deeper = build_model(model.config.vocab_size, seed, layers)
    deeper.load_state_dict(model.state_dict(), strict=False)
    for number in range(model.config.num_hidden_layers, layers):
        for name in ("self_attn.o_proj", "mlp.down_proj"):
            torch.nn.init.zeros_(deeper.get_parameter(f"model.layers.{number}.{name}.weight"))
    return deeper


def batches(layout: Layout, seed: int, stage: str) -> Iterator[list[Sample]]:
    """Endless batches of samples of similar length, at most ``BATCH_TOKENS`` of the stage with padding."""
    rng = random.Random(seed)
    shares = STAGES[stage]
    sources = {kind: samples(layout, seed, kind) for kind in shares}
    while True:
        kinds = rng.choices(list(shares), weights=list(shares.values()), k=POOL)
        pool = sorted((next(sources[kind]) for kind in kinds), key=lambda s: len(s.ids))
        groups = list(packed(pool, BATCH_TOKENS[stage]))
        rng.shuffle(groups)
        yield from groups


def loss_on(model: torch.nn.Module, batch: list[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted mean loss, and the mean over answer tokens alone (weight 1), in nats per token."""
    ids, weights, positions = collate(batch)
    # An explicit mask of ones: without it transformers takes position gaps for borders of packed sequences.
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(
            input_ids=ids, position_ids=positions, attention_mask=torch.ones_like(ids), use_cache=False
        ).logits
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    weight = weights[:, 1:].flatten()
    answers = (weight == 1).float()
    losses = losses * weight
    return losses.sum() / weight.sum(), (losses.detach() * answers).sum() / answers.sum()


class Optimizer:
    """Muon for the matrices of the layers, AdamW for embeddings and norms; one learning rate schedule."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        inner = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers." in n]
        outer = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers." in n)]
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(inner, lr=PEAK, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(outer, lr=PEAK, betas=(0.9, 0.99), weight_decay=0.0),
        ]
        self.parameters = inner + outer

    def step(self, rate: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for part in self.parts:
            part.param_groups[0]["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)


def learning_rate(step: int, share: float) -> float:
    """Linear warm-up over steps, constant, then linear to 2 % of the peak over the last part of the time."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    cold = 1.0 if share < DECAY_FROM else max(0.02, (1 - share) / (1 - DECAY_FROM))
    return PEAK * warm * cold


def next_stage(stage: str, share: float, answer_loss: float) -> str:
    """The stage to train on, given the share of the time that is over and the recent loss on answers."""
    until, enough = STAGE_ENDS[stage]
    names = list(STAGE_ENDS)
    over = share >= until or answer_loss < enough
    return names[min(names.index(stage) + 1, len(names) - 1)] if over else stage


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path, recipe: dict) -> None:
    """Write a Hugging Face folder with bf16 weights, replacing an older one in one step."""
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    state = {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}
    config = LlamaConfig.from_dict({**model.config.to_dict(), "dtype": "bfloat16"})
    plain = LlamaForCausalLM(config)
    plain.load_state_dict(state)
    plain.bfloat16().save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    (fresh / "RECIPE.json").write_text(json.dumps(recipe, indent=1) + "\n")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def data_fingerprint(layout: Layout, seed: int) -> str:
    """SHA-256 over the first samples of every kind: equal where the generators would make the same data."""
    kinds = ("copy", *SCALES)
    return digest([[s.ids for s in itertools.islice(samples(layout, seed, kind), 50)] for kind in kinds])


def recipe(progress: Progress, seed: int, minutes: float, parameters: int, fingerprint: str) -> dict:
    """What made the weights: enough to do it again."""
    return {
        "command": f"python -m engine.tuning.train_embedded --minutes {minutes:g} --seed {seed}",
        "seed": seed,
        "data_fingerprint": fingerprint,
        "shape": {**SHAPE, "parameters": parameters, "context": CONTEXT},
        "layers": LAYERS,
        "batch_tokens": BATCH_TOKENS,
        "optimizer": {"matrices": "Muon", "embeddings": "AdamW", "peak": PEAK, "decay_from": DECAY_FROM},
        "stages": STAGES,
        "stage_ends": STAGE_ENDS,
        "scales": {name: asdict(scale) for name, scale in SCALES.items()},
        "steps": progress.step,
        "tokens": progress.tokens,
        "training_minutes": round(progress.elapsed / 60, 1),
        "curve": progress.curve,
    }


def save(path: Path, model: LlamaForCausalLM, optimizer: Optimizer, progress: Progress) -> None:
    """Write the checkpoint from which a killed run resumes."""
    state = {
        "layers": model.config.num_hidden_layers,
        "model": model.state_dict(),
        "optimizer": [part.state_dict() for part in optimizer.parts],
        "progress": asdict(progress),
    }
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def resume(path: Path, vocabulary: int, seed: int) -> tuple[LlamaForCausalLM, Optimizer, Progress]:
    """What the checkpoint holds, or a fresh start."""
    state = torch.load(path, weights_only=True) if path.exists() else None
    model = build_model(vocabulary, seed, state["layers"] if state else LAYERS["copy"])
    optimizer = Optimizer(model)
    if state is None:
        return model, optimizer, Progress()
    model.load_state_dict(state["model"])
    for part, saved in zip(optimizer.parts, state["optimizer"], strict=True):
        part.load_state_dict(saved)
    return model, optimizer, Progress(**state["progress"])


class Training:
    """One run: model, optimizer and progress, taken up from ``work`` where a checkpoint lies there."""

    def __init__(self, work: Path, minutes: float, seed: int) -> None:
        work.mkdir(parents=True, exist_ok=True)
        if not (work / "tokenizer" / "tokenizer.json").exists():
            train_tokenizer(seed, work / "tokenizer")
        self.work, self.minutes, self.seed = work, minutes, seed
        self.tokenizer = AutoTokenizer.from_pretrained(work / "tokenizer")
        self.layout = Layout(self.tokenizer)
        self.model, self.optimizer, self.progress = resume(work / "checkpoint.pt", len(self.tokenizer), seed)
        self.loss = self.answers = UNKNOWN

    def run(self) -> None:
        """Train until the minutes are over; prints speed, losses and time left."""
        progress, limit = self.progress, self.minutes * 60
        began = saved = time.monotonic()
        began -= progress.elapsed
        stream = self._stream()
        while progress.elapsed < limit:
            share = progress.elapsed / limit
            stage = next_stage(progress.stage, share, self.answers)
            if stage != progress.stage:
                progress.stage, self.loss, self.answers = stage, UNKNOWN, UNKNOWN
                stream = self._stream()
            if LAYERS[stage] > self.model.config.num_hidden_layers:
                self.model = deepened(self.model, LAYERS[stage], self.seed)
                self.optimizer = Optimizer(self.model)
            self._step(next(stream), learning_rate(progress.step, share))
            progress.elapsed = time.monotonic() - began
            if progress.step % REPORT_EVERY == 0:
                self._report()
            if time.monotonic() - saved > SAVE_EVERY_S or progress.elapsed >= limit:
                save(self.work / "checkpoint.pt", self.model, self.optimizer, progress)
                self.export(self.work / "model")
                saved = time.monotonic()

    def export(self, folder: Path) -> None:
        """Write the model as it is now."""
        parameters = sum(p.numel() for p in self.model.parameters())
        fingerprint = data_fingerprint(self.layout, self.seed)
        described = recipe(self.progress, self.seed, self.minutes, parameters, fingerprint)
        export(self.model, self.tokenizer, folder, described)

    def _stream(self) -> Iterator[list[Sample]]:
        return batches(self.layout, self.seed * 1000 + self.progress.step, self.progress.stage)

    def _step(self, batch: list[Sample], rate: float) -> None:
        loss, answers = loss_on(self.model, batch)
        loss.backward()
        self.optimizer.step(rate)
        self.progress.step += 1
        self.progress.tokens += sum(len(sample.ids) for sample in batch)
        self.loss = _smoothed(self.loss, float(loss.detach()))
        self.answers = _smoothed(self.answers, float(answers))

    def _report(self) -> None:
        progress = self.progress
        minutes = progress.elapsed / 60
        print(
            f"step {progress.step} {progress.stage} tokens {progress.tokens / 1e6:.2f}M loss {self.loss:.3f} "
            f"answers {self.answers:.3f} {progress.tokens / progress.elapsed:.0f} tokens/s on average, "
            f"{self.minutes - minutes:.1f} min left",
            flush=True,
        )
        if progress.step % CURVE_EVERY == 0:
            row = {"step": progress.step, "stage": progress.stage, "tokens": progress.tokens}
            losses = {"loss": round(self.loss, 3), "answers": round(self.answers, 3)}
            progress.curve.append({**row, "minutes": round(minutes, 1), **losses})


def _smoothed(old: float, new: float) -> float:
    return new if old == UNKNOWN else 0.95 * old + 0.05 * new


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded model from scratch on simulated worlds.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--work", type=Path, default=WORK, help="checkpoints; delete it to start again")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    training = Training(arguments.work, arguments.minutes, arguments.seed)
    training.run()
    training.export(arguments.out)


if __name__ == "__main__":
    main()
