"""The columns of an import on the page: what must be chosen, what was detected and why, corrections."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from db import jobs
from db.store import Store
from tests.support import fake_engine
from tests.support.fake_engine import FakeEngine
from tests.support.reading import button, read, texts, until

Open = Callable[..., AppTest]
QUESTION = {
    "field": "user",
    "reason": "no column is clearly it",
    "candidates": [
        {"name": "<b>foo</b>", "examples": ["k7", "k3", "k27"], "evidence": "30 distinct, each 6 times"},
        {"name": "what", "examples": ["x1", "x7", "x3"], "evidence": "9 distinct"},
    ],
    "optional": False,
    "option": "",
}


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Previews ask for the user until a person has said it."""
    plainly = fake_engine.preview

    def preview(payload: dict[str, Any]) -> dict[str, Any]:
        found = plainly(payload)
        asked = [] if "user" in (payload["mapping"] or {}) else [QUESTION]
        return {**found, "columns": [*found["columns"], "<b>foo</b>"], "questions": asked}

    monkeypatch.setattr(fake_engine, "preview", preview)


def previewed(open_page: Open) -> AppTest:
    app = open_page("library")
    app.text_input(key="import-path").set_value("/data/toy.csv").run()
    button(app, "Preview this path").click().run()
    until(app, "a table")
    return app


@pytest.mark.usefixtures("unsure")
def test_a_weak_guess_is_asked_with_its_candidates_and_a_choice_settles_it(
    open_page: Open, store: Store
) -> None:
    with FakeEngine(store):
        app = previewed(open_page)
        assert "Which is the user?" in read(app.warning[0].value)
        table = next(t.value for t in app.dataframe if "candidate" in t.value.columns)
        assert list(table["candidate"]) == ["<b>foo</b>", "what"]
        assert list(table["first values"]) == ["k7, k3, k27", "x1, x7, x3"]
        assert button(app, "Import").disabled
        box = next(box for box in app.selectbox if box.label == "User")
        assert box.value is None
        box.set_value("<b>foo</b>").run()
        until(app, "a table")
        assert not app.warning
        assert not button(app, "Import").disabled
        button(app, "Import").click().run()
        until(app, "is ready")
    filed = jobs.listing(store, kinds=["import"])[0].payload
    assert filed["mapping"] == {"user": "<b>foo</b>"}
    assert filed["yes"] is False


@pytest.mark.usefixtures("unsure")
def test_the_best_guess_is_taken_where_a_person_says_so(open_page: Open, store: Store) -> None:
    with FakeEngine(store):
        app = previewed(open_page)
        next(box for box in app.checkbox if "Take the best guess" in box.label).check().run()
        assert not button(app, "Import").disabled
        button(app, "Import").click().run()
        until(app, "is ready")
    assert jobs.listing(store, kinds=["import"])[0].payload["yes"] is True


def test_a_column_serves_one_field_and_the_evidence_is_shown(open_page: Open, store: Store) -> None:
    with FakeEngine(store):
        app = previewed(open_page)
        assert "3 distinct, each 1 to 2 times" in texts(app)
        for label, column in (("Rating", "when"), ("Item", "when")):
            next(box for box in app.selectbox if box.label == label).set_value(column).run()
            until(app, "a table")
        button(app, "Back to the detected columns").click().run()
        until(app, "a table")
    asked = [job.payload["mapping"] for job in jobs.listing(store, kinds=["preview"])]
    assert {"rating": "when"} in asked
    assert {"item": "when"} in asked  # the later word takes the column from the earlier
    assert asked.count(None) >= 1
