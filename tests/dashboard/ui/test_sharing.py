"""The button "Report" stands wherever a run, a comparison or a study is shown."""

from collections.abc import Callable
from dataclasses import replace

from streamlit.testing.v1 import AppTest

from dashboard.screens.runs import picks
from dashboard.ui import sharing
from db import jobs
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_study, shop
from tests.support.fake_engine import rank

Open = Callable[..., AppTest]
BASE = RunRequest("simulated", "shopper 0012")
STUDY = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20}


def reports(app: AppTest) -> list[str]:
    """Keys of the report buttons of a page."""
    assert not app.exception
    return [each.key for each in app.get("download_button") if each.proto.label == "Report"]


def test_of_a_run(open_page: Open, store: Store) -> None:
    shop.stock(store)
    run = rank(store, BASE)
    key = f"report-{run.key[:12]}"
    assert reports(open_page("explain", run=run.key)) == [key]
    assert reports(open_page("recommend", data="simulated", user=BASE.user, model="embedded")) == [key]


def test_of_picked_runs(open_page: Open, store: Store) -> None:
    shop.stock(store)
    one, two = rank(store, BASE), rank(store, replace(BASE, demos="bm25:2"))
    app = open_page("runs")
    assert reports(app) == []
    app.session_state["form-answers"] = {picks.PICKED: [one.key]}
    assert reports(app.run()) == [f"report-{one.key[:12]}"]
    app.session_state["form-answers"] = {picks.PICKED: [two.key, one.key]}
    assert reports(app.run()) == [f"report-{one.key[:12]}-{two.key[:12]}"]


def test_of_a_comparison(open_page: Open, store: Store) -> None:
    shop.stock(store)
    one, two = rank(store, BASE), rank(store, replace(BASE, demos="bm25:2"))
    assert reports(open_page("compare", a=one.key, b=two.key)) == [f"report-{one.key[:12]}-{two.key[:12]}"]
    assert reports(open_page("compare", a=one.key, b=one.key)) == [], "a run beside itself tells nothing"


def test_of_a_study(open_page: Open, store: Store) -> None:
    shop.stock(store)
    job = jobs.submit(store, "study", STUDY)
    assert reports(open_page("studies", study=str(job.id))) == [], "it has not ended"
    jobs.claim(store, "me")
    jobs.finish(store, job.id, "me", fake_study.strategies(STUDY))
    assert reports(open_page("studies", study=str(job.id))) == [f"report-{job.id}"]


def test_it_is_written_when_the_button_is_pressed(store: Store) -> None:
    shop.stock(store)
    run = rank(store, BASE)
    assert sharing._written(store, (run.key,)).startswith("<!doctype html>")
