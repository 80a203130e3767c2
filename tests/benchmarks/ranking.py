"""Time of prefix-shared ranking and of effects, beside plain forward passes, all measured in one run.

    python -m tests.benchmarks.ranking [--model FOLDER] [--repeats 5] [--threads 2]

Prints ratios; asserts nothing. Without --model: the embedded model, or a random one of its shape.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engine.llm import lens
from engine.llm.load import LoadedModel, load, own_attention
from engine.llm.measure import Task, demonstration_effects, rank_candidates
from engine.lrgd.effects import Estimator
from engine.prompts import Example, encode, render
from engine.prompts.segments import title_answer
from tests.engine.conftest import TITLES, make_loaded

EMBEDDED = Path(__file__).resolve().parents[2] / "engine" / "embedded"


def random_model() -> LoadedModel:
    """A random Llama of the embedded model's shape behind a tiny tokenizer."""
    base = make_loaded("llama")
    lens.register()
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=5,
        num_attention_heads=4,
        max_position_embeddings=2048,
    )
    config._attn_implementation = lens.NAME
    model = LlamaForCausalLM(config).requires_grad_(False).eval()
    fields = {**base.__dict__, "model": model, "layers": 5, "context_length": 2048}
    return LoadedModel(**{**fields, "name": "random, 5 M parameters"})


def title(i: int) -> str:
    return f"{TITLES[i % 10]} {TITLES[i // 10 % 10].split()[0]} {i}"


def task(demos: int, candidates: int) -> Task:
    """A request with `demos` demonstrations of 5 + 1 items, 10 history items and `candidates` candidates."""
    shown = tuple(Example(tuple(title(7 * b + i) for i in range(5)), title(7 * b + 5)) for b in range(demos))
    return Task(
        shown,
        tuple(title(100 + i) for i in range(10)),
        tuple(title(300 + i) for i in range(candidates)),
        target=3,
    )


def best_ms(work: Callable[[], object], repeats: int) -> float:
    """Shortest time of one call, after one call to warm up: what other programs did meanwhile stays out."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


@torch.no_grad()
def full_prompts(loaded: LoadedModel, asked: Task, candidates: int) -> None:
    """The stock way: one whole prompt per candidate, logits of the answer only."""
    prompt = encode(loaded.encoder, render("plain", "sum", asked.demos, asked.history)).ids
    for name in asked.candidates[:candidates]:
        answer = loaded.encoder.joined(title_answer(name))
        ids = torch.tensor([[*prompt, *answer]], device=loaded.device)
        logits = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1).logits
        torch.log_softmax(logits.float(), -1).cpu()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(EMBEDDED) if (EMBEDDED / "config.json").exists() else "")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    loaded = load(options.model) if options.model else random_model()
    print(f"{loaded.name} ({loaded.parameters:,} parameters), {loaded.device}, {loaded.dtype_name}, ", end="")
    print(f"{torch.get_num_threads()} threads; best of {options.repeats}")
    for count in (20, 100):
        asked = task(4, count)
        shared = best_ms(lambda a=asked: rank_candidates(loaded, a), options.repeats)
        runs = [rank_candidates(loaded, asked).timings_ms for _ in range(options.repeats)]
        with_demos = min(parts["prefill"] + parts["score"] for parts in runs)
        with own_attention(loaded.model):
            plain = best_ms(lambda a=asked, c=count: full_prompts(loaded, a, c), max(1, options.repeats // 2))
        print(
            f"rank {count:3d} candidates: shared {with_demos:8.1f} ms (and zero-shot: {shared:8.1f} ms), "
            f"one full prompt each {plain:8.1f} ms, ratio {plain / with_demos:5.1f}"
        )
    plan: tuple[tuple[int, Estimator], ...] = ((4, "exact"), (4, "path"), (8, "strata"), (8, "path"))
    for demos, estimator in plan:
        asked = task(demos, 20)
        with own_attention(loaded.model):
            plain = best_ms(lambda a=asked: full_prompts(loaded, a, 1), options.repeats)
        spent = best_ms(lambda a=asked, e=estimator: demonstration_effects(loaded, a, e), options.repeats)
        found = demonstration_effects(loaded, asked, estimator)
        left = best_ms(
            lambda a=asked, e=estimator: demonstration_effects(loaded, a, e, leave_one_out=True),
            options.repeats,
        )
        print(
            f"effects k={demos} {found.estimator} ({found.nodes} weightings, {found.tokens} tokens): "
            f"{spent:8.1f} ms, plain forward {plain:6.1f} ms, ratio {spent / plain:5.1f}; "
            f"with leave-one-out {left:8.1f} ms, ratio {left / plain:5.1f}"
        )


if __name__ == "__main__":
    main()
