"""Models, workers, demonstrations, candidate lists and texts."""

from dataclasses import replace

import pytest

from db import candidates, datasets, demonstrations, models, texts, workers
from db.candidates import CandidateList
from db.datasets import DatasetInfo
from db.demonstrations import Demonstration, demonstration_id
from db.errors import BadInput, Conflict, NotFound
from db.models import ModelInfo
from db.store import Store
from db.workers import Worker
from tests.toys import toy_columns

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


def test_models_are_found_and_forgotten(store: Store) -> None:
    with pytest.raises(NotFound, match="No model is registered yet"):
        models.get(store, "embedded")
    for name in ("embedded", "qwen", "a'b"):
        models.register(store, replace(MODEL, name=name))
    assert [model.name for model in models.listing(store)] == ["a'b", "embedded", "qwen"]
    with pytest.raises(NotFound, match="'embedded'"):
        models.get(store, "embeded")
    gone = models.delete(store, "qwen")
    with pytest.raises(NotFound):
        models.delete(store, "qwen")
    models.register(store, gone)
    assert len(models.listing(store)) == 3
    with pytest.raises(BadInput, match="model"):
        models.register(store, replace(MODEL, name=" "))


def test_workers_beat_and_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("host:1", 1, "host", "cpu", "float32", "ready")
    workers.beat(store, worker)
    workers.beat(store, replace(worker, state="busy", message="rank", models=["embedded"]))
    alive = workers.alive(store)
    assert [(one.owner, one.state, one.message, one.models) for one in alive] == [
        ("host:1", "busy", "rank", ["embedded"])
    ]
    now = alive[0].beat_at
    workers.beat(store, replace(worker, owner="host:2"))
    workers.gone(store, "host:2")
    workers.gone(store, "host:2")
    assert len(workers.alive(store)) == 1
    monkeypatch.setattr("db.workers.time.time", lambda: now + 60)
    assert workers.alive(store) == []
    assert len(workers.alive(store, within_s=100)) == 1


def test_workers_silent_for_a_day_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("host:1", 1, "host", "cpu", "float32", "ready")
    workers.beat(store, worker)
    now = workers.alive(store)[0].beat_at
    monkeypatch.setattr("db.workers.time.time", lambda: now + 25 * 3600)
    workers.beat(store, replace(worker, owner="host:2"))
    assert [one.owner for one in workers.alive(store, within_s=1e9)] == ["host:2"]


def demonstration(info: DatasetInfo, **changes) -> Demonstration:
    one = Demonstration("", info.id, "neighbours", "u1", ("i1", "i2"), "i3", 2, 1_000, None)
    one = replace(one, **changes)
    content = (one.user_id, one.history, one.answer, one.position, one.text_override)
    return replace(one, id=demonstration_id(info.fingerprint, *content))


def test_the_identity_of_a_demonstration_is_its_content(store: Store, toy: DatasetInfo) -> None:
    one = demonstration(toy)
    assert len(one.id) == 16
    assert demonstration(toy, source="random", timestamp=5).id == one.id
    others = [
        demonstration(toy, **change)
        for change in (
            {"user_id": "u2"},
            {"history": ("i2", "i1")},
            {"history": ("i1",)},
            {"answer": "i4"},
            {"position": 3},
            {"position": None},
            {"text_override": "Bought: Zelda"},
        )
    ]
    others.append(demonstration(replace(toy, fingerprint="other")))
    assert len({one.id, *(other.id for other in others)}) == 9


def test_demonstrations_are_stored_once(store: Store, toy: DatasetInfo) -> None:
    plain, edited = demonstration(toy), demonstration(toy, text_override="Gekauft:\nZelda 😀", position=None)
    demonstrations.save_many(store, [plain, edited, plain])
    demonstrations.save_many(store, [replace(plain, source="random")])
    demonstrations.save_many(store, [])
    found = demonstrations.get_many(store, [edited.id, plain.id, "unknown"])
    assert found == {plain.id: plain, edited.id: edited}
    assert demonstrations.get_many(store, []) == {}


def test_equal_data_sets_have_demonstrations_of_their_own(store: Store, toy: DatasetInfo) -> None:
    twin = datasets.insert(
        store, "twin", toy_columns(), kind="", source="", fingerprint=toy.fingerprint, report={}
    )
    one, other = demonstration(toy), demonstration(twin)
    assert one.id == other.id
    demonstrations.save_many(store, [one, other])
    for info in (toy, twin):
        assert demonstrations.get_many(store, [one.id], info.id)[one.id].dataset_id == info.id
    datasets.delete(store, "toy")
    datasets.purge(store, "toy")
    assert demonstrations.get_many(store, [one.id]) == {one.id: other}


def test_the_first_candidate_list_is_kept(store: Store, toy: DatasetInfo) -> None:
    drawn = CandidateList("f", toy.id, 1, 4, "random", 3, 2**31 - 1, (5, 0, 2))
    inputs = (toy.id, 1, 4, "random", 3, 2**31 - 1)
    assert candidates.find(store, *inputs) is None
    assert candidates.save(store, drawn) == drawn
    assert candidates.save(store, replace(drawn, items=(1, 2, 3), fingerprint="g")) == drawn
    assert candidates.find(store, *inputs) == drawn
    for place in range(6):
        other = list(inputs)
        other[place] = "hard" if place == 3 else inputs[place] - 1  # type: ignore[operator]
        assert candidates.find(store, *other) is None  # type: ignore[arg-type]


def test_a_text_is_stored_once(store: Store) -> None:
    with store.write() as connection:
        keys = [texts.put(connection, text) for text in ("Bought:\n- é 😀", "Bought:\n- é 😀", "a\x00\ud800")]
    assert keys[0] == keys[1] != keys[2]
    assert texts.get(store, keys[0]) == "Bought:\n- é 😀"
    assert texts.get(store, keys[2]) == "a��"
    with pytest.raises(NotFound):
        texts.get(store, "0" * 64)
