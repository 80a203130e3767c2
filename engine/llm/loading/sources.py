"""Where a model comes from: a folder or a hub id, checked before a single weight is read.

Everything ends as a local folder. Only safetensors weights are ever fetched or opened, and no code of a
model's own is run (trust_remote_code stays off). Raises ModelError with what is wrong and what to do.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors as hub_errors

from db.errors import ModelError
from db.paths import typed
from engine.llm.loading.digests import Digests
from engine.llm.loading.folder import READ, SMALL, check_file, check_folder, files_read, line_of

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_OF_THIS_PROCESS = Digests()


@dataclass(frozen=True)
class Source:
    """A model's files on this machine. `local`: a folder that was given, not one of the hub's cache."""

    name: str
    source: str
    folder: Path
    local: bool


def check_source(source: str) -> bool:
    """Whether a source is a folder, which is checked then, and not a hub id. Fetches nothing."""
    folder = typed(source)
    if _exists(folder):
        check_folder(folder)
        return True
    if not _HUB_ID.fullmatch(source):
        raise ModelError(f"There is no folder {folder}. Give a model's folder, or a hub id such as org/name.")
    return False


def locate(source: str, *, weights: bool = True) -> Source:
    """The folder of a model, checked; no weight is read.

    A hub id is downloaded (weights only if asked for) or taken from the cache.
    """
    folder = typed(source)
    local = check_source(source)
    if not local:
        folder = _from_hub(source, weights)
        check_folder(folder)
    return Source(folder.resolve().name if local else source.split("/")[-1], source, folder, local)


def _exists(folder: Path) -> bool:
    try:
        return folder.exists() or folder.is_symlink()
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(folder)!r} is no path: {line_of(error)}.") from error


def _from_hub(name: str, weights: bool) -> Path:
    patterns = [*(READ if weights else SMALL)]
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (hub_errors.GatedRepoError, hub_errors.RepositoryNotFoundError) as error:
        raise ModelError(
            f"The hub has no model '{name}' that can be read from here, and there is no folder of that name. "
            "Check the spelling, or log in with `hf auth login` if it is private."
        ) from error
    except hub_errors.HFValidationError as error:
        raise ModelError(f"'{name}' is neither a folder nor a hub id ({line_of(error)}).") from error
    except (hub_errors.LocalEntryNotFoundError, hub_errors.HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"There is no folder '{name}', and the model hub cannot be reached from here ({line_of(error)}). "
            "Give a folder, or try again with a network."
        ) from error


def revision(place: Source, digests: Digests | None = None) -> str:
    """Changes whenever config, tokenizer or weights change. digests: what is known of files read before."""
    return revision_of(place.folder, digests) if place.local else place.folder.name


def revision_of(folder: Path, digests: Digests | None = None, *, deep: bool = False) -> str:
    """Digest of every byte that is read of a model's folder; `deep`: of its subfolders too."""
    known = digests or _OF_THIS_PROCESS
    below = {file for name in READ for file in folder.glob(f"**/{name}") if file.is_file()} if deep else ()
    files = sorted(below or files_read(folder))
    whole = hashlib.sha256()
    for file in files:
        check_file(file)
        name = file.relative_to(folder).as_posix()
        whole.update(f"{name}\0{file.stat().st_size}\0{known.of(file)}\n".encode())
    return whole.hexdigest()[:12]
