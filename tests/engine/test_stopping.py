"""A process that is told to end: gently, then firmly, at last without Python; always with one sentence."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from engine import stopping
from engine.stopping import Ended

ROOT = Path(__file__).resolve().parents[2]


def tell(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_ends_what_runs_wherever_it_is() -> None:
    def run() -> None:
        with stopping.handled():
            tell(signal.SIGTERM)
            signal.pause()

    with pytest.raises(Ended) as ended:
        run()
    assert ended.value.status == 143
    assert ended.value.sentence == f"Stopped by SIGTERM. {stopping.KEPT}"


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in stopping.NAMES]
    with stopping.handled():
        pass
    assert [signal.getsignal(number) for number in stopping.NAMES] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_work_that_can_end_by_itself_is_asked_first() -> None:
    asked: list[bool] = []

    def run() -> None:
        with stopping.handled(), stopping.gently(lambda: asked.append(True), kept="Kept."):
            tell(signal.SIGINT)
            assert asked == [True]
            stopping.check()

    with pytest.raises(Ended, match=r"Ctrl-C\. Kept\.$") as ended:
        run()
    assert ended.value.status == 130


def test_a_second_signal_does_not_wait() -> None:
    def run() -> None:
        with stopping.handled(), stopping.gently(lambda: None):
            tell(signal.SIGINT)
            tell(signal.SIGINT)
            raise AssertionError

    with pytest.raises(Ended):
        run()


def test_what_a_library_swallows_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "AGAIN_S", 0.01)

    def run() -> None:
        with stopping.handled():
            with suppress(BaseException):
                tell(signal.SIGTERM)
            signal.pause()

    with pytest.raises(Ended):
        run()


def test_an_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.handled():
            tell(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def end_of(code: str, number: int) -> tuple[int, str, str]:
    """Status and output of a program that says when it is ready and is then sent a signal."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, said, errors


def test_code_that_lets_no_signal_in_ends_with_the_process() -> None:
    code = """
        import hashlib
        from engine import stopping
        stopping.GENTLY_S = stopping.FIRMLY_S = 0.2
        last = lambda: print("last words", flush=True)
        with stopping.handled(), stopping.gently(lambda: None, last, "Kept."):
            print("ready", flush=True)
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes in C, without Python's lock
    """
    assert end_of(code, signal.SIGTERM) == (143, "last words\n", "Stopped by SIGTERM. Kept.\n")


def test_a_program_that_still_imports_itself_says_a_word_too() -> None:
    code = """
        import time
        from engine import stopping
        stopping.early()
        print("ready", flush=True)
        time.sleep(60)
    """
    assert end_of(code, signal.SIGINT) == (130, "", "Stopped by Ctrl-C. Nothing was begun.\n")
