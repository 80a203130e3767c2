"""The guided start: what it says is what the stored runs say; it is offered first, skipped, and repeated."""

from collections.abc import Callable
from dataclasses import replace
from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

from db import guided, jobs, runs
from db.effect_results import sign
from db.guided import Guided
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import effects, rank
from tests.support.reading import button, texts

Open = Callable[..., AppTest]


@pytest.fixture
def found(store: Store) -> Guided:
    """Runs of the fake engine that can show it: a user whose target falls without the best demonstration."""
    shop.stock(store)
    for number in range(40):
        request = RunRequest("simulated", f"shopper {number:04d}", demos="neighbours:4")
        run = rank(store, request)
        effects(store, run)
        [measured] = [each for each in runs.effects(store, run.key) if each.result["mode"] == "direct"]
        rows = measured.result["demonstrations"]
        if max(map(sign, rows)) <= 0 or min(map(sign, rows)) >= 0:
            runs.delete(store, run.key)
            continue
        best = max(row["effect"] for row in rows)
        chosen = tuple(
            replace(one, weight=float(row["effect"] != best))
            for one, row in zip(chosen_of(run.result), rows, strict=True)
        )
        off = rank(store, replace(request, demonstrations=chosen))
        for each in (run, off):
            runs.annotate(store, each.key, tags=[guided.TAG])
        if (one := guided.find(store)) is not None:
            return one
    raise AssertionError("no user of the shop can show it")


def chosen_of(result: dict) -> tuple:
    """The demonstrations of a run, by id."""
    from db.requests import Chosen

    return tuple(Chosen(view["id"], view["weight"]) for view in result["demonstrations"])


def finding(app: AppTest) -> str:
    """The sentence in large letters."""
    assert not app.exception
    shown = next(each.value for each in app.html if "<h1" in each.value)
    return unescape(shown.partition("<h1")[2].partition(">")[2].partition("</h1>")[0])


def test_every_sentence_is_made_from_the_runs(open_page: Open, store: Store, found: Guided) -> None:
    total = len(found.run.result["items"])
    app = open_page("tour")
    assert f"of {total}." in finding(app)
    button(app, "Next").click().run()
    assert f"Number {found.good + 1} is a good one" in finding(app)
    assert found.misleading is not None
    assert f"Number {found.misleading + 1} misleads the model" in finding(app)
    button(app, "Next").click().run()
    assert finding(app) == f"Turn demonstration {found.good + 1} off and watch the gold line."
    button(app, f"Turn demonstration {found.good + 1} off").click().run()
    assert f"Without number {found.good + 1}, the target falls" in finding(app)
    button(app, "Next").click().run()
    assert "with no model at all" in finding(app)
    button(app, "Next").click().run()
    assert button(app, "Next").disabled
    assert jobs.listing(store) == [], "nothing was computed"


def test_it_is_offered_until_it_is_skipped(open_page: Open, found: Guided) -> None:
    app = open_page()
    assert "New here?" in texts(app)
    button(app, "Skip").click().run()
    assert "New here?" not in texts(app)


def test_it_is_not_offered_to_who_has_ranked(open_page: Open, store: Store, found: Guided) -> None:
    for number in (1, 2):
        rank(store, RunRequest("simulated", f"shopper {number:04d}", demos="bm25:2"))
    assert "New here?" not in texts(open_page())


def test_the_guide_leads_to_it(open_page: Open, found: Guided) -> None:
    links = [link.proto.label for link in open_page("guide").get("page_link")]
    assert "Guided start, one minute" in links


def test_where_no_run_can_show_it_the_page_says_so(open_page: Open, store: Store) -> None:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    app = open_page("tour")
    assert "No stored run can show this yet" in texts(app)
    button(app, "Store the example runs").click().run()
    assert [job.kind for job in jobs.listing(store)] == ["setup"]
