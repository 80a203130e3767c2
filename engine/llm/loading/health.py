"""Whether a folder that was registered as a model still holds one: sizes and headers, no weight is read."""

import os
from pathlib import Path

from db.errors import ModelError
from engine.llm.loading.folder import CONFIG, check_folder, read_json


def fault(source: str) -> str:
    """What is wrong with a model's folder, in a sentence; empty where nothing is, and for a hub id."""
    from engine.llm.loading.weights import headers

    if not os.path.isabs(source):
        return ""
    folder = Path(source)
    try:
        if not folder.exists():
            return f"its folder {folder} is not there any more."
        check_folder(folder)
        read_json(folder / CONFIG)
        headers(folder)
    except ModelError as error:
        return str(error)
    return ""
