"""A model's twin with random weights: same architecture, size, tokenizer and prompts, nothing learned."""

import copy
from dataclasses import replace

import torch
from transformers import AutoModelForCausalLM

from db.errors import OutOfMemory
from engine.llm.attention import lens
from engine.llm.loading.load import LoadedModel
from engine.llm.loading.precision import available_bytes, size_of


def random_twin(loaded: LoadedModel, seed: int = 0) -> LoadedModel:
    """The twin on the same device in the same dtype, initialized as its library does before any training.

    Raises OutOfMemory where it does not fit beside the model. Its numbers are kept apart by its name.
    """
    free = available_bytes(loaded.device)
    if loaded.nbytes > free:
        raise OutOfMemory(
            f"A twin of {loaded.name} with random weights needs {size_of(loaded.nbytes)} on {loaded.device}, "
            f"and {size_of(free)} are free. Choose a smaller model."
        )
    config = copy.deepcopy(loaded.model.config)
    if hasattr(config, "quantization_config"):
        delattr(config, "quantization_config")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, attn_implementation=lens.NAME)
    model = model.to(device=loaded.device, dtype=loaded.dtype).requires_grad_(False).eval()
    return replace(
        loaded,
        model=model,
        name=f"{loaded.name}, random weights",
        source=f"{loaded.source}#random",
        revision=f"random {seed}",
    )
