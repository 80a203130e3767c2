"""Imports as everybody sees them: progress, the question before most rows are left out, a link that stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.screens.library import uploads
from db import jobs
from db.jobs import Job
from db.store import Store
from tests.dashboard.screens.library.test_uploads import Dropped
from tests.support.reading import button, read, texts

Open = Callable[..., AppTest]
ASKED = {"path": "/data/shop.csv", "name": "my <b>shop</b>", "mapping": None, "options": {"k_core": 2}}
REPORT = {"rows_read": 1000, "rows_kept": 150, "users": 5, "items": 9, "notes": [], "dropped": {}}
QUESTION = {
    "share": 0.85,
    "reasons": {"repeated user-item pair": 850},
    "ways": [{"label": "Keep repeats", "options": {"repeats": "all"}}],
}


def running(store: Store, **other: Any) -> Job:
    jobs.submit(store, "import", {**ASKED, **other})
    job = jobs.claim(store, "me")
    assert job is not None
    jobs.heartbeat(store, job.id, "me", 0.4, "Writing 450,000 interactions, 95,000 rows/s")
    return job


def finished(store: Store, result: dict[str, Any], **other: Any) -> Job:
    job = running(store, **other)
    jobs.finish(store, job.id, "me", result)
    return job


def test_everybody_sees_an_import_with_its_rate_and_can_stop_it(open_page: Open, store: Store) -> None:
    job = running(store)
    app = open_page("library")  # another browser, or the same one after a reload
    bars = [read(bar.proto.text) for bar in app.get("progress")]
    assert any("Importing my <b>shop</b>" in bar and "95,000 rows/s" in bar for bar in bars)
    assert "my <b>shop</b>" not in [name for table in app.dataframe for name in table.value.get("name", ())]
    button(app, "Stop").click().run()
    assert jobs.get(store, job.id).stop_asked
    jobs.release(store, job.id, "me")
    app.run()
    assert not app.get("progress")


def test_an_import_that_would_lose_most_rows_is_a_question(open_page: Open, store: Store) -> None:
    job = finished(store, {"dataset": None, "question": QUESTION, "report": REPORT})
    app = open_page("library", **{"import": str(job.id)})
    assert not app.success
    assert "85% of 1,000 rows would be left out" in read(app.warning[0].value)
    assert "repeated user-item pair: 850" in read(app.warning[0].value)
    button(app, "Keep repeats and import").click().run()
    newest = jobs.listing(store, kinds=["import"])[0]
    assert newest.payload == {
        **ASKED,
        "options": {"k_core": 2, "repeats": "all"},
        "accept_drops": False,
        "yes": False,
    }
    app = open_page("library", **{"import": str(job.id)})
    button(app, "Import the other 150 rows").click().run()
    newest = jobs.listing(store, kinds=["import"])[0]
    assert newest.payload == {**ASKED, "accept_drops": True, "yes": False}


def test_what_was_accepted_is_still_no_green_box(open_page: Open, store: Store) -> None:
    job = finished(store, {"dataset": "shop", "report": REPORT}, accept_drops=True)
    app = open_page("library", **{"import": str(job.id)})
    assert not app.success
    assert "shop is ready" in read(app.warning[0].value).replace("**", "")


def test_a_reload_keeps_the_import_and_what_was_set(open_page: Open, store: Store) -> None:
    job = running(store)
    app = open_page("library", **{"import": str(job.id)})
    assert "runs in the background" in texts(app)
    jobs.fail(store, job.id, "me", "shop.csv, line 3: no")
    app = open_page("library", **{"import": str(job.id)})
    assert "shop.csv, line 3: no" in [read(each.value) for each in app.error]
    assert app.text_input(key="import-path")
    for odd in ("99", "x", str(jobs.submit(store, "rank", {}).id)):
        assert not open_page("library", **{"import": odd}).exception


def test_an_import_whose_upload_was_removed_says_so(open_page: Open, store: Store) -> None:
    path = uploads.keep(store.settings.prepare(), [Dropped("Käufe.csv")])
    job = running(store, path=str(path))
    jobs.fail(store, job.id, "me", "no")
    uploads.discard(store.settings, path)
    assert "Drop them again" in texts(open_page("library", **{"import": str(job.id)}))


def test_uploads_of_closed_browsers_are_removed_but_never_one_in_use(
    open_page: Open, store: Store, monkeypatch: Any
) -> None:
    kept = [uploads.keep(store.settings.prepare(), [Dropped(f"{name}.csv")]) for name in "abc"]
    running(store, path=str(kept[0]))
    done = jobs.submit(store, "import", {**ASKED, "path": str(kept[1])})
    jobs.claim(store, "me", job_id=done.id)
    jobs.finish(store, done.id, "me", {"dataset": "b", "report": REPORT})
    open_page("library")
    assert [path.exists() for path in kept] == [True, False, True]
    monkeypatch.setattr(uploads, "KEPT_S", 0.0)
    open_page("library")
    assert [Path(path).exists() for path in kept] == [True, False, False]
