"""A choice added for one test: its one file in a package, and commands as a new process would see them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def add_file(patch: pytest.MonkeyPatch, folder: Path, package: ModuleType, text: str) -> None:
    """Make `text` the module `toy` of the package, from a folder beside it."""
    folder.mkdir()
    (folder / "toy.py").write_text(text, encoding="utf-8")
    patch.setattr(package, "__path__", [*package.__path__, str(folder)])
    name = f"{package.__name__}.toy"
    patch.setitem(sys.modules, name, package)  # so that what is imported under this name goes afterwards
    patch.delitem(sys.modules, name)


def fresh(module: ModuleType) -> ModuleType:
    """The module as another process would import it now."""
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    copy = importlib.util.module_from_spec(module.__spec__)
    module.__spec__.loader.exec_module(copy)
    return copy
