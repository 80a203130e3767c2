"""Paths as people type them."""

import os
from pathlib import Path

from db.errors import BadInput
from db.names import quoted


def typed(path: str | os.PathLike[str]) -> Path:
    """The path with a leading `~` expanded; the home of a user who does not exist stays as it was typed."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises RuntimeError there


def write(path: str | os.PathLike[str], text: str) -> int:
    """Write a text as UTF-8 to a path as people type it; how many bytes. Raises BadInput where it cannot be
    written."""
    content = text.encode("utf-8", errors="replace")
    try:
        typed(path).write_bytes(content)
    except (OSError, ValueError) as error:  # a NUL in the path
        why = getattr(error, "strerror", None) or error
        raise BadInput(
            f"{quoted(str(path))} cannot be written: {why}. Nothing was changed. Name another file."
        ) from error
    return len(content)
