"""Standard input, output and error of the command line, whatever they are: closed, full, ended, not UTF-8."""

import errno
import io
import os
import sys
from typing import Any

from db.errors import DualensError

PIPE_ENDED = 141  # the status of a program whose reader has gone (`| head`), as shells have it


class OutputLost(DualensError):
    """What was printed could not be written. `status`: of the process."""

    def __init__(self, error: OSError) -> None:
        self.silent = error.errno == errno.EPIPE
        self.status = PIPE_ENDED if self.silent else 2
        super().__init__(
            f"Standard output cannot be written: {error.strerror}. What was computed is stored: the same "
            "command prints it again."
        )


class _Output(io.FileIO):
    def write(self, data: bytes, /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            raise OutputLost(error) from error


class _Errors(io.FileIO):
    def write(self, data: bytes, /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError:
            return len(data)  # there is nobody left to tell


def prepare() -> None:
    """Make the process's streams usable. A program calls it first; it may start Python anew, in UTF-8."""
    _fill_closed()
    _use_utf8()
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout, "strict")
    sys.stderr = _text(_Errors(2, "w", closefd=False), sys.stderr, "backslashreplace")


def give_up() -> None:
    """Forget what standard output could not take, so that nothing tries to write it again at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _fill_closed() -> None:
    """Connect closed streams to nothing: the next file that is opened must not become standard output."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _use_utf8() -> None:
    """Begin anew where the locale knows only ASCII: ids and paths could be neither read nor printed."""
    if sys.getfilesystemencoding().lower() in ("utf-8", "utf8") or sys.flags.utf8_mode:
        return
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _text(raw: io.FileIO, before: Any, errors: str) -> io.TextIOWrapper:
    encoding = getattr(before, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "") != "utf8":
        errors = "backslashreplace"  # a title that the terminal has no letters for is no reason to fail
    lines = raw.isatty() or raw.fileno() == 2
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=lines)
