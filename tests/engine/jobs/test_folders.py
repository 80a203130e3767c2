"""A job reads the paths that it names only under the folders of its server; links are followed first."""

from pathlib import Path

import pytest

from dashboard.ui import rights
from db import jobs
from db.errors import BadInput, DualensError
from db.settings import Settings
from db.store import Store
from engine.context import EMBEDDED, Engine
from engine.jobs.handlers import HANDLERS

ROWS = "user,item,timestamp,rating\n" + "".join(
    f"u{user},i{item},{1_600_000_000 + item * 86_400},{1 + item % 5}\n"
    for user in range(9)
    for item in range(9)
)


def silent(*_: object, **__: object) -> None:
    """A report that nobody reads."""


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "rows.csv").write_text(ROWS)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "shadow.csv").write_text(ROWS.replace("u", "hidden"))
    (folder / "link.csv").symlink_to(secret / "shadow.csv")
    (folder / "links").symlink_to(secret)
    return folder


@pytest.fixture
def engine(store: Store, settings: Settings, allowed: Path) -> Engine:
    return Engine(store, settings.model_copy(update={"folders": (allowed,)}))


@pytest.mark.parametrize("kind", ["preview", "import"])
@pytest.mark.parametrize(
    "path",
    [
        "../secret/shadow.csv",
        "../secret",
        "link.csv",
        "links",
        "links/shadow.csv",
        "../nothing",
        "/etc/passwd",
        "/",
        "~",
    ],
)
def test_what_lies_elsewhere_is_refused_whether_it_is_there_or_not(
    engine: Engine, allowed: Path, kind: str, path: str
) -> None:
    where = path if path.startswith(("/", "~")) else str(allowed / path)
    with pytest.raises(BadInput) as refused:
        HANDLERS[kind](engine, {"path": where}, silent)
    said = str(refused.value)
    assert said.startswith(f"Paths are read only under {allowed} on this server")
    assert "hidden" not in said
    assert "shadow" not in said


@pytest.mark.parametrize("confined", [True, False])
@pytest.mark.parametrize("path", ["loop", "~nobody-of-this-name/rows.csv", "rows\0.csv", "x" * 5000])
def test_what_is_no_path_is_one_sentence(
    engine: Engine, store: Store, settings: Settings, allowed: Path, confined: bool, path: str
) -> None:
    (allowed / "loop").symlink_to(allowed / "round")
    (allowed / "round").symlink_to(allowed / "loop")
    where = path if path.startswith("~") else str(allowed / path)
    with pytest.raises(DualensError):
        HANDLERS["preview"](engine if confined else Engine(store, settings), {"path": where}, silent)


def test_a_folder_is_read_without_the_links_that_lead_out_of_it(engine: Engine, allowed: Path) -> None:
    found = HANDLERS["preview"](engine, {"path": str(allowed)}, silent)
    assert found["files"] == ["rows.csv"]
    assert "hidden" not in str(found["rows"])


def test_the_folders_of_the_page_count_for_a_worker_that_knows_of_none(
    store: Store, settings: Settings, allowed: Path
) -> None:
    engine = Engine(store, settings)
    asked = {"path": str(allowed / "rows.csv")}
    assert HANDLERS["preview"](engine, asked, silent)["files"] == ["rows.csv"]
    assert HANDLERS["preview"](engine, {**asked, "within": [str(allowed)]}, silent)["files"] == ["rows.csv"]
    with pytest.raises(BadInput, match="not at all"):
        HANDLERS["preview"](engine, {**asked, "within": []}, silent)


def test_an_upload_is_read_but_not_the_folder_of_all_uploads(store: Store, settings: Settings) -> None:
    engine = Engine(store, settings.model_copy(update={"folders": ()}))
    upload = settings.uploads / "0f"
    upload.mkdir()
    (upload / "rows.csv").write_text(ROWS)
    assert HANDLERS["preview"](engine, {"path": str(upload / "rows.csv")}, silent)["files"] == ["rows.csv"]
    for path in (settings.uploads, settings.home, settings.home / "dualens.db"):
        with pytest.raises(BadInput, match="not at all"):
            HANDLERS["preview"](engine, {"path": str(path)}, silent)


@pytest.mark.parametrize("source", ["../secret", "links", "model", "/etc", "~/model"])
def test_a_model_is_registered_from_allowed_folders_only(engine: Engine, allowed: Path, source: str) -> None:
    (allowed / "model").mkdir()
    (allowed / "model" / "config.json").symlink_to(allowed.parent / "secret" / "shadow.csv")
    where = source if source[0] in "/~" else str(allowed / source)
    with pytest.raises(BadInput, match="Paths are read only under"):
        HANDLERS["register_model"](engine, {"name": "x", "source": where}, silent)


def test_the_embedded_model_is_always_there(store: Store, settings: Settings) -> None:
    engine = Engine(store, settings.model_copy(update={"folders": ()}))

    assert HANDLERS["register_model"](engine, {"name": "x", "source": str(EMBEDDED)}, silent) == {
        "model": "x"
    }


def test_jobs_of_a_page_carry_its_folders(
    monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path
) -> None:

    assert rights.within({"path": "x"}) == {"path": "x"}
    monkeypatch.setenv("DUALENS_FOLDERS", f'["{tmp_path}"]')
    job = jobs.submit(store, "preview", rights.within({"path": "x"}))
    assert job.payload == {"path": "x", "within": [str(tmp_path)]}
