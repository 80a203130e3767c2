"""What one engine process holds: the store, the loaded models and the prompts' cached keys and values.

PyTorch is imported when a model is first needed, so that commands about data stay quick.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from db import models
from db.errors import ModelError, NotFound
from db.models import ModelInfo
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.loading.loaded_models import Models
    from engine.llm.scoring.memory import PrefillCache

EMBEDDED = Path(__file__).parent / "embedded"  # the model that ships with the project


class Engine:
    """One process's view of the store and of the models; not shared between threads."""

    def __init__(self, store: Store, settings: Settings):
        self.store = store
        self.settings = settings
        self.dtype = settings.dtype  # of the model loaded last
        self._names: dict[str, str] = {}  # source -> the name it is registered under

    @cached_property
    def models(self) -> Models:
        """The loaded models, least recently used ones dropped when memory is short."""
        from engine.llm.loading.loaded_models import Models

        return Models(device=self.settings.device, dtype=self.settings.dtype)

    @cached_property
    def prefills(self) -> PrefillCache:
        """Keys and values of prompts seen before, so that a changed weight recomputes only what follows."""
        from engine.llm.scoring.memory import PrefillCache

        return PrefillCache()

    def device(self) -> str:
        """The device models are put on here."""
        from engine.llm.loading.load import choose_device

        return str(choose_device(self.settings.device)[0])

    def loaded_models(self) -> list[str]:
        """Names of the models in memory, for the status line."""
        if "models" not in self.__dict__:
            return []
        return [self._names.get(source, source) for source in self.models.names()]

    def registered(self, name: str) -> ModelInfo:
        """The registered model of this name; a folder or hub id is registered on first use.

        A local folder whose files changed since is registered anew, so that no run of the old weights is
        served for the new ones. Raises `ModelError` where there is no such model.
        """
        try:
            known = models.get(self.store, name)
        except NotFound as error:
            try:
                return self.register(name, name)
            except ModelError as reason:
                raise ModelError(
                    f"{error} Nor can it be read as a model folder or hub id: {reason}"
                ) from reason
        if Path(known.source).exists():
            return self.register(name, known.source)
        return known

    def resolved(self, request: RunRequest) -> RunRequest:
        """The request with the model's own way of scoring where it asks for none. Raises `ModelError`."""
        return request.scored_by(self.registered(request.model).scoring)

    def register(self, name: str, source: str) -> ModelInfo:
        """Read a model's configuration (not its weights) and write it into the store."""
        from engine.llm.loading.load import inspect

        if Path(source).expanduser().is_dir():
            source = str(Path(source).expanduser().resolve())
        facts = inspect(source)
        info = ModelInfo(
            name=name,
            source=source,
            revision=facts.revision,
            architecture=facts.architecture,
            parameters=facts.parameters,
            context_length=facts.context_length,
            details=facts.details,
        )
        return models.register(self.store, info)

    def load(self, info: ModelInfo) -> LoadedModel:
        """The model itself, from memory where it is loaded already."""
        loaded = self.models.get(info.source)
        self.dtype = loaded.dtype_name
        self._names[info.source] = info.name
        return loaded

    def warm_up(self) -> None:
        """Load the embedded model ahead of the first question."""
        try:
            self.load(self.registered("embedded"))
        except ModelError:
            return  # the first job that needs it says what is wrong
