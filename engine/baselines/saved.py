"""What was trained as one file: tensors as safetensors, the rest as JSON in its header.

One file, so that tensors and numbers can never be of different moments; written beside and renamed, so that
a kill leaves the old one. Nothing is ever unpickled. Unlike an index (`engine.data.kept`), what took minutes
to train is never thrown away unasked.
"""

import json
from pathlib import Path

from db.errors import ModelError
from engine.data import kept
from engine.data.kept import Kept

HEADER = "dualens-baseline"


def write(path: Path, kind: str, what: Kept) -> None:
    """Replace the file in one step; makes its folder. Raises OSError."""
    kept.write(path, Kept(what.tensors, {**what.state, "kind": kind}), HEADER)


def read(path: Path, kind: str) -> Kept:
    """What a file of this kind holds; ModelError where it is damaged or something else."""
    from safetensors import SafetensorError, safe_open

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
    return Kept(tensors, state)
