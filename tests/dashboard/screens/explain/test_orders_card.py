"""The order map on Explain."""

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.screens.explain.orders_chart import describe, order_map
from dashboard.ui.theme import LIGHT
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_explain, shop
from tests.support.fake_engine import FakeEngine, rank
from tests.support.reading import button, texts, until


def test_other_orders_from_the_press_to_the_sentence(open_page: Callable[..., AppTest], store: Store) -> None:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    with FakeEngine(store):
        app = open_page("explain", part="orders")
        button(app, "Try other orders").click().run()
        until(app, "Over 2 orders the margin runs from −1.50 to −0.50.")
    assert not app.exception
    assert list(app.table[0].value["order"]) == ["1 · 2 · 3 · 4", "4 · 3 · 2 · 1"]
    assert ":orange[Note:] A <b>note</b>." in texts(app)
    assert "The list is a probe" in texts(app)


def test_the_picture_has_its_panels_and_marks_the_run(store: Store) -> None:
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    result = fake_explain.orders(store, run)
    titles = ["<b>A</b>", "B", "C", "D"]
    figure: Any = order_map(result, titles, LIGHT)
    dots, cells, without, given = figure.data
    assert list(dots.marker.size) == [12, 7]
    assert "&lt;b&gt;A" in cells.hovertext[0][0]
    assert [list(trace.x) for trace in (without, given)] == [[1, 2, 3, 4, 5]] * 2
    assert "Margins of 2 orders, the run's first: −1.50, −0.50." in describe(result)
    alone: Any = order_map({**result, "places": None}, titles, LIGHT)
    assert len(alone.data) == 2
