"""Where a job may read the paths that it names: under the folders named when the dashboard was started.

Boundary: file names only. A handler runs inside `confined`; whoever opens a path that a person typed calls
`check` first, and leaves out what `inside` says must not be read. Links are followed before both: a link in
an allowed folder that leads out of it is outside. Outside of `confined`, as in a command, every path is free
but the database that this process uses.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from db.errors import BadInput
from db.paths import typed
from db.settings import Settings
from db.sqlite_file import is_ours

EMBEDDED = Path(__file__).parents[1] / "embedded"

_allowed: ContextVar[tuple[tuple[Path, ...], ...]] = ContextVar("allowed", default=())
_home: ContextVar[Path] = ContextVar("home")


@contextmanager
def confined(settings: Settings, within: Sequence[str] | None) -> Iterator[None]:
    """Inside the block only what lies under the folders of `settings` and, too, under `within` is read.

    None, for either: anywhere. What people uploaded and what the workspace made itself is always read.
    """
    said = [settings.folders, None if within is None else [Path(folder) for folder in within]]
    named = tuple(tuple(Path(each).resolve() for each in folders) for folders in said if folders is not None)
    tokens = _allowed.set(named), _home.set(settings.home.resolve())
    try:
        yield
    finally:
        _allowed.reset(tokens[0])
        _home.reset(tokens[1])


def inside(path: str | os.PathLike[str]) -> bool:
    """Whether a path may be read."""
    return not is_ours(typed(path)) and _allowed_here(path)


def _allowed_here(path: str | os.PathLike[str]) -> bool:
    named = _allowed.get()
    if not named:
        return True
    where, home = real(path), _home.get()
    own = (EMBEDDED, home / "models", home / "tunings", *_upload_of(where, home / "uploads"))
    return any(where.is_relative_to(folder) for folder in own) or all(
        any(where.is_relative_to(folder) for folder in folders) for folders in named
    )


def real(path: str | os.PathLike[str]) -> Path:
    """Where a path that a person typed leads, links followed; a loop of links leads to itself.

    Raises BadInput for what no path can hold.
    """
    try:
        return Path(os.path.realpath(typed(path)))
    except ValueError as error:  # a character of value 0
        raise BadInput(f"{str(path)[:40]!r} is no path ({error}). Nothing was read.") from error


def check(path: str | os.PathLike[str]) -> None:
    """Raises BadInput, the same whether there is such a path or not, where it must not be read."""
    if _allowed_here(path):
        refuse_store(path)
        return
    named = sorted({str(folder) for folders in _allowed.get() for folder in folders})
    where = f"only under {', '.join(named)}" if named else "not at all"
    raise BadInput(
        f"Paths are read {where} on this server, and this one leads elsewhere. Nothing was read. Upload the "
        "files, or have the dashboard started with --data-folder and their folder."
    )


def refuse_store(path: str | os.PathLike[str]) -> None:
    """Raises BadInput where a path leads to the database that this process uses, or to one of its logs."""
    if is_ours(typed(path)):
        raise BadInput(f"{path} is the database of this workspace. It was not opened. Give another file.")


def check_address(url: str) -> None:
    """Raises BadInput where a job of this page must not make the server call an address that it names: it
    could reach what only this machine can, and send it a key of the environment."""
    if _allowed.get():
        raise BadInput(
            f"Addresses are not called for visitors of this page, {url} neither. Nothing was registered. Who "
            "runs the dashboard adds the model: dualens models --add ADDRESS --name NAME."
        )


def check_folder(source: str) -> None:
    """The same for a folder with all that is in it, and for what may be the name of a model on the hub."""
    folder = typed(source)
    of_the_hub = len(folder.parts) <= 2 and not source.startswith(("/", ".", "~"))  # org/name
    if not _allowed.get() or (of_the_hub and not folder.exists()):
        return
    check(folder)
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            check(path)


def _upload_of(where: Path, uploads: Path) -> tuple[Path, ...]:
    """The folder of the upload that a path lies in; not the folder of all uploads."""
    parts = where.relative_to(uploads).parts if where.is_relative_to(uploads) else ()
    return (uploads / parts[0],) if parts else ()
