"""The bin: what was deleted is restored, or deleted for good."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.library import model_memory
from dashboard.screens.library.model_memory import Machine, machine, needs
from db import datasets, jobs, models
from db.models import ModelInfo
from db.store import Store
from db.workers import Worker
from tests.support import shop
from tests.support.reading import button, read, texts

Open = Callable[..., AppTest]
MODEL = ModelInfo("qwen", "me/qwen", "r1", "Qwen", 494_000_000, 32_768)
SHAPE = {"layers": 24, "heads": 14, "key_value_heads": 2, "hidden_size": 896}


def test_deleted_data_sets_stay_in_the_bin_with_their_size(open_page: Open, store: Store) -> None:
    shop.stock(store, name="<b>games</b>")
    datasets.delete(store, "<b>games</b>")
    app = open_page("library", shelf="Storage")
    assert "data set **<b>games</b>** · about" in texts(app)
    button(app, "Restore").click().run()
    assert [info.name for info in datasets.listing(store)] == ["<b>games</b>"]
    assert "The bin is empty." in texts(app)


def test_delete_for_good_is_filed_and_shown_until_it_is_done(open_page: Open, store: Store) -> None:
    info = shop.stock(store)
    datasets.delete(store, info.name)
    app = open_page("library", shelf="Storage")
    button(app, "Delete for good now").click().run()
    (job,) = jobs.listing(store, kinds=["purge"])
    assert job.payload == {"dataset_id": info.id}
    assert "Deleting for good: waiting" in texts(app)
    assert not [each for each in app.button if each.label == "Restore"]
    datasets.purge(store, info.id)
    claimed = jobs.claim(store, "me", job_id=job.id)
    assert claimed is not None
    jobs.finish(store, job.id, "me", {"dataset": info.name})
    assert "The bin is empty." in texts(app.run())


def test_a_removed_model_and_the_files_of_its_tuning(open_page: Open, store: Store) -> None:
    folder = store.settings.home / "tunings" / "abc" / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 5000)
    brought = store.settings.home.parent / "brought"
    brought.mkdir()
    for name, source in (("tuned", folder), ("mine", brought)):
        models.register(store, replace(MODEL, name=name, source=str(source)))
        models.delete(store, name)
    app = open_page("library", shelf="Storage")
    assert "model **tuned** · 5.0 kB" in texts(app)
    assert "model **mine** · its files are not part of the workspace" in texts(app)
    for name in ("tuned", "mine"):
        app.button(key=f"purge-now-model-{name}").click().run()
    assert models.deleted(store) == []
    assert not (store.settings.home / "tunings" / "abc").exists()
    assert brought.exists()


def test_what_a_file_was_unpacked_to_goes_with_the_last_model_of_it(open_page: Open, store: Store) -> None:
    folder = store.settings.models / "gguf-1-abc"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        models.register(store, replace(MODEL, name=name, source=str(folder)))
        models.delete(store, name)
    app = open_page("library", shelf="Storage")
    app.button(key="purge-now-model-one").click().run()
    assert folder.exists()  # the other can be restored
    app.button(key="purge-now-model-two").click().run()
    assert not folder.exists()


def test_files_that_another_model_uses_stay(open_page: Open, store: Store) -> None:
    folder = store.settings.home / "tunings" / "abc" / "model"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        models.register(store, replace(MODEL, name=name, source=str(folder)))
    models.delete(store, "one")
    app = open_page("library", shelf="Storage")
    app.button(key="purge-now-model-one").click().run()
    assert folder.exists()
    assert [model.name for model in models.listing(store)] == ["two"]


@pytest.mark.parametrize(
    ("device", "free", "size", "verdict"),
    [
        ("cpu", 64 * 10**9, 1_976_000_000, "yes"),
        ("cpu", 2 * 10**9, 1_976_000_000, "no: too large"),
        ("cuda:0", 2 * 10**9, 988_000_000, "–"),
    ],
)
def test_memory_is_estimated_before_loading(
    store: Store, device: str, free: int, size: int, verdict: str
) -> None:
    worker = Worker("me", 1, "here", device, "float32", "ready")
    settings = store.settings.model_copy(update={"device": "auto", "dtype": "auto"})
    host = machine([worker], settings, free)
    need = needs(replace(MODEL, details=SHAPE), host)
    assert (need.weights, need.verdict) == (size, verdict)
    assert need.prompt == 2 * 24 * 2 * 64 * model_memory.BYTES[host.dtype] * 1000
    assert ("Only 2.0 GB are free" in need.sentence) == verdict.startswith("no")
    assert needs(MODEL, host).prompt is None
    assert machine([], settings, free) == Machine("cpu", "float32", free)


def test_the_models_page_says_what_they_take(open_page: Open, store: Store) -> None:
    shop.stock(store)
    app = open_page("library", shelf="Models")
    table = app.dataframe[0].value
    assert list(table["memory"]) == ["39.2 MB"]
    assert list(table["fits"]) == ["yes"]
    assert "Memory of the weights in float32 on cpu" in read(texts(app))
