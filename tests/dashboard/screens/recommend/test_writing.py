"""Demonstrations in a person's own words: from scratch, edited on the desk, edited before they are added."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.state.demonstrations import search
from db import datasets, demonstrations
from db.demonstrations import Demonstration
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import effects, rank
from tests.support.reading import button, named, texts

Open = Callable[..., AppTest]
HOSTILE = "**mine** <b>x</b> $y$"


@pytest.fixture
def stocked(store: Store) -> Store:
    """The shop and one stored run with its effects."""
    shop.stock(store)
    effects(store, rank(store, RunRequest("simulated", "shopper 0012")))
    return store


def newest(store: Store, app: AppTest) -> tuple[list[str], Demonstration]:
    """The ids on the desk, and what a person wrote."""
    info = datasets.get(store, "simulated")
    [written] = demonstrations.written(store, info.id, 10)
    ids = [part.partition("*")[0] for part in str(app.query_params["set"]).split(",")]
    return ids, written


def area(app: AppTest, key: str) -> Any:
    """The field with the titles of the history."""
    return named(app.text_area, key)


def test_one_is_written_from_scratch_and_put_on_the_desk(open_page: Open, stocked: Store) -> None:
    app = open_page()
    app.session_state["pool-tab-1"] = "In your own words"  # of the first dialog opened
    button(app, "Add…").click().run()
    assert button(app, "Save and put on the desk").disabled
    area(app, "write-history").set_value(f"first one\n\n  {HOSTILE}  \n").run()
    app.text_input(key="write-answer").set_value("then this").run()
    button(app, "Save and put on the desk").click().run()
    assert not app.exception
    ids, written = newest(stocked, app)
    assert ids[-1] == written.id
    assert len(ids) == 5
    assert (written.text_override or "").split("\n") == ["first one", HOSTILE, "then this"]
    assert f"… {HOSTILE} →" in texts(app)
    assert "hand-written" in texts(app)


def test_a_title_of_the_catalogue_is_taken_over(open_page: Open, stocked: Store) -> None:
    app = open_page()
    app.session_state["pool-tab-1"] = "In your own words"
    button(app, "Add…").click().run()
    app.text_input(key="write-search").set_value("deluxe mascara").run()
    app.button(key="write-history-0").click().run()
    app.button(key="write-history-1").click().run()
    app.button(key="write-answer-2").click().run()
    lines = area(app, "write-history").value.splitlines()
    assert len(lines) == 2
    lines.append(named(app.text_input, "write-answer").value)
    assert all("Deluxe Pure Mascara" in line for line in lines)


def test_one_on_the_desk_is_edited_in_its_place_with_its_weight(open_page: Open, stocked: Store) -> None:
    app = open_page()
    name = app.slider[1].key.removeprefix("weight-")
    app.slider[1].set_value(1.5).run()
    app.button(key=f"edit-{name}").click().run()
    assert button(app, "Use these titles").disabled
    app.text_input(key=f"edit-{name}-answer").set_value(HOSTILE).run()
    button(app, "Use these titles").click().run()
    assert not app.exception
    ids, written = newest(stocked, app)
    assert ids.index(written.id) == 1
    assert name not in ids
    assert f"{written.id}*1.5" in app.query_params["set"]
    original = demonstrations.get_many(stocked, [name])[name]
    assert (written.user_id, written.position) == (original.user_id, original.position)


def test_a_title_is_edited_as_it_is_not_as_it_is_shown(open_page: Open, store: Store) -> None:
    shop.stock(store, titles=shop.HOSTILE)
    run = rank(store, RunRequest("simulated", "shopper 0000", demos="proximal:2"))
    effects(store, run)
    app = open_page(data="simulated", user="shopper 0000", model="embedded", demos="proximal:2")
    view = run.result["demonstrations"][1]
    app.button(key=f"edit-{view['id']}").click().run()
    assert not app.exception
    shown = app.text_area(key=f"edit-{view['id']}-history").value.split("\n")
    assert shown == [" ".join(each["title"].split()) or "(no title)" for each in view["history"]]


def test_too_many_titles_are_refused_with_a_reason(open_page: Open, stocked: Store) -> None:
    app = open_page()
    app.session_state["pool-tab-1"] = "In your own words"
    button(app, "Add…").click().run()
    area(app, "write-history").set_value("a\nb\nc\nd\ne\nf").run()
    app.text_input(key="write-answer").set_value("g").run()
    button(app, "Save and put on the desk").click().run()
    assert "1 to 5 history items" in texts(app)


def test_the_catalogue_is_searched_by_all_words_most_bought_first(open_page: Open, stocked: Store) -> None:
    open_page()
    info = datasets.get(stocked, "simulated")
    found, total = search(info, "MASCARA velora", 1)
    assert (len(found), total) == (1, 2)
    assert search(info, "no such words", 5) == ([], 0)
    known = datasets.catalogue(stocked, info.id)
    assert search(info, "", 1)[0] == [known.titles[int(known.counts.argmax())]]
