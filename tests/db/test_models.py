"""Models: registered once, found by name, forgotten and brought back."""

from dataclasses import replace

import pytest

from db import models
from db.errors import BadInput, Conflict, NotFound
from db.models import ModelInfo
from db.store import Store

MODEL = ModelInfo("embedded", "/m", "r1", "llama", 7_000_000_000, 32_768, {"bos": True, "é": [1.5]})


def test_a_model_is_registered_once(store: Store) -> None:
    stored = models.register(store, MODEL)
    assert replace(stored, created_at=0.0) == MODEL
    assert models.get(store, "embedded") == stored
    fresh = models.register(store, replace(MODEL, revision="r2", parameters=1))
    assert (fresh.revision, fresh.parameters, fresh.created_at) == ("r2", 1, stored.created_at)
    with pytest.raises(Conflict, match="taken by the model /m"):
        models.register(store, replace(MODEL, source="/other", revision="r3"))
    assert models.listing(store) == [fresh]


def test_what_is_wrong_with_a_model_is_noted_and_taken_back(store: Store) -> None:
    model = models.register(store, MODEL)
    assert (model.broken, model.trouble) == ("", "")
    models.note(store, model, models.FOLDER, "its folder /m is gone.")
    noted = models.get(store, "embedded")
    assert noted.trouble == (
        "The model 'embedded' is broken: its folder /m is gone. Mend its folder, or use another model."
    )
    assert models.without_notes(noted.details) == MODEL.details
    models.note(store, model, models.LOADING, "NaN")  # of what was registered before: nothing is written
    assert models.get(store, "embedded") == noted
    models.note(store, noted, models.FOLDER, "")
    assert models.get(store, "embedded") == model
    models.note(store, model, models.LOADING, "NaN")
    assert models.get(store, "embedded").broken == "NaN"
    assert not models.register(store, MODEL).broken, "registered anew, nothing is known against it"


def test_models_are_found_and_forgotten(store: Store) -> None:
    with pytest.raises(NotFound, match="No model is registered yet"):
        models.get(store, "embedded")
    for name in ("embedded", "qwen", "a'b"):
        models.register(store, replace(MODEL, name=name))
    assert [model.name for model in models.listing(store)] == ["a'b", "embedded", "qwen"]
    with pytest.raises(NotFound, match="'embedded'"):
        models.get(store, "embeded")
    gone = models.delete(store, "qwen")
    (entry,) = models.deleted(store)
    assert entry.info == gone
    with pytest.raises(models.Removed, match=r"'qwen' was removed\. It is in the bin: restore it"):
        models.delete(store, "qwen")
    models.register(store, gone)
    assert len(models.listing(store)) == 3
    with pytest.raises(BadInput, match="model"):
        models.register(store, replace(MODEL, name=" "))
