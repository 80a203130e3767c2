"""The story of an experiment: whole, of an earlier version, running; in a report and on Present."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.report.document import document
from dashboard.report.kinds import story
from db import jobs
from db.requests import ExperimentRequest
from db.store import Store
from tests.support import fake_experiment, shop
from tests.support.reading import texts

Open = Callable[..., AppTest]
ASKED = ExperimentRequest("simulated", users=12, demos=("none", "neighbours:4"), baselines=("popularity",))


def experiment(store: Store, result: dict[str, Any] | None = None) -> str:
    """The number of a finished one."""
    shop.stock(store)
    job = jobs.submit(store, "experiment", ASKED.to_json())
    jobs.claim(store, "me", job_id=job.id)
    jobs.finish(store, job.id, "me", fake_experiment.result(store, ASKED) if result is None else result)
    return str(job.id)


def test_it_tells_claim_leaderboard_zones_and_costs_and_escapes_labels(store: Store) -> None:
    number = experiment(store)
    told = story(store, [number])
    assert [step.title for step in told.steps] == ["The result", "For whom it decides", "What quality costs"]
    assert told.steps[0].finding == (jobs.get(store, int(number)).result or {})["claim"]
    assert told.commands[-2:] == (
        "dualens experiment run experiment.yaml",
        f"dualens report {number} --out report.html",
    )
    assert "demos:" in told.texts[0].body or "baselines:" in told.texts[0].body
    html = document(told, 0.0)
    assert "<b>:x:</b>" not in html
    assert "&lt;b&gt;:x:&lt;/b&gt;" in html


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"claim": "Old."},
        {"rows": [{"key": "none", "measures": {"ndcg10": {"mean": 0.5}}}], "claim": "Old."},
        {"rows": [{"key": "none"}], "zones": [{"without": "x", "with": "y"}], "frontier": {"rows": []}},
    ],
)
def test_a_result_of_another_version_is_told_as_far_as_it_goes(store: Store, result: dict[str, Any]) -> None:
    assert document(story(store, [experiment(store, result)]), 0.0)


def test_one_that_runs_says_that_its_numbers_may_change(store: Store) -> None:
    shop.stock(store)
    job = jobs.submit(store, "experiment", ASKED.to_json())
    assert "its numbers may change" in " ".join(story(store, [str(job.id)]).limits)


def test_present_lists_and_shows_it(open_page: Open, store: Store) -> None:
    number = experiment(store)
    app = open_page("present")
    assert not app.exception
    assert "has the highest NDCG@10" in texts(app)
    app = open_page("present", of=number, step="1")
    assert not app.exception
    assert "has the highest NDCG@10" in texts(app)
