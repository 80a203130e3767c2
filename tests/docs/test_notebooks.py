"""The example notebooks: each runs from top to bottom, without outputs in the file, and is linked.

Their code cells are executed in order in one namespace: nbclient and a kernel would be a dozen packages more,
and the notebooks use no magic. Offline, with the embedded model.
"""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from engine.context import EMBEDDED

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def executed(code: str, namespace: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line, where that is an expression, as a notebook shows it."""
    *before, last = ast.parse(code).body
    shown = isinstance(last, ast.Expr)
    exec(compile(ast.Module(before if shown else [*before, last], []), "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace) if shown else None  # type: ignore[attr-defined]


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["curate_and_deploy", "first_ranking", "prove_over_users"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.skipif(
    not (EMBEDDED / "model.safetensors").exists(), reason="no embedded model in this checkout"
)
def test_it_runs_from_top_to_bottom(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUALENS_HOME", str(tmp_path / "not-used"))
    monkeypatch.delenv("DUALENS_DEVICE", raising=False)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    shown = [executed("".join(cell["source"]), namespace) for cell in cells(path)]
    assert sum(value is not None for value in shown) >= 3, "a notebook shows what it computes"
    assert not (tmp_path / "not-used").exists()
    capsys.readouterr()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_holds_no_outputs_and_uses_the_public_interface_alone(path: Path) -> None:
    for cell in cells(path):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
        text = "".join(cell["source"])
        assert not {"db", "engine", "dashboard"} & {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
        }
    for page in ("README.md", "docs/python.md"):
        assert f"notebooks/{path.name}" in (ROOT / page).read_text("utf-8"), page
