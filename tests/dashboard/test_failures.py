"""Whatever fails, in a page, callback, fragment or dialog: a message, the navigation, and the page."""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.pages import PAGES, Page
from db import datasets, jobs
from db.errors import DualensError, NotFound, StoreAway
from db.requests import RunRequest, TuneRequest
from db.store import Store
from tests.support import fake_engine, shop
from tests.support.reading import button, read, texts

Open = Callable[..., AppTest]
DASHBOARD = Path(__file__).parents[2] / "dashboard"
TOLD = {"told()", "notices.told()"}
BROKEN = "The database is busy. Nothing was changed."


def errors(app: AppTest) -> list[str]:
    return [read(each.value) for each in app.error]


def navigation(app: AppTest) -> list[str]:
    return [link.proto.label for link in app.sidebar.get("page_link")]


def stocked(store: Store) -> None:
    """A data set, a model, two runs and an open tuning."""
    shop.stock(store)
    for user in ("shopper 0000", "shopper 0001"):
        fake_engine.rank(store, RunRequest("simulated", user))
    jobs.submit(store, "tune", TuneRequest("simulated").to_json(), jobs.BACKGROUND)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_failing_callback_is_told_on_its_page(
    page: Page, open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(store)
    app = open_page(page.name)
    labels = [each.label for each in app.button if not each.disabled]
    monkeypatch.setattr(Store, "write", broken)
    for label in labels:
        pressed = [each for each in app.button if each.label == label]
        if not pressed:
            continue
        pressed[0].click().run()
        assert not app.exception, label
        assert set(errors(app)) <= {BROKEN}, label
        assert len(navigation(app)) == len([page for page in PAGES if page.listed]), label
        assert texts(app).count("\n") > 3, f"{label}: the page is there, too"


@contextmanager
def broken(_: Store) -> Iterator[Any]:
    raise DualensError(BROKEN)
    yield


def test_the_message_stays_until_the_next_action_and_does_not_follow_to_another_page(
    open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.stock(store)
    app = open_page("tune")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", broken)
        button(app, "Start tuning").click().run()
    assert errors(app) == [BROKEN]
    assert errors(app.run()) == [BROKEN], "a redraw that nobody asked for takes nothing away"
    button(app, "Start tuning").click().run()
    assert errors(app) == []
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", broken)
        button(app, "Stop").click().run()
        assert errors(app) == [BROKEN]
    app.switch_page("screens/guide/page.py").run()
    assert errors(app) == []
    app.switch_page("screens/tune/page.py").run()
    assert errors(app) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_whose_data_set_went_in_another_window(page: Page, open_page: Open, store: Store) -> None:
    stocked(store)
    app = open_page(page.name)
    datasets.delete(store, "simulated")
    for _ in range(2):
        app.run()
        assert not app.exception
        assert len(navigation(app)) == len([page for page in PAGES if page.listed])
    for label in [each.label for each in app.button if not each.disabled]:
        for pressed in [each for each in app.button if each.label == label][:1]:
            pressed.click().run()
            assert not app.exception, label
            assert len(navigation(app)) == len([page for page in PAGES if page.listed]), label


def test_an_unexpected_error_of_a_fragment_is_a_message(
    open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stocked(store)
    app = open_page("tune")

    def gone(*_: Any) -> None:
        raise NotFound("The store holds no job 1.")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "get", gone)
        app.run()
    assert not app.exception
    assert "The store holds no job 1." in errors(app)

    def bug(*_: Any) -> None:
        raise ZeroDivisionError("<b>x</b>")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "get", bug)
        app.run()
    assert any("ZeroDivisionError: <b>x</b>" in text for text in errors(app))
    assert "a page failed" in caplog.text


def test_every_fragment_and_dialog_reports_its_errors() -> None:
    """`told` stands directly around what Streamlit runs by itself, or all of its body is inside."""
    bare = [
        f"{path.relative_to(DASHBOARD)}:{getattr(node, 'lineno', 0)}"
        for path in sorted(DASHBOARD.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _runs_by_itself(node) and not _told(node)
    ]
    assert bare == []


def _runs_by_itself(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return any(
            "st.fragment" in (text := ast.unparse(each)) or "st.dialog" in text
            for each in node.decorator_list
        )
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "st.fragment" and bool(node.args)


def _told(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.args[0]).removeprefix("notices.").startswith("told()(")
    assert isinstance(node, ast.FunctionDef)
    last = node.body[-1]
    inside = isinstance(last, ast.With) and ast.unparse(last.items[0]) in TOLD
    return inside or bool(TOLD & {ast.unparse(each) for each in node.decorator_list})


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_a_page_whose_store_is_away_says_so_and_comes_back(
    page: Page, open_page: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(store)
    app = open_page(page.name)
    there = len(texts(app))

    @contextmanager
    def away(*_: object, **__: object) -> Iterator[None]:
        raise StoreAway("The database cannot be reached.", advice="What was stored before is kept.")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Store, "read", away)
        app.run()
        assert not app.exception
        assert not app.error
        said = [read(each.value) for each in app.warning]
        assert set(said) == {"The database cannot be reached. What was stored before is kept."}
        assert len(navigation(app)) == len([page for page in PAGES if page.listed])
    app.run()
    assert not app.warning
    assert len(texts(app)) > there / 2
