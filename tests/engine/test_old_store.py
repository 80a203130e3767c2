"""Runs of version 0.1.0 are shown, and asked again they are computed anew: their numbers were other ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db import runs
from db.errors import ModelError
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.llm.embedding import sentence_encoder
from engine.tasks.effects import effects
from engine.tasks.rank import rank
from engine.tasks.setup import register_embedded
from tests.db.stores import reading
from tests.db.stores.reading import EXPECTED

ASKED: tuple[dict[str, Any], ...] = (
    {"user": "c01", "demos": "none"},
    {"user": "c04", "history": 3},
    {"user": "c06", "embedding": "encoders/titles"},
    {"user": "c07", "prescore": "embedded"},
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine over the old store, its embedded model found again at its new place."""
    settings: Settings = reading.unpack(tmp_path_factory.mktemp("old") / "home")
    with Store.open(settings) as store:
        made = Engine(store, settings)
        register_embedded(made)
        yield made


def test_a_stored_run_is_shown_where_its_model_is_gone_and_not_taken_for_an_answer(tmp_path: Path) -> None:
    settings = reading.unpack(tmp_path / "home")
    expected = reading.run_of(user="c01", candidates=20)
    with Store.open(settings) as store:
        found = runs.by_key(store, expected["key"])
        assert found is not None
        with pytest.raises(ModelError, match=r"its folder .* is not there any more"):
            rank(Engine(store, settings), found.request)


@pytest.mark.parametrize("fields", ASKED, ids=str)
def test_a_run_asked_again_is_computed_anew_beside_the_old_one(
    engine: Engine, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence_encoder, "encoder_revision", lambda folder, digests: folder)
    expected = reading.run_of(**fields)
    before = runs.by_key(engine.store, expected["key"])
    again = rank(engine, RunRequest.from_json(expected["request"]))
    assert not again.cached
    assert again.key != expected["key"]
    assert runs.by_key(engine.store, expected["key"]) == before
    assert rank(engine, again.request).key == again.key


def test_effects_asked_again_are_measured_anew_beside_the_old_ones(engine: Engine) -> None:
    each = next(each for each in EXPECTED["effects"] if not each["options"].get("leave_one_out"))
    old = runs.by_key(engine.store, each["run_key"])
    assert old is not None
    run, found = effects(engine, replace(old.request, candidates=3), **each["options"])
    assert run.key != old.key
    assert found.effects_key not in {other["effects_key"] for other in EXPECTED["effects"]}
    assert each["effects_key"] in {kept.effects_key for kept in runs.effects(engine.store, old.key)}
