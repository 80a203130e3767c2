"""Loaded models kept for the next request, the least recently used one leaving first."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from db.paths import typed
from engine.llm.loading.digests import Digests
from engine.llm.loading.load import LoadedModel, Wording, load, wording
from engine.llm.loading.sources import locate, revision
from engine.progress import giving_way


class Models:
    """At most `limit_bytes` of weights (and always the newest model). Not thread-safe: one per process.

    A model whose files changed on disk has another revision and is loaded again.
    """

    def __init__(
        self,
        device: str = "auto",
        dtype: str = "auto",
        limit_bytes: int = 8 << 30,
        digests: Digests | None = None,
    ) -> None:
        self.device, self.dtype, self.limit_bytes = device, dtype, limit_bytes
        self._digests = digests or Digests()
        self._kept: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()
        self._pinned: frozenset[tuple[str, str]] = frozenset()
        self._worded: tuple[tuple[str, str], Wording] | None = None

    def get(self, source: str, revision: str | None = None) -> LoadedModel:
        """The model of a folder or hub id, loaded if it is not here. Raises what `load` raises.

        `revision`: of the model's files, where they were looked at for this request; a model held in it is
        given without another look.
        """
        if revision is None or (source, revision) not in self._kept:
            revision = self._revision(source)
        key = (source, revision)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        for old in [k for k in self._kept if k[0] == source]:
            del self._kept[old]
        with giving_way(None):  # a more urgent job that needs this model would load it once more
            loaded = load(source, self.device, self.dtype, self._digests)
        self._kept[key] = loaded
        self._trim(key)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return loaded

    def wording(self, source: str, revision: str) -> Wording | LoadedModel:
        """What prompts of a model are written with: of the model where it is here in this revision, else
        without its weights. Raises ModelError."""
        key = (source, revision)
        if key in self._kept:
            return self._kept[key]
        if self._worded is None or self._worded[0] != key:
            self._worded = key, wording(source)
        return self._worded[1]

    @contextmanager
    def all_kept(self) -> Iterator[None]:
        """The models held now stay inside the block, where a job runs that interrupts their user."""
        before = self._pinned
        self._pinned = frozenset(self._kept)
        try:
            yield
        finally:
            self._pinned = before

    def _trim(self, newest: tuple[str, str]) -> None:
        """Drop the least recently used models that may leave, until the rest is within the limit."""
        for key in [key for key in self._kept if key != newest and key not in self._pinned]:
            if sum(model.nbytes for model in self._kept.values()) <= self.limit_bytes:
                return
            del self._kept[key]

    def _revision(self, source: str) -> str:
        """A hub model is asked for once per process; a folder's files are looked at each time (cheap)."""
        held = [revision for name, revision in self._kept if name == source]
        if held and not typed(source).exists():
            return held[0]
        return revision(locate(source, weights=False), self._digests)

    def names(self) -> list[str]:
        """Sources held now, the most recently used last."""
        return [source for source, _ in self._kept]
