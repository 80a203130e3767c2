"""A model's tensors as they were loaded: all there, none left over, and all of them numbers.

Raises ModelError with the tensor's name and what to do.
"""

from math import isfinite
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PreTrainedModel

from db.errors import ModelError
from engine.llm.loading.precision import name_of
from engine.llm.loading.weights import headers


def check_complete(model: PreTrainedModel, loading: dict[str, Any], folder: Path) -> None:
    """loading: what transformers says of the names that it loaded.

    Tensors of parts that this model does not have (a vision tower, a value head) may be left over; those
    inside its own parts mean that config.json describes another model.
    """
    lacking = sorted(loading["missing_keys"]) + sorted(str(k[0]) for k in loading["mismatched_keys"])
    if lacking:
        raise ModelError(
            f"The weights in {folder} do not fit its config.json: {len(lacking)} tensors are missing "
            f"or have another shape, the first is {lacking[0]}."
        )
    parts = {name for name, _ in model.named_modules() if "." in name}
    learned = (str(name) for name in loading["unexpected_keys"] if str(name).endswith((".weight", ".bias")))
    left = sorted(name for name in learned if _inside(name, parts))
    if left:
        raise ModelError(
            f"The weights in {folder} do not fit its config.json: {len(left)} tensors belong to layers or "
            f"biases that it does not describe, the first is {left[0]}. Fetch the model again."
        )


def check_used(
    model: PreTrainedModel, loading: dict[str, Any], folder: Path, beside: tuple[str, ...]
) -> None:
    """The stricter check of weights that were computed back: nothing of a layer may be left over, but for
    names with the endings `beside`."""
    parts = {name for name, _ in model.named_modules() if name}
    deep = {name for name in parts if "." in name}
    left = sorted(
        name
        for name in map(str, loading["unexpected_keys"])
        if not name.endswith(beside) and (_inside(name, deep) or name.rpartition(".")[0] in parts)
    )
    if left:
        raise ModelError(
            f"{folder} stores its quantized weights in another way than its config.json says: {len(left)} "
            f"tensors were not used, the first is {left[0][:100]}. Take the model's bfloat16 or "
            "float16 version."
        )


def _inside(name: str, parts: set[str]) -> bool:
    """Whether a tensor stands somewhere within one of a model's parts."""
    above = name.split(".")[:-1]
    return any(".".join(above[:depth]) in parts for depth in range(2, len(above) + 1))


def check_numbers(model: PreTrainedModel, source: str, folder: Path, dtype: torch.dtype) -> None:
    """Raises ModelError, naming the tensor, where one holds NaN or infinity or most hold only zeros."""
    tables, empty = 0, []
    for name, tensor in model.named_parameters():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        largest = float(torch.linalg.vector_norm(tensor, ord=float("inf")))
        if not isfinite(largest):
            raise ModelError(_broken(name, source, folder, dtype))
        if tensor.ndim > 1:
            tables += 1
            empty += [name] if largest == 0 else []
    if len(empty) > tables / 2:
        raise ModelError(
            f"{len(empty)} of {tables} tensors in the weights of {source} hold only zeros, the first "
            f"is {empty[0]}: the files were not fetched to their end. Fetch them again."
        )


def _broken(name: str, source: str, folder: Path, dtype: torch.dtype) -> str:
    """Whether the file holds what is not finite, or reading it in this dtype made it so."""
    for file in headers(folder).files:
        with safe_open(file, framework="pt") as opened:
            if name in opened.keys() and bool(opened.get_tensor(name).isfinite().all()):  # noqa: SIM118
                return (
                    f"The tensor {name} of {source} has numbers that are too large for "
                    f"{name_of(dtype)}. Set DUALENS_DTYPE to bfloat16 or float32."
                )
    return (
        f"The tensor {name} of {source} holds NaN or infinity: its checkpoint is broken, as after a "
        "training that diverged. Take an earlier checkpoint, or fetch the model again."
    )
