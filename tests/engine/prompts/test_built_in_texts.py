"""A run's key holds a built-in template's name alone, so its text is part of the engine's version."""

import hashlib
from pathlib import Path

import engine.prompts
from db.version import ENGINE_VERSION

OF_VERSION = "4"
TEXTS = {
    "films": "ba0dd9ab96be",
    "instructrec-intention": "c394cc62d2c0",
    "instructrec-preference": "a85df84e739b",
    "instructrec-task": "8774573f4f05",
    "llmrank-icl": "c5564f4a0941",
    "llmrank-recency": "d17e108928ff",
    "llmrank-sequential": "2a601b6a2d0a",
    "plain": "fcdb9b89e08b",
    "proximal": "afd6debd9334",
    "recicl": "2e4bbda45e2e",
    "tallrec": "95cdf13c519d",
}


def test_a_built_in_text_changes_only_with_the_engines_version() -> None:
    """Where this fails because a text was changed: raise ENGINE_VERSION, then write both down here anew."""
    folder = Path(engine.prompts.__file__).parent / "templates"
    now = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in folder.glob("*.toml")}
    assert (ENGINE_VERSION, now) == (OF_VERSION, TEXTS)
