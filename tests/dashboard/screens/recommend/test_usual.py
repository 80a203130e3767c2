"""The quiet line: how often demonstrations helped, with the study it comes from; nothing where none did."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend.usual import sentence
from db import jobs
from db.outcomes import Outcomes
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_study, shop
from tests.support.fake_engine import rank
from tests.support.reading import texts

Open = Callable[..., AppTest]
VIEW = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}


def study(store: Store, **more: Any) -> int:
    """A finished study of strategies over 20 users."""
    asked = {"study": "strategies", "dataset": "simulated", "model": "embedded", "users": 20, **more}
    job = jobs.submit(store, "study", asked, jobs.BACKGROUND)
    jobs.claim(store, "me", job_id=job.id)
    jobs.finish(store, job.id, "me", fake_study.strategies(asked))
    return job.id


@pytest.fixture
def stocked(store: Store) -> Store:
    """A run to show."""
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    return store


def test_nothing_is_said_where_nothing_was_measured(open_page: Open, stocked: Store) -> None:
    app = open_page(**VIEW)
    assert "In one sentence" in texts(app)
    assert "measured with" not in texts(app)


def test_the_line_names_the_study_and_follows_newer_ones(open_page: Open, stocked: Store) -> None:
    first = study(stocked)
    app = open_page(**VIEW)
    assert "Over the last 20 users measured with embedded on simulated" in texts(app)
    assert "by neighbours' windows helped 10 (50%), hurt 5 (25%) and did nothing for 5 (25%)." in texts(app)
    links = [each.proto for each in app.get("page_link") if each.proto.query_string == f"study={first}"]
    assert [link.label for link in links] == [f"Study {first}"]
    newer = study(stocked, seed=1)
    app.run()
    assert "Over the last 40 users" in texts(app)
    assert f"Study {newer}" in [each.proto.label for each in app.get("page_link")]


def test_a_model_that_was_not_measured_has_no_line(open_page: Open, stocked: Store) -> None:
    study(stocked, model="another")
    assert "measured with" not in texts(open_page(**VIEW))


def test_the_sentence() -> None:
    said = sentence(Outcomes("bm25", 84, 40, 76, (7,)), "beauty", "qwen")
    assert said == (
        "Over the last 200 users measured with qwen on beauty, demonstrations by BM25 helped 84 (42%), hurt "
        "40 (20%) and did nothing for 76 (38%)."
    )
