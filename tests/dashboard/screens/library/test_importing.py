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
from tests.support.fake_engine import FakeEngine
from tests.support.reading import button, read, texts, until

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


DATES = {
    "field": "dates",
    "reason": "dates such as 03/04/2014 can be read both ways",
    "candidates": [{"name": n, "examples": [], "evidence": ""} for n in ("month-first", "day-first")],
    "optional": False,
    "option": "dates",
}
ENCODING = {
    **DATES,
    "field": "encoding",
    "reason": "shop.csv is not UTF-8",
    "candidates": [{"name": n, "examples": [f"as {n}"], "evidence": ""} for n in ("gb18030", "big5")],
    "option": "encoding",
}


def asked(store: Store, question: dict[str, Any]) -> Job:
    return finished(store, {"dataset": None, "asked": {"file": "shop.csv", "questions": [question]}})


def test_a_question_after_reading_is_answered_by_a_button(open_page: Open, store: Store) -> None:
    job = asked(store, DATES)
    app = open_page("library", **{"import": str(job.id)})
    assert not app.success
    assert "In which order are day and month?" in read(app.warning[0].value)
    assert not any("candidate" in table.value.columns for table in app.dataframe), "there is nothing to show"
    button(app, "Day first").click().run()
    newest = jobs.listing(store, kinds=["import"])[0]
    assert newest.id != job.id
    assert newest.payload["options"] == {"k_core": 2, "dates": "day-first"}


def test_an_answer_that_changes_what_is_read_renews_the_preview(open_page: Open, store: Store) -> None:
    job = asked(store, ENCODING)
    app = open_page("library", **{"import": str(job.id)})
    assert list(app.dataframe[0].value["first values"]) == ["as gb18030", "as big5"]
    with FakeEngine(store):
        button(app, "big5").click().run()
        until(app, "a table")
    assert jobs.listing(store, kinds=["import"])[0].id == job.id, "nothing is imported yet"
    assert jobs.listing(store, kinds=["preview"])[0].payload["options"] == {"encoding": "big5"}


def test_encoding_and_first_line_are_previewed_at_once_and_imported(open_page: Open, store: Store) -> None:
    with FakeEngine(store):
        app = open_page("library")
        app.text_input(key="import-path").set_value("/data/toy.csv").run()
        button(app, "Preview this path").click().run()
        until(app, "a table")
        next(box for box in app.selectbox if box.label == "The first line").set_value("no").run()
        until(app, "a table")
        assert jobs.listing(store, kinds=["preview"])[0].payload["options"] == {"header": "no"}
        next(box for box in app.text_input if box.label == "Encoding").set_value("gb18030").run()
        until(app, "a table")
        said = {"header": "no", "encoding": "gb18030"}
        assert jobs.listing(store, kinds=["preview"])[0].payload["options"] == said
        button(app, "Import").click().run()
    options = jobs.listing(store, kinds=["import"])[0].payload["options"]
    assert said.items() <= options.items()
