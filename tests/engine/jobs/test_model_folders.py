"""A model whose folder breaks after it was registered: noted for the pages, and said before work begins."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from db import models
from db.errors import ModelError
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.jobs import model_folders


@pytest.fixture
def engine(store: Store, settings: Settings, model_folder) -> Engine:
    """An engine with one registered model."""
    engine = Engine(store, settings)
    engine.register("tiny", str(model_folder("llama")))
    return engine


def folder_of(engine: Engine) -> Path:
    return Path(models.get(engine.store, "tiny").source)


def vanish(folder: Path) -> None:
    shutil.rmtree(folder)


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def lose_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def garble_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        (vanish, "is not there any more"),
        (cut_short, "is damaged"),
        (lose_config, "has no config.json"),
        (garble_config, "cannot be read as JSON"),
    ],
)
def test_a_broken_folder_is_noted_refused_and_forgiven(engine: Engine, breaks, said: str) -> None:
    folder = folder_of(engine)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    before = models.get(engine.store, "tiny")
    breaks(folder)
    model_folders.check(engine.store)
    assert said in models.get(engine.store, "tiny").broken
    with pytest.raises(ModelError, match=f"^The model 'tiny' is broken: .*{said}.* or use another model"):
        engine.load(engine.registered("tiny"))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder)
    model_folders.check(engine.store)
    assert models.get(engine.store, "tiny") == before
    assert engine.registered("tiny") == before


def test_a_run_notes_what_it_finds_without_the_worker(engine: Engine) -> None:
    vanish(folder_of(engine))
    with pytest.raises(ModelError, match="is not there any more"):
        engine.load(engine.registered("tiny"))
    assert "is not there any more" in models.get(engine.store, "tiny").broken


def test_a_model_that_no_longer_loads_is_noted_until_it_does(engine: Engine) -> None:
    file = folder_of(engine) / "model.safetensors"
    whole = load_file(file)
    broken = {name: torch.full_like(tensor, torch.nan) for name, tensor in whole.items()}
    save_file(broken, file, {"format": "pt"})
    with pytest.raises(ModelError, match="NaN"):
        engine.load(engine.registered("tiny"))
    assert "NaN" in models.get(engine.store, "tiny").broken
    model_folders.check(engine.store)
    assert "NaN" in models.get(engine.store, "tiny").broken, "sizes and headers are as they were"
    save_file(whole, file, {"format": "pt"})
    engine.load(engine.registered("tiny"))
    assert not models.get(engine.store, "tiny").broken


def test_a_removed_model_is_said_to_be_in_the_bin_and_works_once_restored(engine: Engine) -> None:
    """Nobody is sent to a hub for the name of a model that was removed."""
    model = models.delete(engine.store, "tiny")
    with pytest.raises(models.Removed, match="It is in the bin: restore it"):
        engine.registered("tiny")
    assert models.restore(engine.store, "tiny") == model
    assert engine.registered("tiny") == model


def test_a_hub_id_has_no_folder_to_look_at(store: Store) -> None:
    models.register(store, models.ModelInfo("far", "org/name", "r", "Toy", 1, 8))
    model_folders.check(store)
    assert not models.get(store, "far").broken


def test_a_path_that_became_a_name_does_not_stand_for_another_model(
    store: Store, settings: Settings, model_folder, tmp_path: Path, monkeypatch
) -> None:
    """`./model` in another folder, and a link that was moved, were the first one's model without a word."""
    engine = Engine(store, settings)
    first, second = tmp_path / "first" / "model", tmp_path / "second" / "model"
    for place in (first, second):
        shutil.copytree(model_folder("llama"), place)
    latest = tmp_path / "latest"
    latest.symlink_to(first)
    monkeypatch.chdir(first.parent)
    for name in ("./model", str(latest)):
        engine.register(name, str(first))
        assert engine.registered(name).source == str(first)
    monkeypatch.chdir(second.parent)
    with pytest.raises(ModelError, match=f"leads to {second} now and is registered as the name of {first}"):
        engine.registered("./model")
    latest.unlink()
    latest.symlink_to(second)
    with pytest.raises(ModelError, match="Give the full path"):
        engine.registered(str(latest))
    monkeypatch.chdir(tmp_path)  # no such folder here: the name alone
    assert engine.registered("./model").source == str(first)
