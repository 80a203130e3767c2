"""Paths as people type them."""

import os
from pathlib import Path


def typed(path: str | os.PathLike[str]) -> Path:
    """The path with a leading `~` expanded; the home of a user who does not exist stays as it was typed."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises RuntimeError there
