"""A model tried out in a process of its own, before it is registered.

What a folder holds is somebody else's: reading it may take for ever, fill the memory or end the process. The
parent reads one JSON object per line, gives way to more urgent jobs between them, and ends the child when it
takes too long or is no longer wanted; the child ends when its parent is gone. Should memory run out, the
system takes the child first.
"""

import contextlib
import json
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from db import errors
from db.errors import DualensError, ModelError, OutOfMemory
from engine.llm.loading.digests import Digests
from engine.llm.loading.forms import Packed
from engine.llm.loading.sources import check_source
from engine.progress import give_way, tell, telling

LIMIT_S = 600.0  # for a small model on a busy machine, start of Python included
BYTES_PER_S = 20 << 20  # how fast weights are read at the least: their size adds to the limit
READING = "reading its configuration and the sizes of its files"
_LOOK_S = 0.1
_ROOT = Path(__file__).parents[3]


def limit_s(nbytes: int) -> float:
    """Seconds that a model with so many bytes of weights may take."""
    return LIMIT_S + nbytes / BYTES_PER_S


def try_out(
    source: str,
    device: str,
    dtype: str,
    digests: Path,
    command: Sequence[str] | None = None,
    packed: Packed | None = None,
    into: Path | None = None,
) -> dict[str, Any]:
    """The facts (`ModelFacts` as a dict) of a model that could be loaded and used on this device.

    digests: file of what is known of files read before. packed: the source, where it is of another form and
    is written as a folder `into` first.

    Says how far it is (`tell`) and what memory is needed and free. Raises ModelError, OutOfMemory or
    BadInput; nothing is left running then, nor where the job is stopped.
    """
    asked = [source, device, dtype, str(digests), packed.form if packed else "", str(into or "")]
    # A download may take as long as it does: the hub's library has limits of its own.
    until = time.monotonic() + LIMIT_S if packed or check_source(source) else float("inf")
    limit, memory = LIMIT_S, ""
    tell(None, "starting a process that tries it", begins=True)
    with _child(command or [sys.executable, "-P", "-m", __name__, json.dumps(asked)]) as (child, lines):
        while True:
            give_way()
            try:
                line = lines.get(timeout=_LOOK_S)
            except queue.Empty:
                if time.monotonic() > until:
                    raise ModelError(
                        f"{source} could not be loaded within {limit:,.0f} seconds, so it was given up and "
                        "not registered. Fetch it again, or copy it to a faster disk."
                    ) from None
                continue
            if line is None:
                raise _ended(source, child.wait(), memory)
            if "error" in line:
                raise getattr(errors, line["error"], ModelError)(line["text"])
            if "facts" in line:
                return line["facts"]
            if "bytes" in line:
                memory, limit = line["memory"], limit_s(line["bytes"])
                until = time.monotonic() + limit
            if said := line.get("say", memory):
                tell(None, said, begins=True)  # the child says what is worth saying


def _ended(source: str, status: int, memory: str) -> DualensError:
    """A child that said nothing at its end was ended by something else."""
    if status == -signal.SIGKILL:
        needs = f" {memory}." if memory else ""
        return OutOfMemory(
            f"The process that tried {source} was killed, as the system does when memory runs out.{needs} "
            "Nothing was registered. Free some memory, or use a smaller model."
        )
    how = signal.strsignal(-status) if status < 0 else f"status {status}"
    return ModelError(
        f"The process that tried {source} ended without an answer ({how}). Nothing was registered. Fetch the "
        "model again."
    )


@contextlib.contextmanager
def _child(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], queue.Queue]]:
    """A running child and the objects it prints, None after the last; it does not outlive the block."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    lines: queue.Queue = queue.Queue()
    assert child.stdout is not None
    assert child.stdin is not None
    reader = threading.Thread(target=_read, args=(child.stdout, lines), daemon=True, name="trial")
    reader.start()
    try:
        yield child, lines
    finally:
        child.kill()
        child.wait()
        reader.join()
        child.stdin.close()
        child.stdout.close()


def _read(printed: IO[bytes], lines: queue.Queue) -> None:
    for line in printed:
        with contextlib.suppress(ValueError):
            lines.put(json.loads(line))
    lines.put(None)


def main(source: str, device: str, dtype: str, digests: str, form: str = "", into: str = "") -> None:
    """What the child does: load the model and print its facts, or the error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # what libraries print is no answer

        def say(**what: Any) -> None:
            out.write(json.dumps(what) + "\n")
            out.flush()

        try:
            with telling(lambda _, message="": say(say=message)):
                if form:
                    from engine.llm.loading.unpack import unpack

                    say(bytes=_bytes_of(Path(source)), memory="")
                    unpack(Packed(form, Path(source)), Path(into))
                    source = into
                from engine.llm.loading.load import loaded, planned  # takes seconds: it is still starting
                from engine.llm.loading.tokenizer import writes_turns

                here = check_source(source)
                say(say=READING if here else f"fetching it from the hub, then {READING}")
                plan = planned(source, device, dtype)
                plan.check_memory()
                say(bytes=plan.files, memory=plan.memory)
                _limit_work(limit_s(plan.files))
                model = loaded(plan, Digests(Path(digests)), lambda part: say(say=part))
            details = {**plan.facts.details, "turns": writes_turns(plan.place.folder, plan.config)}
            say(facts={**asdict(plan.facts), "revision": model.revision, "details": details})
        except DualensError as error:
            say(error=type(error).__name__, text=str(error))
        except MemoryError:
            say(error="OutOfMemory", text=f"The memory ran out while {source} was tried.")
        except Exception as error:  # a model of any class may fail in any way
            say(error="ModelError", text=f"{source} cannot be used: {type(error).__name__}: {error}")


def _bytes_of(packed: Path) -> int:
    files = [packed] if packed.is_file() else [file for file in packed.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _be_expendable() -> None:
    """End with the parent, and before other processes when memory runs out."""
    threading.Thread(target=_end_with_parent, daemon=True, name="parent").start()
    with contextlib.suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text("1000")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to end
    _limit_work(LIMIT_S)


def _limit_work(seconds: float) -> None:
    """The system ends this process after so many more seconds on every processor, parent or no parent."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (int(most) + 1, hard))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    _be_expendable()
    main(*json.loads(sys.argv[1]))
