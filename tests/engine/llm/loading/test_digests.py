"""Every byte of a model's files counts, a large file is read once, and that can be watched and stopped."""

import os
from pathlib import Path

import pytest

from engine.llm.loading import digests
from engine.llm.loading.digests import Digests
from engine.llm.loading.sources import revision_of
from engine.progress import giving_way, telling

PAST_NS = 1_600_000_000 * 10**9


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read; files from 10 bytes on count as large."""
    names: list[str] = []
    honest = digests._digest
    monkeypatch.setattr(digests, "_LARGE", 10)
    monkeypatch.setattr(digests, "_digest", lambda file, size: names.append(file.name) or honest(file, size))
    return names


def made(folder: Path, name: str = "weights.safetensors", content: bytes = b"0123456789abcdef") -> Path:
    """A file that was written long ago."""
    file = folder / name
    file.write_bytes(content)
    os.utime(file, ns=(PAST_NS, PAST_NS))
    return file


def test_a_large_file_is_read_once_also_by_other_processes(tmp_path: Path, read: list[str]) -> None:
    file, kept = made(tmp_path), tmp_path / "digests.json"
    first = Digests(kept)
    digest = first.of(file)
    assert first.of(file) == digest
    assert Digests(kept).of(file) == digest
    assert read == [file.name]


@pytest.mark.parametrize("same_times", [False, True])
def test_one_byte_of_the_same_size_is_noticed(tmp_path: Path, read: list[str], same_times: bool) -> None:
    file, known = made(tmp_path), Digests(tmp_path / "digests.json")
    before = known.of(file)
    with file.open("r+b") as stream:
        stream.seek(7)
        stream.write(b"!")
    if same_times:
        os.utime(file, ns=(PAST_NS, PAST_NS))
    assert known.of(file) != before
    assert Digests(tmp_path / "digests.json").of(file) == known.of(file)


def test_a_file_put_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    file, known = made(tmp_path), Digests()
    before = known.of(file)
    os.replace(made(tmp_path, "other", b"fedcba9876543210"), file)
    assert known.of(file) != before


def test_a_file_written_just_now_is_read_again(tmp_path: Path, read: list[str]) -> None:
    """It could change once more without its time showing it."""
    file, known = tmp_path / "fresh", Digests()
    file.write_bytes(b"0123456789abcdef")
    known.of(file)
    known.of(file)
    assert read == ["fresh", "fresh"]


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', "no json"])
def test_a_damaged_memory_costs_only_time(tmp_path: Path, content: str, read: list[str]) -> None:
    kept = tmp_path / "digests.json"
    kept.write_text(content)
    file = made(tmp_path)
    assert Digests(kept).of(file) == Digests().of(file)
    Digests(kept).of(file)
    assert len(read) == 2


def test_who_waits_is_told_and_may_stop(tmp_path: Path, read: list[str]) -> None:
    file, known, told = made(tmp_path), Digests(), []
    with telling(lambda _, message: told.append(message)):
        known.of(file)
    assert told
    assert "reading weights.safetensors for the first time" in told[0]

    def stop() -> None:
        raise InterruptedError

    other = made(tmp_path, "other.safetensors")
    with giving_way(stop), pytest.raises(InterruptedError):
        known.of(other)
    known.of(other)
    assert read == ["weights.safetensors", "other.safetensors", "other.safetensors"]


def test_a_byte_between_any_samples_changes_the_revision(tmp_path: Path) -> None:
    """Of files above 64 MiB only samples were read once: zeroed tensors went unnoticed."""
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.truncate(65 << 20)
    before = revision_of(tmp_path)
    with file.open("r+b") as stream:
        stream.seek((1 << 20) + 1000)
        stream.write(b"\x01")
    assert revision_of(tmp_path) != before


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "merges.txt"),
        *("tokenizer.model", "adapter_config.json", "adapter_model.safetensors", "model-2.safetensors"),
        *("RECIPE.json", "sentencepiece.bpe.model", "qwen.tiktoken"),
    ],
)
def test_every_kind_of_file_that_is_read_changes_the_revision(tmp_path: Path, name: str) -> None:
    seen = {revision_of(tmp_path)}
    for content in ("a", "b"):
        (tmp_path / name).write_text(content)
        seen.add(revision_of(tmp_path))
    assert len(seen) == 3
    (tmp_path / "README.md").write_text("not part of the model")
    assert revision_of(tmp_path) in seen
