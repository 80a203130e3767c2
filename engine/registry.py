"""The code of a choice: a row of `db.choices` names a file, and the file's package is known.

A new strategy, baseline, importer, edit or study takes one file and one row; nothing is listed twice.
"""

import importlib
from types import ModuleType

from db.choices import Choice


def implementation(package: str, choice: Choice) -> ModuleType:
    """The module in `package` that implements a choice; the package's docstring says what it must define."""
    return importlib.import_module(f"{package}.{choice.file}")
