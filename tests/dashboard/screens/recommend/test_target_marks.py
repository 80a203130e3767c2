"""Demonstrations that show the target's item: gold on desk and pool, left out and put back by a click."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend import target_marks
from dashboard.ui.theme import LIGHT
from db import datasets, jobs
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, pool, rank
from tests.support.reading import button, texts, until

Open = Callable[..., AppTest]
USER = "shopper 0026"
LINK = {"data": "simulated", "user": USER, "model": "embedded"}
REQUEST = RunRequest("simulated", USER)


@pytest.fixture
def stocked(store: Store) -> Store:
    """A run whose first demonstration answers with the target and whose third has it in its history."""
    shop.stock(store)
    effects(store, rank(store, REQUEST))
    return store


def lines(app: AppTest) -> list[str]:
    """The last lines of the desk's rows."""
    return [part.value for part in app.caption if "neighbour" in part.value or "own window" in part.value]


def test_the_desk_says_in_words_what_shows_the_target(open_page: Open, stocked: Store) -> None:
    said = lines(open_page(**LINK))
    marks = [line.partition("]")[0].rpartition("[")[2] if "badge" in line else "" for line in said]
    assert marks == ["target is the answer", "", "target in the history", ""]
    assert "2 demonstrations show the target's item (gold): 1 as the answer, 1 in the history." in texts(
        open_page(**LINK)
    )


def test_nothing_is_marked_before_the_target_is_shown(open_page: Open, stocked: Store) -> None:
    views = pool(stocked, REQUEST)
    app = open_page(**LINK, set=f"{views[0]['id']},{views[1]['id']}")
    assert "? next purchase" in texts(app)
    assert "target is the answer" not in texts(app)
    with FakeEngine(stocked):
        button(app, "Run").click().run()
        until(app, "target is the answer")
    assert not app.exception


def test_one_click_leaves_them_out_and_one_puts_them_back(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        before = [slider.key for slider in app.slider]
        app.button(key="target-exclude").click().run()
        until(app, "Left out: 2 demonstrations that show the target's item.")
        until(app, "2 of 4 demonstrations")
        assert [slider.key for slider in app.slider] == [before[1], before[3]]
        assert app.query_params["exclude_target_item"] == "yes"
        assert "Compare with before" in [link.proto.label for link in app.get("page_link")]
        app.button(key="target-include").click().run()
        until(app, "target is the answer")
    assert [slider.key for slider in app.slider] == before
    assert "exclude_target_item" not in app.query_params
    assert not app.exception


def test_what_was_chosen_by_hand_comes_back_too(open_page: Open, stocked: Store) -> None:
    first, second = (view["id"] for view in pool(stocked, REQUEST)[:2])
    with FakeEngine(stocked):
        app = open_page(**LINK, set=f"{first}*2,{second}", exclude_target_item="yes")
        assert [slider.key for slider in app.slider] == [f"weight-{second}"]
        assert "Left out: 1 demonstration that shows the target's item." in texts(app)
        app.button(key="target-include").click().run()
        until(app, "target is the answer")
    assert [slider.value for slider in app.slider] == [2.0, 1.0]


def offered(app: AppTest) -> Any:
    """The pool's table."""
    return next(frame.value for frame in app.dataframe if "source" in frame.value.columns)


def test_the_pool_has_a_column_for_it_and_hides_what_is_left_out(open_page: Open, stocked: Store) -> None:
    views = pool(stocked, REQUEST)
    with FakeEngine(stocked):
        app = open_page(**LINK, set=views[1]["id"])
        button(app, "Run").click().run()
        until(app, "In one sentence")
        app.button(key="add").click().run()
        until(app, "Gold: 2 rows with the target's item")
        table = offered(app)
        assert list(table[target_marks.COLUMN])[:2] == ["as its answer", "in its history"]
        assert len(table) == len(views) - 1
        app = open_page(**LINK, set=views[1]["id"], exclude_target_item="yes")
        app.button(key="add").click().run()
        until(app, "2 rows with the target's item left out")
        assert len(offered(app)) == len(views) - 3
    asked = jobs.listing(stocked, kinds=["pool"])[0].payload["request"]
    assert "exclude_target_item" not in asked


def test_gold_rows_of_the_pool_have_the_palette_s_colours(stocked: Store) -> None:
    info = datasets.get(stocked, "simulated")
    past = datasets.history(stocked, info.id, datasets.user(stocked, info.id, USER).user)
    views = pool(stocked, REQUEST)
    places = [target_marks.place(view, past[-1]) for view in views]
    from dashboard.screens.recommend.pool import table
    from dashboard.text import domain

    frame = table(views, domain.ANY)
    html = target_marks.styled(frame, places, LIGHT).to_html()
    assert LIGHT.target_surface in html
    assert LIGHT.target_text in html
    assert target_marks.styled(frame, [None] * len(views), LIGHT) is frame
