"""Loaded models kept for the next request, the least recently used one leaving first."""

from collections import OrderedDict
from pathlib import Path

import torch

from engine.llm.loading.load import LoadedModel, load
from engine.llm.loading.sources import locate


class Models:
    """At most `limit_bytes` of weights (and always the newest model). Not thread-safe: one per process.

    A model whose files changed on disk has another revision and is loaded anew.
    """

    def __init__(self, device: str = "auto", dtype: str = "auto", limit_bytes: int = 8 << 30) -> None:
        self.device, self.dtype, self.limit_bytes = device, dtype, limit_bytes
        self._kept: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()

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
        loaded = load(source, self.device, self.dtype)
        self._kept[key] = loaded
        while len(self._kept) > 1 and sum(m.nbytes for m in self._kept.values()) > self.limit_bytes:
            self._kept.popitem(last=False)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return loaded

    def _revision(self, source: str) -> str:
        """A hub model is asked for once per process; a folder's files are looked at each time (cheap)."""
        held = [revision for name, revision in self._kept if name == source]
        if held and not Path(source).expanduser().exists():
            return held[0]
        return locate(source, weights=False).revision

    def names(self) -> list[str]:
        """Sources held now, the most recently used last."""
        return [source for source, _ in self._kept]
