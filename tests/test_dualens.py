"""The public Python API: its examples run, and it says what stands in its way."""

import doctest
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import dualens
from db.settings import Settings
from db.store import Store
from db.version import VERSION
from engine.context import EMBEDDED
from tests.support.own_template import SMALLEST
from tests.toys import toy_columns

ROOT = Path(dualens.__file__).parent
SHOP = pd.DataFrame(
    [
        {"customer": user, "item": item, "title": f"Thing {item}", "timestamp": day}
        for user in ("ann", "bob", "007")
        for day, item in enumerate(("001", "002", "003", "004"))
    ]
)


@pytest.fixture
def workspace(settings: Settings) -> Iterator[dualens.Workspace]:
    """An empty workspace; the environment has no say."""
    with dualens.open(settings.home, device="cpu", dtype="float32") as opened:
        yield opened


@pytest.mark.skipif(
    not (EMBEDDED / "model.safetensors").exists(), reason="no embedded model in this checkout"
)
def test_the_examples_in_the_docstrings_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUALENS_DEVICE", raising=False)
    failed, tried = doctest.testmod(dualens)
    assert tried >= 15
    assert not failed


def test_a_frame_goes_in_and_comes_out(workspace: dualens.Workspace) -> None:
    assert workspace.import_frame(SHOP, "shop", {"user": "customer"}) == "shop"
    back = workspace.interactions("shop")
    assert list(back.columns) == ["user", "item", "title", "timestamp", "rating"]
    given = SHOP.rename(columns={"customer": "user"})
    assert sorted(back[list(given)].values.tolist()) == sorted(given.values.tolist())
    assert back["rating"].isna().all()
    users = workspace.users("shop")
    assert sorted(users["user"]) == ["007", "ann", "bob"]
    assert users["length"].tolist() == [4, 4, 4]


def test_the_same_frame_again_changes_nothing_and_another_is_refused(workspace: dualens.Workspace) -> None:
    workspace.import_frame(SHOP, "shop", {"user": "customer"})
    workspace.import_frame(SHOP, "shop", {"user": "customer"})
    with pytest.raises(dualens.DualensError, match="'shop'"):
        workspace.import_frame(SHOP.iloc[4:], "shop", {"user": "customer"})
    assert len(workspace.datasets()) == 1
    with pytest.raises(dualens.DualensError):
        workspace.import_frame(pd.DataFrame({"a": [1]}), "nothing")
    assert workspace.datasets()["source"].tolist() == ["table.csv"]
    assert not list(workspace._store.settings.uploads.rglob("*.csv")), "everything of it is in the store"


def test_dates_are_read_as_dates(workspace: dualens.Workspace) -> None:
    dated = SHOP.assign(timestamp=pd.to_datetime("2024-05-01") + pd.to_timedelta(SHOP["timestamp"], unit="D"))
    workspace.import_frame(dated, "dated", {"user": "customer"})
    assert workspace.interactions("dated")["timestamp"].min() == pd.Timestamp("2024-05-01").timestamp()


def test_an_empty_workspace_has_tables_with_columns(workspace: dualens.Workspace) -> None:
    assert "users" in workspace.datasets().columns
    assert workspace.models()["name"].tolist() == ["embedded"]
    assert workspace.runs().empty


def test_home_keeps_the_store_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUALENS_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")
    with dualens.open(tmp_path / "home"):
        assert (tmp_path / "home" / "dualens.db").exists()
        assert not (tmp_path / "elsewhere.db").exists()


def test_an_option_that_does_not_exist_is_named(workspace: dualens.Workspace) -> None:
    workspace.import_frame(SHOP, "shop", {"user": "customer"})
    for method in (workspace.rank, workspace.effects, workspace.optimize):
        with pytest.raises(dualens.DualensError, match="demoz"):
            method("shop", "ann", demoz="none")


