"""Three rooms, one door: which part may import which. Read from the source, so nothing needs to run."""

import ast
import graphlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("db", "engine", "dashboard")
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


# Of the engine, lowest first: a folder (or a module that stands alone) imports from itself and from what is
# above it in this list, never from what is below.
LAYERS = (
    "progress",
    "stopping",
    "streams",
    "unfinished",
    "fetching",
    "registry",
    "libraries",
    "lrgd",
    "prompts",
    "data",
    "evaluation",
    "demos",
    "llm",
    "endpoint",
    "baselines",
    "context",
    "optimize",
    "tuning",
    "tasks",
    "policy",
    "explanations",
    "studies",
    "jobs",
    "benchmarks",
    "commands",
    "__main__",
)
LLM_LAYERS = ("attention", "loading", "scoring", "generation", "embedding", "explain")
# What takes long to import and may be imported inside a function; so may modules of ours that load PyTorch or
# what draws the tables of pages.
TABLES = {"pandas", "plotly"}
CLUSTERS = {"ray"}  # which need not be installed either
SLOW = {
    *HEAVY,
    "tokenizers",
    "huggingface_hub",
    "sentence_transformers",
    "peft",
    "alembic",
    "pyarrow",
    "scipy",
}


class Imports(NamedTuple):
    """Names of modules that one file imports: on import, inside functions, and for types alone."""

    top: frozenset[str]
    inside: frozenset[str]
    types: frozenset[str]

    @property
    def ours(self) -> set[str]:
        """Modules of this project, however they are imported."""
        return {name for name in self.top | self.inside | self.types if name in modules()}


@cache
def modules() -> dict[str, Path]:
    """Every module of the three rooms, by its dotted name; a package by that of its folder."""
    named = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


@cache
def imports(module: str) -> Imports:
    """What a module imports. `from package import name` is the module of that name where there is one."""
    kinds: dict[str, set[str]] = {"top": set(), "inside": set(), "types": set()}

    def note(node: ast.AST, kind: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = kind
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inner = "inside"
            elif kind == "top" and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                inner = "types"
            if isinstance(child, ast.Import):
                kinds[inner] |= {alias.name for alias in child.names}
            elif isinstance(child, ast.ImportFrom):
                assert child.module, f"{module} imports relatively"
                names = {f"{child.module}.{alias.name}" for alias in child.names}
                kinds[inner] |= {name if name in modules() else name.rpartition(".")[0] for name in names}
            note(child, inner)

    note(ast.parse(modules()[module].read_text(encoding="utf-8")), "top")
    return Imports(*map(frozenset, kinds.values()))


def test_no_module_imports_itself_in_a_circle() -> None:
    """Imports inside functions and for types count too: what needs them has its parts in the wrong files."""
    graph = {module: imports(module).ours - {module} for module in modules()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize(("package", "layers"), [("engine", LAYERS), ("engine.llm", LLM_LAYERS)])
def test_imports_run_downward(package: str, layers: tuple[str, ...]) -> None:
    def layer(module: str) -> str:
        return module.removeprefix(f"{package}.").partition(".")[0]

    inside = [module for module in modules() if module.startswith(f"{package}.")]
    assert {layer(module) for module in inside} == set(layers)
    upward = [
        f"{module} imports {other}"
        for module in inside
        for other in imports(module).ours
        if other.startswith(f"{package}.") and layers.index(layer(other)) > layers.index(layer(module))
    ]
    assert not upward


def test_the_language_models_know_no_store() -> None:
    """Of `db` they know errors and what a person may choose."""
    allowed = {"db.errors", "db.choices", "db.dtypes", "db.paths", "db.requests", "db.requests.edits"}
    for module in modules():
        if module.startswith("engine.llm"):
            assert {name for name in imports(module).ours if name.startswith("db")} <= allowed, module


@cache
def loaded_by(module: str) -> frozenset[str]:
    """Top-level names of what is loaded with a module: its packages, and all that it imports on import."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        while name:
            if name not in seen:
                seen.add(name)
                if name in modules():
                    waiting += imports(name).top
                else:
                    names.add(name.partition(".")[0])
            name = name.rpartition(".")[0]
    return frozenset(names)


def test_what_is_quick_to_import_is_imported_at_the_top() -> None:
    """An import inside a function is there for start-up speed: what it loads takes long."""
    quick = [
        f"{module} imports {name}"
        for module in modules()
        for name in imports(module).inside
        if name.partition(".")[0] not in SLOW and not loaded_by(name) & (HEAVY | TABLES | CLUSTERS)
    ]
    assert not quick


@pytest.mark.parametrize("module", ["engine.__main__", "engine.jobs.worker"])
def test_commands_start_without_pytorch(module: str) -> None:
    assert not loaded_by(module) & HEAVY
