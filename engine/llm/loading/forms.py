"""Forms of models other than a folder of safetensors: recognized by their files, without opening weights.

They are written once as such a folder (`unpack`), so that whatever reads models knows a single form.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from db.errors import ModelError
from db.paths import typed
from engine.llm.loading import quantized
from engine.llm.loading.digests import Digests
from engine.llm.loading.folder import ADAPTER, CONFIG, check_file, check_folder, read_json
from engine.llm.loading.sources import revision_of
from engine.unfinished import suffix

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ORIGIN = "ORIGIN.json"  # in an unpacked folder: what it was made from
UNPACK_VERSION = 1  # raised when the same files are unpacked to other numbers
_MAGIC = b"GGUF"
_SPLIT = "-of-"  # in the name of a GGUF model in several files: model-00001-of-00003.gguf


@dataclass(frozen=True)
class Packed:
    """A model to be unpacked. `form`: gguf, adapter or quantized. `path`: of the file, or of the folder."""

    form: str
    path: Path

    @property
    def base(self) -> str | None:
        """Folder or hub id of the model that an adapter changes."""
        return base_of(self.path) if self.form == "adapter" else None

    def check(self) -> None:
        """Raises ModelError where it cannot be unpacked here, as far as its configuration tells."""
        if self.form == "quantized":
            check_folder(self.path)
            quantized.check(self.path)

    def place(self, home: Path, digests: Digests) -> Path:
        """The folder that it is unpacked to: another one for every content."""
        return home / "models" / f"{self.form}-{UNPACK_VERSION}-{self._content(digests)[:12]}"

    def _content(self, digests: Digests) -> str:
        if self.base is None:
            return revision_of(self.path, digests) if self.path.is_dir() else digests.of(self.path)
        parts = [
            digests.of(self.path / name)
            for name in (ADAPTER, ADAPTER_WEIGHTS)
            if (self.path / name).is_file()
        ]
        base = typed(self.base)
        parts.append(revision_of(base, digests) if base.is_dir() else self.base)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def packed(source: str) -> Packed | None:
    """What a path holds if it must be unpacked; None for every other source. Raises ModelError."""
    path = typed(source)
    if not os.path.isdir(path):  # False, no error, for what can be no path
        named = path.suffix == ".gguf" and os.path.exists(path)
        return _gguf(path) if named or (os.path.isfile(path) and _begins(path)) else None
    if (path / ADAPTER).is_file():
        return None if (path / CONFIG).exists() else Packed("adapter", path)
    if any(path.glob("*.safetensors")):
        return Packed("quantized", path) if quantized.is_quantized(path) else None
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:5])
        raise ModelError(
            f"{path} holds {len(files)} GGUF files ({names}), which are models of their own or parts of "
            "one. Give the path of the one that is meant."
        )
    return _gguf(files[0]) if files else None


def unfinished(folder: Path, process: int) -> Path:
    """Where a folder is written before it is whole. `process`: the one that has it unpacked by a child, and
    removes what a killed child leaves."""
    return folder.with_name(f"{folder.name}{suffix(process)}")


def _gguf(file: Path) -> Packed:
    check_file(file)
    if _SPLIT in file.name:
        raise ModelError(
            f"{file} is one part of a model in several files. Join them with llama-gguf-split --merge, and "
            "give the joined file."
        )
    if not _begins(file):
        raise ModelError(f"{file} is no GGUF file: it does not begin with GGUF. Fetch it again.")
    return Packed("gguf", file)


def _begins(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}.") from error


def base_of(adapter: Path) -> str:
    """Folder or hub id of the model that an adapter changes. Raises ModelError where it names none."""
    base = read_json(adapter / ADAPTER).get("base_model_name_or_path")
    if not isinstance(base, str) or not base.strip():
        raise ModelError(f"{adapter / ADAPTER} does not name its base model (base_model_name_or_path).")
    return base.strip()


def origin_of(folder: Path) -> dict:
    """What an unpacked folder was made from; empty for every other one."""
    return read_json(folder / ORIGIN) if (folder / ORIGIN).is_file() else {}