def test_a_template_may_be_a_file(workspace: dualens.Workspace, tmp_path: Path) -> None:
    others = SHOP.assign(customer="eve", item="9" + SHOP["item"], title="Other " + SHOP["title"])
    workspace.import_frame(pd.concat([SHOP, others[:4]]), "shop", {"user": "customer"})
    file = tmp_path / "books.toml"
    for method in (workspace.rank, workspace.effects, workspace.optimize):
        with pytest.raises(dualens.DualensError, match=r"books.toml cannot be read: No such file"):
            method("shop", "ann", template=file)
    file.write_text(SMALLEST.replace("[title]", "[free]").replace("Then:", "{candidates}\nThen:"))
    with pytest.raises(dualens.DualensError, match=r"\{candidates\}"):
        workspace.rank("shop", "ann", template=file)
    file.write_text(SMALLEST)
    asked = {"candidates": 2, "demos": "none"}
    found = workspace.rank("shop", "ann", template=file, **asked)
    assert found.run == workspace.rank("shop", "ann", template="books", **asked).run
    assert found.run != workspace.rank("shop", "ann", **asked).run


@pytest.mark.parametrize("name", ["db", "engine", "dashboard"])
def test_another_package_of_that_name_is_named_in_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import dualens"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert said.startswith(
        f"ImportError: Dualens needs its own package '{name}', but Python finds {tmp_path}"
    )
    assert said.endswith("of its own (pipx, uv tool, venv).")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as its console script starts it."""
    code = "import sys; sys.argv[0] = 'dualens'; import dualens; sys.exit(dualens.main())"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin", "HOME": "/nonexistent", **environment},
    )


def test_the_command_prints_its_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"dualens {VERSION}\n")


def test_the_shell_completes_commands_and_options() -> None:
    asked = {"_DUALENS_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    said = run(COMP_WORDS="dualens r", **asked).stdout.split()
    assert said == ["report", "restore", "rank", "recommend", "runs", "rate"]
    asked["COMP_CWORD"] = "2"
    assert run(COMP_WORDS="dualens dashboard --p", **asked).stdout.split() == ["--port"]
    # Asked for by name: the shell that started the tests may be another one, or none.
    script = run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "complete -o default -F _dualens_completion dualens" in script.stdout


def test_every_command_of_the_engine_is_a_command_of_dualens() -> None:
    import typer

    from engine.__main__ import app

    def names(of: typer.Typer) -> set[str]:
        return set(typer.main.get_command(of).commands)  # type: ignore[attr-defined]

    assert names(dualens.command_line()) == names(app) | {"dashboard", "report"}


def test_an_error_is_one_line_and_status_2(store: Store, settings: Settings) -> None:
    from db import datasets

    datasets.insert(store, "toy", toy_columns(), kind="generic", source="t", fingerprint="t", report={})
    done = run("users", "--dataset", "tay", DUALENS_HOME=str(settings.home))
    assert done.returncode == 2
    assert done.stderr == "Error: No data set is called 'tay'. Did you mean 'toy'?\n"


def test_help_says_what_happens_without_a_command() -> None:
    said = " ".join(CliRunner().invoke(dualens.command_line(), ["--help"]).output.split())
    assert "Without a command, the dashboard opens." in said
    assert "--install-completion" in said


@pytest.mark.parametrize(
    ("words", "port"), [([], 8501), (["--port", "9000"], 9000), (["--port=9001", "--no-browser"], 9001)]
)
def test_without_a_command_the_dashboard_opens(
    words: list[str], port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dashboard import __main__ as dashboard

    monkeypatch.setenv("DUALENS_HOME", str(tmp_path))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    monkeypatch.setattr(sys, "argv", ["dualens", *words])
    opened: list[tuple] = []
    monkeypatch.setattr(dashboard, "start_worker", lambda: None)
    monkeypatch.setattr(dashboard, "start_page", lambda *place, **options: opened.append((place, options)))
    monkeypatch.setattr(dashboard, "supervise", lambda page, worker: 0)
    with pytest.raises(SystemExit) as ended:
        dualens.main()
    assert ended.value.code == 0
    (doors, *place), options = opened[0]
    assert (doors.address, *place) == ("127.0.0.1", port, 4096)
    assert options == {"open_browser": "--no-browser" not in words}
