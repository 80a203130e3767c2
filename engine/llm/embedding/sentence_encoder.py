"""Titles as vectors of a sentence encoder in a local folder. Most need no more than transformers; what else
sentence-transformers knows needs that package, which is optional.

Nothing is downloaded and no code of the folder is run; weights are read from safetensors only.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.errors import BadInput, ModelError
from engine.data.confinement import check, real
from engine.llm.embedding.mean_pooled import MeanPooled, is_mean_pooled
from engine.llm.embedding.pooled_states import vector_bytes
from engine.llm.loading.digests import Digests
from engine.llm.loading.sources import revision_of
from engine.llm.scoring.memory import PrefillCache


def encoder_revision(folder: str, digests: Digests | None = None) -> str:
    """Digest of every byte of an encoder's files, those in subfolders too. Raises BadInput for no encoder."""
    place = _place(folder)
    if not (place / "modules.json").is_file():
        raise BadInput(
            f"embedding: {folder} is no folder of a sentence-transformers model (it has no modules.json)."
        )
    return revision_of(place, digests, deep=True)


def sentence_vectors(
    folder: str, titles: Sequence[str], device: str, cache: PrefillCache, digests: Digests | None = None
) -> NDArray[np.float32]:
    """One vector per title [n, width]. Raises BadInput (no such folder) or ModelError (cannot be loaded).

    digests: what is known of files read before. An encoder whose files changed is loaded again.
    """
    place, revision = _place(folder), encoder_revision(folder, digests)

    def make(missing: Sequence[Hashable]) -> Sequence[NDArray[np.float32]]:
        new = [key[-1] for key in missing]  # type: ignore[index]  # the keys below
        return list(np.asarray(_encoder(str(place), device, revision).encode(new), dtype=np.float32))

    keys = [("sentence", str(place), revision, device, title) for title in titles]
    return np.stack(cache.get_all(keys, make, vector_bytes))


def _place(folder: str) -> Path:
    check(folder)
    return real(folder)


@lru_cache(maxsize=1)
def _encoder(folder: str, device: str, _revision: str) -> Any:
    if is_mean_pooled(Path(folder)):
        return _loaded(folder, lambda: MeanPooled(Path(folder), device))
    try:
        from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ModelError(
            f"A sentence-transformers model needs a package that is not installed ({error}): pip install "
            "'dualens[embedding]' (in a checkout: '.[embedding]'). Or leave --embedding out: the "
            "ranking model's own states are used then."
        ) from error
    settings = {"local_files_only": True, "model_kwargs": {"use_safetensors": True}}
    return _loaded(folder, lambda: SentenceTransformer(folder, device=device, **settings))


def _loaded(folder: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"The sentence-transformers model in {folder} cannot be loaded: {str(error).splitlines()[0]}"
        ) from error
