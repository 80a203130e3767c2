"""Tokens and heads on Explain: shades, the map, a click on a head, and what is said of it."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.explain.heads_chart import describe, heads
from dashboard.screens.explain.token_shades import shaded
from dashboard.screens.explain.tokens_card import of_head
from dashboard.ui.theme import LIGHT
from db import jobs
from db.requests import RunRequest
from db.runs import Run
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank
from tests.support.reading import button, named, texts, until

Open = Callable[..., AppTest]
SEGMENTS = [
    {"kind": "prefix", "tokens": ["<i>Title</i>"]},
    {"kind": "demo", "index": 0, "tokens": ["a", "<b>", "\n", "c"]},
    {"kind": "query", "tokens": ["?"]},
]


@pytest.fixture
def run(store: Store) -> Run:
    """A stored run with its effects."""
    shop.stock(store)
    made = rank(store, RunRequest("simulated", "shopper 0012"))
    effects(store, made)
    return made


def test_tokens_from_the_press_to_the_head_alone(open_page: Open, store: Store, run: Run) -> None:
    app = open_page("explain")
    named(app.segmented_control, "explain-section").set_value("tokens").run()
    assert "Not measured yet" in texts(app)
    with FakeEngine(store):
        button(app, "Measure tokens").click().run()
        until(app, "All tokens add up to +0.40 log-share.")
    assert not app.exception
    [job] = jobs.listing(store, kinds=["explain"])
    assert job.payload == {"part": "tokens", "request": run.request.to_json(), "run": run.key}
    assert "<b>Rose</b>" in texts(app), "titles are shown as they are"
    assert list(app.table[0].value["its tokens"]) == ["**+0.10**"] * 4
    box = named(app.selectbox, "explain-head")
    assert box.options[0] == "All layers and heads"
    box.set_value("0-3").run()
    assert not app.exception
    assert "In layer 1, head 4 the tokens add up to −0.150, of +0.400 in all." in texts(app)
    named(app.segmented_control, "explain-reading").set_value("attention").run()
    assert "Layer 1, head 4 gives the demonstrations 10.0 % of its attention." in texts(app)
    again = open_page("explain", run=run.key, part="tokens")
    assert "All tokens add up to +0.40" in texts(again), "a result is found again by whoever opens the page"
    assert len(jobs.listing(store, kinds=["explain"])) == 1


def test_shades_tell_help_from_hurt_without_colour_and_show_text_as_it_is() -> None:
    html = shaded(SEGMENTS, [0.5, -0.25, 0.0, 0.001], "effect")
    assert '<i class="up" style="--w: 1.0" title="+0.5000">a</i>' in html
    assert '<i class="down" style="--w: 0.707" title="−0.2500">&lt;b&gt;</i>' in html
    assert "<i>Title</i>" not in html
    assert html.count("<i ") == 2, "what is too faint to see is no element"
    looked = shaded(SEGMENTS, [0.5, 0.25, 0.0, 0.0], "attention")
    assert 'class="seen" style="--w: 1.0" title="50.00 %"' in looked
    assert "class=" in shaded(SEGMENTS, [0.0] * 4, "effect")


def test_the_map_has_a_square_for_each_head_and_rings_the_chosen_one() -> None:
    figure: Any = heads([[0.1, -0.4], [0.0, 0.2]], "effect", LIGHT, (0, 1))
    [trace] = figure.data
    assert [list(trace.x), list(trace.y)] == [[1, 2, 1, 2], [1, 1, 2, 2]]
    assert list(trace.marker.line.width) == [0.5, 2.5, 0.5, 0.5]
    assert (trace.marker.cmin, trace.marker.cmax) == (-0.4, 0.4)
    assert figure.layout.yaxis.range == (2.6, 0.4), "the first layer is on top"
    assert "the strongest: layer 1 head 2 −0.400 log-share" in describe([[0.1, -0.4]], "effect")


def test_one_head_is_told_of_all() -> None:
    result = {"heads": {"effect": [[0.1, -0.4]], "attention": [[0.5, 0.2]]}, "parts": [{"effect": -0.3}]}
    assert of_head(result, "effect", (0, 1)) == (
        "In layer 1, head 2 the tokens add up to −0.400, of −0.300 in all."
    )
