"""Three rooms, one door: which part may import which. Read from the source, so nothing needs to run."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "transformers", "safetensors"}
FORBIDDEN = {
    "dashboard": {"engine", *HEAVY},
    "engine": {"dashboard", "streamlit"},
    "db": {"engine", "dashboard", "streamlit", *HEAVY},
}


def imported(path: Path) -> set[str]:
    """Top-level names of everything a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room} has no files"
    broken = {str(f.relative_to(ROOT)): bad for f in files if (bad := imported(f) & FORBIDDEN[room])}
    assert not broken


def test_lrgd_is_pure_tensor_code() -> None:
    """`engine/lrgd` knows no prompts, items, models or database."""
    allowed = {
        "torch",
        "math",
        "collections",
        "dataclasses",
        "typing",
        "itertools",
        "functools",
        "scipy",
        "engine",
    }
    for path in (ROOT / "engine" / "lrgd").glob("*.py"):
        assert imported(path) <= allowed, path
        text = path.read_text(encoding="utf-8")
        assert "from engine" not in text.replace("from engine.lrgd", ""), path
