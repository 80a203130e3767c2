"""A model is tried in a process of its own: its answer, its end by others, its limits, and what is stored."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from db import models
from db.errors import Conflict, ModelError, OutOfMemory
from db.settings import Settings
from db.store import Store
from engine.context import Engine
from engine.llm.loading import trial
from engine.llm.loading.load import inspect
from engine.progress import giving_way, telling

SIZES = {"bytes": 10, "memory": "it needs about 9.0 GiB on cpu, and 1.0 GiB are free"}


def child(does: str, *lines: dict[str, Any]) -> list[str]:
    """A process that prints these lines and then does something."""
    said = "".join(json.dumps(line) + "\n" for line in lines)
    return [sys.executable, "-c", f"import os, time; print({said!r}, end='', flush=True); {does}"]


def trying(settings: Settings, folder: Path, command: list[str]) -> dict[str, Any]:
    return trial.try_out(str(folder), "auto", "auto", settings.home / "digests.json", command)


def test_the_facts_are_those_of_the_childs_last_line(settings: Settings, model_folder) -> None:
    said: list[str] = []
    with telling(lambda _, message: said.append(message)):
        found = trying(settings, model_folder(), child("time.sleep(60)", SIZES, {"facts": {"layers": 3}}))
    assert found == {"layers": 3}
    assert said == ["starting a process that tries it", SIZES["memory"]]


def test_each_part_of_a_trial_is_said_when_it_begins(settings: Settings, model_folder) -> None:
    """A page shows it: loading takes minutes, and parts that follow each other at once are said, too."""
    said: list[str] = []
    lines = [{"say": part} for part in ("reads", "loads", "tries")]
    with telling(lambda _, message: said.append(message)):
        trying(settings, model_folder(), child("time.sleep(60)", *lines, {"facts": {}}))
    assert said[1:] == ["reads", "loads", "tries"]


def test_an_error_of_the_child_keeps_its_class_and_words(settings: Settings, model_folder) -> None:
    line = {"error": "OutOfMemory", "text": "It needs 9 GiB."}
    with pytest.raises(OutOfMemory, match=r"^It needs 9 GiB\.$"):
        trying(settings, model_folder(), child("time.sleep(60)", line))


@pytest.mark.parametrize(
    ("does", "kind", "words"),
    [
        ("os.kill(os.getpid(), 9)", OutOfMemory, "was killed.*needs about 9.0 GiB .* 1.0 GiB are free"),
        ("os.kill(os.getpid(), 11)", ModelError, "ended without an answer .Segmentation fault"),
        ("os._exit(7)", ModelError, "ended without an answer .status 7"),
        ("print('no JSON')", ModelError, "ended without an answer .status 0"),
    ],
)
def test_a_child_that_is_ended_takes_nothing_along(
    does: str, kind: type[Exception], words: str, settings: Settings, model_folder
) -> None:
    with pytest.raises(kind, match=words):
        trying(settings, model_folder(), child(does, SIZES))


def started(monkeypatch) -> list[subprocess.Popen]:
    """The processes that are started from now on."""
    found: list[subprocess.Popen] = []
    real = subprocess.Popen
    monkeypatch.setattr(trial.subprocess, "Popen", lambda *a, **k: found.append(real(*a, **k)) or found[-1])
    return found


def test_a_child_that_hangs_is_ended_at_the_limit(settings: Settings, model_folder, monkeypatch) -> None:
    monkeypatch.setattr(trial, "LIMIT_S", 0.3)
    children = started(monkeypatch)
    with pytest.raises(ModelError, match="could not be loaded within 0 seconds, so it was given up"):
        trying(settings, model_folder(), child("time.sleep(600)"))
    assert children[0].returncode == -signal.SIGKILL


def test_a_stop_ends_the_child(settings: Settings, model_folder, monkeypatch) -> None:
    children = started(monkeypatch)

    def stop() -> None:
        raise InterruptedError

    with giving_way(stop), pytest.raises(InterruptedError):
        trying(settings, model_folder(), child("time.sleep(600)"))
    assert children[0].returncode == -signal.SIGKILL


def test_a_child_ends_with_its_parent_and_is_the_first_to_go() -> None:
    code = "from engine.llm.loading import trial; trial._be_expendable(); print('on', flush=True); "
    orphan = subprocess.Popen(
        [sys.executable, "-c", code + "import time; time.sleep(600)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert orphan.stdout is not None
        assert orphan.stdin is not None
        assert orphan.stdout.readline() == b"on\n"
        if psutil.LINUX:
            assert Path(f"/proc/{orphan.pid}/oom_score_adj").read_text().strip() == "1000"
            assert psutil.Process(orphan.pid).rlimit(psutil.RLIMIT_CPU)[0] > trial.LIMIT_S
        orphan.stdin.close()  # as the system does when the parent ends
        assert orphan.wait(60) == 1
    finally:
        orphan.kill()
        orphan.wait()
        orphan.stdout.close()  # type: ignore[union-attr]


def test_larger_weights_may_take_longer() -> None:
    assert trial.limit_s(0) == trial.LIMIT_S
    assert trial.limit_s(14 << 30) > trial.LIMIT_S + 600


def test_a_model_is_registered_after_it_was_loaded(store: Store, settings: Settings, model_folder) -> None:
    """The real process, once."""
    folder, engine = model_folder("llama"), Engine(store, settings)
    said: list[str] = []
    with telling(lambda _, message: said.append(message)):
        info = engine.admit("tiny", str(folder))
    beginnings = ("starting", "reading its configuration", str(folder), "reading every", "loading", "trying")
    assert all(part.startswith(begin) for part, begin in zip(said, beginnings, strict=True)), said
    facts = inspect(str(folder))
    assert (info.name, info.source) == ("tiny", str(folder))
    assert (info.revision, info.parameters, info.details) == (facts.revision, facts.parameters, facts.details)
    assert engine.registered("tiny") == info


@pytest.mark.parametrize("door", ["admit", "registered"])
def test_a_model_that_fails_is_not_registered(
    door: str, store: Store, settings: Settings, model_folder, monkeypatch
) -> None:
    engine, folder = Engine(store, settings), str(model_folder("llama"))
    line = {"error": "ModelError", "text": "The tensor w holds NaN."}
    real = trial.try_out
    monkeypatch.setattr(trial, "try_out", lambda *asked, **_: real(*asked, child("pass", line)))
    with pytest.raises(ModelError, match="The tensor w holds NaN"):
        engine.admit("tiny", folder) if door == "admit" else engine.registered(folder)
    assert models.listing(store) == []


def test_a_name_that_is_taken_is_said_before_the_model_is_tried(
    store: Store, settings: Settings, model_folder, monkeypatch
) -> None:
    engine = Engine(store, settings)
    engine.register("tiny", str(model_folder("llama")))
    monkeypatch.setattr(trial, "try_out", lambda *_, **__: pytest.fail("the model was tried"))
    with pytest.raises(Conflict, match="The name 'tiny' is taken"):
        engine.admit("tiny", str(model_folder("gpt2")))
