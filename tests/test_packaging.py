"""The wheel holds everything an installed Dualens needs; what has one home is written there only."""

import importlib.util
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from db.version import VERSION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = ("db", "engine", "dashboard")
# Files of a room that are in the wheel.
SHIPPED = ("*.py", "*.mako", "*.css", ".streamlit/config.toml", "embedded/*", "templates/*.toml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout, built in a copy of it and without a network."""
    if importlib.util.find_spec("setuptools") is None or importlib.util.find_spec("pip") is None:
        pytest.skip("building needs setuptools and pip (extra `dev`)")
    copy, made = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE", "dualens.py"):
        shutil.copy(ROOT / name, copy)
    for name in (*ROOMS, "docs"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*pip, "--wheel-dir", str(made), str(copy)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [file] = made.glob("*.whl")
    assert file.name == f"dualens-{VERSION}-py3-none-any.whl"
    return zipfile.ZipFile(file)


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    """A file of the wheel's dist-info folder."""
    return wheel.read(f"dualens-{VERSION}.dist-info/{name}").decode()


@pytest.fixture(scope="module")
def about(wheel: zipfile.ZipFile) -> Message:
    """The wheel's METADATA."""
    return message_from_string(metadata(wheel, "METADATA"))


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_is_in_the_wheel(wheel: zipfile.ZipFile, room: str) -> None:
    wanted = {
        file.relative_to(ROOT).as_posix()
        for pattern in SHIPPED
        for file in (ROOT / room).rglob(pattern)
        if file.is_file()
    }
    assert wanted
    assert {name for name in wheel.namelist() if name.startswith(f"{room}/")} - wanted <= {
        name for name in wheel.namelist() if name.startswith("dashboard/docs/")
    }
    assert wanted <= set(wheel.namelist())


def test_the_model_the_migrations_and_the_theme_are_among_them(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"dualens.py", "db/migrations/script.py.mako", "dashboard/ui/style.css"} <= names
    assert {"dashboard/.streamlit/config.toml", "engine/embedded/config.json", "dashboard/app.py"} <= names
    assert "db/migrations/versions/0001_first_tables.py" in names
    assert "engine/embedded/tokenizer.json" in names
    if (ROOT / "engine/embedded/model.safetensors").exists():
        assert "engine/embedded/model.safetensors" in names


def test_nothing_else_lands_among_a_persons_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {*ROOMS, "dualens.py", f"dualens-{VERSION}.dist-info"}


def test_the_guide_is_shipped_where_there_is_one(wheel: zipfile.ZipFile) -> None:
    docs = ROOT / "docs"
    files = [*docs.glob("*.md"), *(docs / "img").glob("*"), *(docs / "examples").glob("*.yaml")]
    shipped = {name for name in wheel.namelist() if name.startswith("dashboard/docs/")}
    assert shipped == {f"dashboard/{file.relative_to(ROOT).as_posix()}" for file in files}


def test_the_wheel_needs_what_requirements_txt_lists(about: Message) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = sorted(line for line in lines if line and not line.startswith("#"))
    needed = [line for line in about.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(needed) == listed


def test_the_extras_replace_lists_of_requirements(about: Message) -> None:
    extras = {"ray", "postgres", "peft", "embedding", "sentencepiece", "quantized", "sign-in", "dev"}
    assert set(about.get_all("Provides-Extra", [])) == extras
    assert [file.name for file in ROOT.glob("requirements*.txt")] == ["requirements.txt"]


def test_every_version_is_pinned() -> None:
    for needs in PROJECT["project"]["optional-dependencies"].values():
        assert all("==" in need or need.startswith("dualens[") for need in needs)


def test_the_licence_and_the_command_are_in_the_wheel(wheel: zipfile.ZipFile, about: Message) -> None:
    assert about["License-Expression"] == "Apache-2.0"
    assert "Apache License" in metadata(wheel, "licenses/LICENSE")
    assert "dualens = dualens:main" in metadata(wheel, "entry_points.txt")


def test_the_version_to_cite_is_the_packages() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {VERSION}" in lines
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_folder_of_python_files_is_a_package() -> None:
    """A folder without `__init__.py` would be left out of the wheel; migrations are read as plain files."""
    folders = {file.parent for room in ROOMS for file in (ROOT / room).rglob("*.py")}
    missing = {str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()}
    assert missing == {"db/migrations/versions"}
