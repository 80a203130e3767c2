"""Options keep their labels while time passes.

A browser sends the label of an option, not the option: one that changes between two draws comes back as a
value that no option has.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.pages import PAGES
from db import jobs
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_study, shop
from tests.support.fake_engine import effects, rank

Open = Callable[..., AppTest]
STUDY = {"study": "recicl", "dataset": "simulated", "model": "embedded", "users": 20}
LATER_S = (90.0, 7_200.0, 200_000.0)


def stocked(store: Store) -> None:
    """Some of everything that pages list."""
    shop.stock(store)
    for strategy in ("proximal:2", "neighbours:4"):
        effects(store, rank(store, RunRequest("simulated", "shopper 0012", demos=strategy)))
    for kind, asked in (("study", STUDY), ("tune", {"dataset": "simulated", "layout": "recicl"})):
        job = jobs.submit(store, kind, asked)
        jobs.claim(store, "me", job_id=job.id)
        jobs.finish(store, job.id, "me", fake_study.recicl(STUDY) if kind == "study" else {"model": "mine"})


def labels(app: AppTest) -> dict[str, list[str]]:
    """The labels of all options, by widget."""
    kinds = ("selectbox", "radio", "button_group", "multiselect", "select_slider")
    drawn: list[Any] = [element for kind in kinds for element in app.get(kind)]
    return {f"{each.type} {each.label}": [str(option) for option in each.proto.options] for each in drawn}


def chosen(box: Any) -> str:
    """The label that a select box shows."""
    return box.options[box.index]


@pytest.mark.parametrize("page", [page.name for page in PAGES if page.name != "guide"])
def test_labels_do_not_change_as_time_passes(
    open_page: Open, store: Store, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(store)
    app = open_page(page)
    before, values = labels(app), {box.label: box.value for box in app.selectbox}
    assert before or page in ("library", "present", "tour"), "these have no options"
    clock = time.time
    for later in LATER_S:
        monkeypatch.setattr(time, "time", lambda later=later: clock() + later)
        app.run()
        assert not app.exception
        assert labels(app) == before
        assert {box.label: box.value for box in app.selectbox} == values


@pytest.mark.parametrize("page", ["explain", "compare"])
def test_a_run_stays_chosen_when_a_minute_passes(
    open_page: Open, store: Store, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(store)
    app = open_page(page)
    box = app.selectbox[0]
    other = next(option for option in box.options if option != chosen(box))
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 90)
    box.select(other).run()
    assert not app.exception
    assert not app.error
    assert chosen(app.selectbox[0]) == other
