"""What ranks on a machine of a Ray cluster: one model in memory, lists of titles in, numbers out.

Boundary: plain data in and out; no store, no data set, and nothing of Ray but what fetches files. Every
error that a person can mend says on which machine it happened.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.errors import DualensError, ModelError
from db.paths import typed
from db.version import ENGINE_VERSION, VERSION
from engine.llm.loading.identity import Identity
from engine.llm.loading.sources import locate, revision_of
from engine.llm.loading.sources import revision as revision_of_source
from engine.prompts import Template
from engine.tasks.answerer import Described, described

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.ranking import RankResult, Task

Files = Mapping[str, Any]
"""A model's folder elsewhere: what fetches the bytes of each file, by its name in the folder."""


@dataclass(frozen=True)
class Place:
    """Where an actor is, and which Dualens computes there."""

    host: str
    pid: int
    dualens: str


HERE = f"{VERSION} (engine {ENGINE_VERSION})"


class Ranker:
    """A process with at most one model. Methods raise DualensError as the engine does, naming the machine."""

    def __init__(self, device: str, dtype: str, threads: int, fetch: Callable[[Any], Any]) -> None:
        """device, dtype: as in the settings. threads: of PyTorch. fetch: reads a file of `Files`."""
        import torch

        torch.set_num_threads(max(1, threads))
        self._device, self._dtype, self._fetch = device, dtype, fetch
        self._loaded: LoadedModel | None = None
        self._host = socket.gethostname()

    def identity(self, revision: str, parameters: int) -> Identity:
        """What a model's numbers would depend on here besides what it is asked; loads nothing."""
        from engine.llm.loading.load import identify

        with self._naming():
            return identify(revision, parameters, self._device, self._dtype)

    def load(
        self, source: str, revision: str, templates: Sequence[Template], files: Files | None = None
    ) -> tuple[Place, Described] | None:
        """Load a model in place of the one before: where this is, and what runs say of it. None where this
        machine does not see it in this revision and no `files` were sent. Raises ModelError, OutOfMemory and
        BadInput."""
        from engine.llm.loading.load import load

        self._loaded = None
        with self._naming():
            if files is None:
                if not _seen(source, revision):
                    return None
                self._loaded = load(source, self._device, self._dtype)
            else:
                with self._written(source, files) as folder:
                    _check(folder, source, revision)
                    self._loaded = replace(load(str(folder), self._device, self._dtype), source=source)
            return Place(self._host, os.getpid(), HERE), described(self._loaded, templates)

    def rank(self, users: Sequence[Sequence[Task]]) -> list[list[RankResult]]:
        """The rankings of several users. Those of one are read side by side, and nothing is kept from others:
        that decides the last digits, and so it is without a cluster."""
        from engine.llm.scoring.ranking import rank_all

        assert self._loaded is not None, "load comes first"
        with self._naming():
            return [rank_all(self._loaded, tasks) if tasks else [] for tasks in users]

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except DualensError as error:
            raise type(error)(f"On {self._host}: {error}") from None

    @contextmanager
    def _written(self, source: str, files: Files) -> Iterator[Path]:
        """The files in a temporary folder, which is removed when the model is in memory."""
        with tempfile.TemporaryDirectory(prefix="dualens-") as home:
            folder = Path(home) / Path(source).name
            for name, file in files.items():
                place = folder / name
                place.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._fetch(file).tofile(place)
                except OSError as error:
                    raise ModelError(
                        f"{name} of {source} could not be written to {folder}: {error.strerror or error}. "
                        "Make room there, or put the model where all machines see it."
                    ) from error
            yield folder


def _seen(source: str, revision: str) -> bool:
    """Whether the files of this machine are those that were registered. A hub id is the hub's affair."""
    folder = typed(source)
    if folder.is_dir():
        return revision_of(folder) == revision
    if Path(source).is_absolute():
        return False
    try:
        return revision_of_source(locate(source)) == revision
    except ModelError:
        return False


def _check(folder: Path, source: str, revision: str) -> None:
    if (arrived := revision_of(folder)) != revision:
        raise ModelError(
            f"The files of {source} arrived as revision {arrived} and are registered as {revision}: they "
            "changed meanwhile. Run the same command again."
        )
