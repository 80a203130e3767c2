"""A model's weight files: their headers, read before a single weight is.

Only safetensors is ever opened. Raises ModelError with the file, what is wrong and what to do.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from db.errors import ModelError
from engine.llm.loading.folder import check_file, line_of, read_json

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PLAIN = {"F64", "F32", "F16", "BF16"}
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class Weights:
    """`files`: of the safetensors. `numbers`: how many are stored in them. `nbytes`: their sizes."""

    files: tuple[Path, ...]
    numbers: int
    nbytes: int


def headers(folder: Path) -> Weights:
    """What the headers of a model's weight files say, all of them plain numbers."""
    weights, stored = described(folder)
    packed = {dtype for name, (dtype, _) in stored.items() if name.endswith(".weight")} - _PLAIN
    if packed:
        raise ModelError(
            f"The weights in {folder} are quantized (of type {', '.join(sorted(packed))}), and config.json "
            "does not say how. Take the model's bfloat16, float16 or float32 version."
        )
    return weights


def described(folder: Path) -> tuple[Weights, dict[str, tuple[str, tuple[int, ...]]]]:
    """The same of any numbers, and every tensor's dtype and shape."""
    files, stored = _files(folder), {}
    for file in files:
        try:
            with safe_open(file, framework="np") as opened:  # torch's way would reserve the file's size
                for name in opened.keys():  # noqa: SIM118
                    tensor = opened.get_slice(name)
                    stored[name] = (str(tensor.get_dtype()), tuple(tensor.get_shape()))
        except (SafetensorError, OSError, RuntimeError, ValueError) as error:
            raise ModelError(
                f"The weights file {file} is damaged ({line_of(error)}). Nothing was loaded; fetch it again."
            ) from error
    numbers = sum(prod(shape) for _, shape in stored.values())
    return Weights(files, numbers, sum(file.stat().st_size for file in files)), stored


def _files(folder: Path) -> tuple[Path, ...]:
    single, index = folder / _SINGLE, folder / _INDEX
    names = {_SINGLE}
    if index.exists():
        names = _named(index)
        if single.exists() and names != {_SINGLE}:
            raise ModelError(
                f"{folder} has its weights twice: {_SINGLE}, and {len(names)} files that {_INDEX} names. "
                f"Move {_SINGLE} or {_INDEX} elsewhere, whichever does not belong to this model."
            )
    elif not single.exists() and not single.is_symlink():
        if any(found for pattern in _PICKLES for found in folder.glob(pattern)):
            raise ModelError(
                f"{folder} has its weights only as pickle files (.bin or .pt), which can run code when "
                "opened. Dualens opens safetensors only: convert them with model.save_pretrained(folder)."
            )
        raise ModelError(f"{folder} has no weights: {_SINGLE} is missing.{_parts(folder)}")
    files = tuple(folder / name for name in sorted(names))
    for file in files:
        if not file.exists() and not file.is_symlink():
            raise ModelError(f"{folder} is incomplete: {file.name} is missing. Fetch it again.")
        check_file(file)
    return files


def _named(index: Path) -> set[str]:
    """The files that an index names; all of them lie beside it."""
    known = read_json(index).get("weight_map")
    names = set(map(str, known.values())) if isinstance(known, dict) else set()
    if not names or any(Path(name).name != name for name in names):
        raise ModelError(
            f"{index} does not say in its weight_map which files beside it hold the weights. Fetch it again."
        )
    return names


def _parts(folder: Path) -> str:
    count = len(list(folder.glob("*.safetensors")))
    return f" There are {count} other .safetensors files; their {_INDEX} is missing." if count else ""
