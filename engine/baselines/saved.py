"""Fitted baselines and checkpoints as one file: tensors as safetensors, the rest as JSON in its header.

One file, so that tensors and numbers can never be of different moments; written beside and renamed, so that
a kill leaves the old one. Nothing is ever unpickled.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from db.canonical import canonical_json
from db.errors import ModelError

HEADER = "dualens-baseline"

Tensors = Mapping[str, np.ndarray]
State = dict[str, Any]
Kept = tuple[Tensors, State]
"""What a scorer is rebuilt from; the state names its `kind`."""


def write(path: Path, tensors: Tensors, state: State) -> None:
    """Replace the file in one step; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    contiguous = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    save_file(contiguous, fresh, metadata={HEADER: canonical_json(state)})
    os.replace(fresh, path)


def read(path: Path, kind: str) -> tuple[dict[str, np.ndarray], State]:
    """Tensors and state of a file of this kind; ModelError where it is damaged or something else."""
    try:
        with safe_open(path, framework="numpy") as handle:
            state = json.loads((handle.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read as a saved baseline ({error}). "
            "Delete it; the baseline is fitted again when asked for."
        ) from error
    if state.get("kind") != kind:
        raise ModelError(f"{path} holds {state.get('kind') or 'no baseline'}, not {kind}. Name another file.")
    return tensors, state
