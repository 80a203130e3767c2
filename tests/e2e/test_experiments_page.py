"""Experiments in a real browser: lay out, start, watch, stop, resume, read; a user leads to both lists."""

from pathlib import Path
from typing import Any

import pytest

from db import jobs
from db.requests import ExperimentRequest
from db.store import Store
from tests.e2e.waiting import expect
from tests.support import fake_experiment, shop
from tests.support.fake_engine import HELD, FakeEngine, rank

pytestmark = pytest.mark.e2e


def test_an_experiment_is_laid_out_stopped_resumed_and_read(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store, {"experiment step": HELD}) as engine:
        page.goto(f"{dashboard}/experiments")
        page.get_by_text("No experiment yet").wait_for()
        page.get_by_role("button", name="popularity", exact=True).click()
        page.get_by_text("3 rows x 100 users: 300 lists.").wait_for()
        page.get_by_role("button", name="Start experiment").click()
        page.get_by_text("NDCG@10 so far").wait_for()
        page.reload()
        page.get_by_text("NDCG@10 so far").wait_for()
        assert "experiment=" in page.url
        page.get_by_role("button", name="Stop experiment").click()
        page.get_by_role("button", name="Resume experiment").wait_for()
        engine.delay_s["experiment step"] = 0.1
        page.get_by_role("button", name="Resume experiment").click()
        page.get_by_text("has the highest NDCG@10").first.wait_for()
        page.get_by_text("Users by gain").wait_for()
        expect(page.locator(".stMain")).to_contain_text("popularity <b>:x:</b> (baseline)")
    assert [job.state for job in jobs.listing(store, kinds=["experiment"])] == [jobs.COMPLETED]


def test_a_file_is_run_and_a_user_leads_to_both_lists(
    page: Any, dashboard: str, store: Store, tmp_path: Path
) -> None:
    shop.stock(store)
    asked = ExperimentRequest("simulated", users=6, demos=("none", "neighbours:4"))
    job = jobs.submit(store, "experiment", asked.to_json())
    jobs.claim(store, "test", job_id=job.id)
    jobs.finish(store, job.id, "test", fake_experiment.result(store, asked, lambda run: rank(store, run).key))
    file = tmp_path / "mine <b>.yaml"
    file.write_text("dataset: simulated\nusers: 7\ndemos: [none, bm25:300t]\n")
    with FakeEngine(store):
        page.goto(f"{dashboard}/experiments")
        page.get_by_role("button", name="Open a YAML file").click()
        page.locator("input[type=file]").set_input_files(file)
        page.get_by_text("2 rows x 7 users: 14 lists.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Change in the form").click()
        page.get_by_role("button", name="Close file").wait_for(state="detached")
        page.get_by_text("2 rows x 7 users: 14 lists.").wait_for()
        page.locator("[class*=st-key-experiment-gains] .bars .point path").first.click(force=True)
        page.get_by_text("From A to B").wait_for()
        assert "/compare?a=" in page.url
        page.go_back()
        page.get_by_text("Users by gain").wait_for()
        expect(page.locator(".stMain")).to_contain_text("All experiments")
    assert "/experiments" in page.url, "the user who was clicked does not lead away again"
