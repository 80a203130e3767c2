"""A process that is asked to end by Ctrl-C, SIGTERM or SIGHUP: gently, then firmly, within ten seconds.

Inside `handled`, a signal raises `Ended` in the main thread, wherever it is: transactions are undone, files
that were begun are removed, the program says one sentence. Work that can end between two units says so by
`gently`: it is asked first, and `Ended` comes only if it takes too long. Code in C that lets no signal in is
ended with the process.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

GENTLY_S = 3.0  # for the work to end by itself
AGAIN_S = 0.5  # then `Ended` is raised, and again until it is caught here: libraries may swallow it
FIRMLY_S = 7.0  # then the process ends without Python's help
LAST_WORDS_S = 1.0
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
KEPT = "What was stored before is kept. Run the same command again to finish it."


class Ended(BaseException):
    """The process was asked to end. `sentence`: for a person; `status`: of the process, as shells have it."""

    def __init__(self, number: int, kept: str = KEPT) -> None:
        self.sentence = f"Stopped by {NAMES.get(signal.Signals(number), number)}. {kept}"
        self.status = 128 + number
        super().__init__(self.sentence)


@dataclass(frozen=True)
class _Work:
    """Work that can end by itself: how it is asked to, what is to be done without it, what is kept then."""

    ask: Callable[[], None]
    at_last: Callable[[], None]
    kept: str


_works: list[_Work] = []
_asked: int | None = None


@contextmanager
def handled() -> Iterator[None]:
    """Signals mean what the module says inside the block; ignored ones (`nohup`) stay ignored."""
    global _asked
    _asked = None
    # A shell ignores Ctrl-C for what it starts in the background; it is meant when it is sent all the same.
    ignored = {number for number in NAMES if signal.getsignal(number) == signal.SIG_IGN} - {signal.SIGINT}
    before = {number: signal.signal(number, _on_signal) for number in NAMES.keys() - ignored}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _insist)
    try:
        with _watched():
            yield
    finally:
        caught()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watched() -> Iterator[None]:
    """Ends the process from another thread where code in C lets no Python run after a signal came."""
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    over = threading.Event()

    def watch() -> None:
        with ours:
            while arrived := ours.recv(1):
                if arrived[0] in NAMES and not over.wait(FIRMLY_S):
                    _end_at_once(arrived[0])

    before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True, name="stopping").start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        pythons.close()


@contextmanager
def gently(
    ask: Callable[[], None], at_last: Callable[[], None] = lambda: None, kept: str = KEPT
) -> Iterator[None]:
    """Inside the block a signal calls `ask`, which must only set flags, and gives the work time to end.

    `at_last` is called in a thread of its own where that was in vain.
    """
    work = _Work(ask, at_last, kept)
    _works.append(work)
    try:
        yield
    finally:
        _works.remove(work)


def check() -> None:
    """Raise Ended if the process was asked to end."""
    if _asked is not None:
        raise _ended(_asked)


def caught() -> None:
    """Whoever catches Ended to clean up says so: it is not raised again meanwhile."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def early() -> None:
    """Until `handled`: end at once with a sentence. For the second that a program needs to import itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_early)


def leave(status: int) -> NoReturn:
    """End the process. One that was asked to end does so without taking itself apart, which takes seconds
    where PyTorch was half imported."""
    if _asked is None:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)


def _end_early(number: int, _: FrameType | None) -> NoReturn:
    ended = Ended(number, "Nothing was begun.")
    with suppress(OSError, ValueError, AttributeError):
        print(ended.sentence, file=sys.stderr, flush=True)
    os._exit(ended.status)


def _ended(number: int) -> Ended:
    return Ended(number, _works[-1].kept if _works else KEPT)


def _on_signal(number: int, _: FrameType | None) -> None:
    global _asked
    first, _asked = _asked is None, number
    gently = first and bool(_works)
    for work in _works:
        work.ask()
    signal.setitimer(signal.ITIMER_REAL, GENTLY_S if gently else AGAIN_S, AGAIN_S)
    if not gently:
        raise _ended(number)


def _insist(*_: object) -> None:
    check()


def _end_at_once(number: int) -> NoReturn:
    ended = _ended(number)
    words = threading.Thread(target=lambda: [work.at_last() for work in _works], daemon=True)
    words.start()
    words.join(LAST_WORDS_S)
    with suppress(OSError, ValueError, AttributeError):
        print(ended.sentence, file=sys.stderr, flush=True)
    os._exit(ended.status)
