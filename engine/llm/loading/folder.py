"""What a model's folder holds, looked at by names, kinds and sizes before anything in it is opened.

Only regular files are opened, and only up to the size that their kind can have. Raises ModelError with what
is there and what to do.
"""

import json
import os
import stat
from pathlib import Path

from db.errors import ModelError
from engine.data.confinement import refuse_store

CONFIG, ADAPTER = "config.json", "adapter_config.json"
# Configuration, tokenizer, chat template and recipe: all that is read beside the weights.
SMALL = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.vocab", "*.spm", "*.bpe", "*.codes")
READ = (*SMALL, "*.safetensors")
_TOKENIZER = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
_ENTRIES = 20_000  # in one folder; a model has dozens
_DEPTH = 64  # of objects and lists inside each other in JSON
_MIB = 1 << 20
_LINE = 300  # characters of a library's error that are quoted
# Bytes that a file of this name may have; the first pattern that fits counts.
_SIZES = {
    "tokenizer.json": 512 * _MIB,
    "vocab.json": 256 * _MIB,
    "*.index.json": 64 * _MIB,
    "tokenizer_config.json": 64 * _MIB,
    "*.json": 16 * _MIB,
    "*.jinja": 16 * _MIB,
    "*.model": 256 * _MIB,
    "merges.txt": 256 * _MIB,
    "vocab.txt": 256 * _MIB,
}
_TO_FULL = (
    "AutoPeftModelForCausalLM.from_pretrained(folder).merge_and_unload().save_pretrained(new_folder) "
    "with peft installed, and save the tokenizer beside it"
)
# What else people have, by a file that tells it: what it is, and what to do. The first that fits is said.
_OTHERS = {
    "*.gguf": ("a GGUF model", "Register it: dualens models --add FILE."),
    "model_index.json": ("a diffusion pipeline", "Take a causal language model."),
    "consolidated*": ("a checkpoint in its maker's own layout", "Take its Hugging Face version."),
    "*.mlmodel*": ("a Core ML model", "Take the model's safetensors version."),
    "*.onnx": ("an ONNX model", "Take the model's safetensors version."),
    "snapshots": ("a cache folder of the hub", "Give the folder in its snapshots/."),
    "pytorch_model*": ("pickled weights", "Save it with model.save_pretrained(folder)."),
}


def check_folder(folder: Path) -> None:
    """Refuse what is no complete model folder, and any file in it that cannot be read safely."""
    if not folder.exists():
        raise ModelError(f"{folder} is a link to a folder that is not there. Give the folder itself.")
    if not folder.is_dir():
        if folder.suffix == ".gguf":
            raise ModelError(f"{folder} is a GGUF model. Register it: dualens models --add FILE.")
        raise ModelError(
            f"{folder} is a file. Give the folder that holds config.json and model.safetensors, or a GGUF "
            "file."
        )
    names = _names(folder)
    _check_adapter(folder, names)
    if CONFIG not in names:
        raise ModelError(f"{folder} is not a model's folder: it has no config.json.{_instead(folder, names)}")
    for name in sorted(names):
        if any(Path(name).match(pattern) for pattern in READ):
            check_file(folder / name)
    if not any(name in names for name in _TOKENIZER):
        if found := next((name for name in names if name.endswith(".tiktoken")), None):
            raise ModelError(
                f"The tokenizer of {folder} is {found} alone, which only code of its own can read. Take a "
                "version of the model with a tokenizer.json."
            )
        raise ModelError(
            f"{folder} has no tokenizer (tokenizer.json or tokenizer.model). Save it beside the weights with "
            "tokenizer.save_pretrained(folder)."
        )


