"""The build-up on Explain."""

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.screens.explain.build_chart import added, describe, path
from dashboard.ui.theme import LIGHT
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_explain, shop
from tests.support.fake_engine import FakeEngine, rank
from tests.support.reading import button, until


def test_the_build_up_from_the_press_to_the_sentence(open_page: Callable[..., AppTest], store: Store) -> None:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    with FakeEngine(store):
        app = open_page("explain", part="build")
        button(app, "Measure the build-up").click().run()
        until(app, "All of them change the target's margin by +0.80 log-share.")
    assert not app.exception


def test_both_pictures_show_margin_and_loss_with_up_as_better(store: Store) -> None:
    shop.stock(store)
    result = fake_explain.build(store, rank(store, RunRequest("simulated", "shopper 0012")))
    figure: Any = added(result["added"], ["<b>A</b>", "B", "C", "D"], LIGHT)
    loss, margin = figure.data
    assert list(margin.x) == [0, 1, 2, 3, 4]
    assert (margin.yaxis, loss.yaxis) == ("y", "y2")
    assert figure.layout.yaxis2.autorange == "reversed"
    assert "with number 1 &lt;b&gt;A" in margin.hovertext[4]
    along: Any = path(result["path"], LIGHT)
    assert along.layout.shapes[0].x0 == 1.0, "the run's own weights are marked"
    assert describe(result["added"], "count").startswith("The target's margin by count: 0: −2.00, 1: −1.80")
