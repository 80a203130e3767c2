"""Indexes of a data set: built once, read by every process, built again where damaged, gone with the data."""

import errno
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from db import datasets
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.data import kept
from engine.data.kept import Cost, Kept, Shelf
from engine.data.similar_titles import TitleIndex, of_catalogue
from engine.jobs.handlers import HANDLERS
from engine.progress import quiet, telling
from tests.toys import toy_columns

EXAMPLE = Kept(
    {"counts": np.arange(1000), "none": np.empty((0, 3), np.float32), "yes": np.array([True, False])},
    {"people": 7},
)


@pytest.fixture(autouse=True)
def as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forgets what this process read."""

    def forget() -> None:
        kept._open.clear()
        kept._said.clear()

    forget()
    return forget


def made(settings: Settings, name: str = "example", version: int = 1, fingerprint: str = "data") -> bool:
    """Whether asking for the example built it."""
    shelf = Shelf(settings, fingerprint)
    found = shelf.get(name, lambda: EXAMPLE, version)
    assert found.state == EXAMPLE.state
    for key, tensor in EXAMPLE.tensors.items():
        assert found.tensors[key].dtype == tensor.dtype
        assert found.tensors[key].shape == tensor.shape
        assert np.array_equal(found.tensors[key], tensor)
    return bool(shelf.built)


def test_it_is_built_once_for_a_data_set_and_version(
    tmp_path: Path, as_a_new_process: Callable[[], None]
) -> None:
    settings = Settings(home=tmp_path)
    assert made(settings)
    assert not made(settings)
    as_a_new_process()
    assert not made(settings)
    assert made(settings, version=2)
    assert made(settings, fingerprint="other data")
    assert made(settings, name="another")


def test_it_is_mapped_and_cannot_be_written_to(tmp_path: Path) -> None:
    counts = Shelf(Settings(home=tmp_path), "data").get("example", lambda: EXAMPLE).tensors["counts"]
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 5


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content[:-4],
        lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content.replace(b'"I64"', b'"F64"'),
        lambda content: b"\x80\x04 not at all what it should be",
    ],
)
def test_a_damaged_file_is_built_again(
    tmp_path: Path, damage: Callable[[bytes], bytes], as_a_new_process: Callable[[], None]
) -> None:
    settings = Settings(home=tmp_path)
    assert made(settings)
    (path,) = settings.indexes.rglob("*.safetensors")
    as_a_new_process()
    path.unlink()
    path.write_bytes(damage(path_content(settings)))
    assert made(settings)
    as_a_new_process()
    assert not made(settings)


def path_content(settings: Settings) -> bytes:
    """What the example is written as."""
    other = Settings(home=settings.home / "other")
    made(other)
    (path,) = other.indexes.rglob("*.safetensors")
    return path.read_bytes()


def build_slowly(home: Path, turns: Path) -> None:
    """In a process of its own: each build leaves a file in `turns`."""

    def build() -> Kept:
        (turns / str(time.time_ns())).touch()
        time.sleep(0.5)
        return EXAMPLE

    Shelf(Settings(home=home), "data").get("example", build)


def test_several_processes_build_it_once(tmp_path: Path) -> None:
    (tmp_path / "turns").mkdir()
    fork = multiprocessing.get_context("fork")
    builders = [fork.Process(target=build_slowly, args=(tmp_path, tmp_path / "turns")) for _ in range(3)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert [builder.exitcode for builder in builders] == [0, 0, 0]
    assert len(list((tmp_path / "turns").iterdir())) == 1


def test_a_job_that_is_let_in_while_another_builds_does_not_wait_for_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    def build() -> Kept:
        assert made(settings)
        return EXAMPLE

    Shelf(settings, "data").get("example", build, 1)
    assert not made(settings)


def test_where_nothing_can_be_written_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_a_new_process: Callable[[], None]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept, "write", full)
    settings, said = Settings(home=tmp_path), []
    with telling(lambda _, message: said.append(message)):
        assert made(settings)
        assert not made(settings)  # this process still has it
        assert made(settings, version=2)
    assert len(said) == 1
    assert "No space left on device" in said[0]
    as_a_new_process()
    assert made(settings)


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    settings = Settings(home=tmp_path)
    assert made(settings)
    assert [path.suffix for path in settings.indexes.rglob("*.*")] == [".lock"]


def test_what_takes_long_is_named_before_it_begins(tmp_path: Path) -> None:
    said: list[str] = []

    def build() -> Kept:
        assert said == ["indexing 2,000,000 titles, once for this data set: about 26 s, 1,600 MiB"]
        return EXAMPLE

    with telling(lambda _, message: said.append(message)):
        shelf = Shelf(Settings(home=tmp_path), "data")
        shelf.get("example", build, cost=Cost("2,000,000 titles", 26.0, 1600.0))
        shelf.get("quick", lambda: EXAMPLE, cost=Cost("5 titles", 0.1, 1.0))
    assert len(said) == 1


def test_a_kept_index_of_titles_scores_bit_for_bit_the_same(
    tmp_path: Path, as_a_new_process: Callable[[], None]
) -> None:
    titles = ["Mario Kart 8", "Café de Mario 3", "", "\ud800 half", "Kart Kart 8 日本語"]
    settings, fresh = Settings(home=tmp_path), TitleIndex(titles)
    for _ in range(2):
        index = of_catalogue(Shelf(settings, "data"), len(titles), lambda: titles)
        assert [index.title(place) for place in range(5)] == titles
        for query in ("mario kart kart", "日本語 8 none", "", "none"):
            assert index.scores(query).tobytes() == fresh.scores(query).tobytes()
        as_a_new_process()


def test_it_goes_with_its_data_set(store: Store, tmp_path: Path) -> None:
    for name in ("stays", "goes"):
        columns = toy_columns(9)
        datasets.insert(store, name, columns, kind="toy", source="", fingerprint=name, report={})
        assert made(store.settings, fingerprint=name)
    number = datasets.get(store, "goes").id
    datasets.delete(store, "goes")
    engine = Engine(store, store.settings)
    assert not made(store.settings, fingerprint="goes")  # it can still come out of the bin
    HANDLERS["purge"](engine, {"dataset_id": number}, quiet)
    assert [folder.name for folder in store.settings.indexes.iterdir()] == [
        kept.folder_of(store.settings, "stays").name
    ]
    assert made(store.settings, fingerprint="goes")
    assert not made(store.settings, fingerprint="stays")