def read_json(path: Path) -> dict:
    """The JSON object in a file that is regular and not too large."""
    check_file(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        deep = _deeper(found, _DEPTH)
    except RecursionError:
        found, deep = {}, True
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({line_of(error)}).") from error
    if deep:
        raise ModelError(
            f"{path} is nested more than {_DEPTH} deep, as no model's is. Fetch the model again."
        )
    if not isinstance(found, dict):
        raise ModelError(f"{path} must hold a JSON object.")
    return found


def files_read(folder: Path) -> list[Path]:
    """The regular files of a folder that make the model what it is."""
    return [
        folder / name
        for name in sorted(_names(folder))
        if any(Path(name).match(pattern) for pattern in READ) and (folder / name).is_file()
    ]


def line_of(error: BaseException) -> str:
    """An exception's first line (two where it only announces the second), without a final full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    first = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return first[:_LINE].rstrip(".:")


def _names(folder: Path) -> set[str]:
    names: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.add(entry.name)
                if len(names) > _ENTRIES:
                    raise ModelError(
                        f"{folder} holds more than {_ENTRIES:,} files. Put the model's own into a folder of "
                        "their own and give that."
                    )
    except OSError as error:
        raise ModelError(f"The folder {folder} cannot be read: {error.strerror or error}.") from error
    return names


def check_file(path: Path) -> None:
    """Refuse a file that is not regular, cannot be read, is the store or larger than its kind can be."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            if stat.S_ISDIR(found.st_mode) and path.name not in (CONFIG, *_TOKENIZER):
                return
            raise ModelError(f"{path} is no regular file ({_kind(found.st_mode)}); it was not opened.")
        refuse_store(path)
        if not os.access(path, os.R_OK):
            raise ModelError(f"{path} cannot be read: its permissions do not allow it.")
    except OSError as error:
        if path.is_symlink():
            raise ModelError(f"{path} is a link to a file that is not there. Fetch it again.") from error
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    most = next((size for pattern, size in _SIZES.items() if path.match(pattern)), None)
    if most is not None and found.st_size > most:
        raise ModelError(
            f"{path} has {found.st_size / _MIB:,.0f} MiB, and such a file has at most {most // _MIB} MiB. "
            "It was not opened. Fetch the model again."
        )


def _kind(mode: int) -> str:
    kinds = {"a named pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK, "a folder": stat.S_ISDIR}
    return next((name for name, fits in kinds.items() if fits(mode)), "a device")


def _check_adapter(folder: Path, names: set[str]) -> None:
    """Adapter files are never applied, and never ignored where transformers might apply them."""
    found = sorted(name for name in names if name == ADAPTER or name.startswith("adapter_model."))
    if CONFIG in names:
        found = [name for name in found if name == ADAPTER]  # without it nobody applies the others
    if not found:
        return
    told = read_json(folder / ADAPTER) if ADAPTER in names else {}
    base = told.get("base_model_name_or_path")
    of = f" of the base model {base}" if isinstance(base, str) and base else ""
    what = "a LoRA adapter" if told.get("peft_type") == "LORA" else "an adapter"
    if CONFIG in names:
        files = " and ".join(sorted(name for name in names if name.startswith("adapter_")))
        raise ModelError(
            f"{folder} holds a whole model and {what}{of} ({files}), so it is not clear which of "
            "them is meant. If the adapter is merged into the weights already, or is not wanted, move its "
            f"files elsewhere; otherwise merge it: {_TO_FULL}."
        )
    raise ModelError(
        f"{folder} is not a whole model but {what}{of}. Register it, which merges the two: dualens models "
        "--add FOLDER."
    )


def _instead(folder: Path, names: set[str]) -> str:
    """What the folder is, or where in it a model is, as a sentence behind another one."""
    for pattern, (what, to_do) in _OTHERS.items():
        if any(Path(name).match(pattern) for name in names):
            return f" It looks like {what}. {to_do}"
    inside = sorted(name for name in names if (folder / name / CONFIG).is_file())
    if inside:
        return f" There is one in its subfolder {inside[-1]}: give {folder / inside[-1]}."
    return ""


def _deeper(value: object, most: int) -> bool:
    """Whether objects and lists stand inside each other more than `most` deep."""
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
