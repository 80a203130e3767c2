"""Export on the desk: the prompt in its forms, the policy file, and what has none."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from db import jobs
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import FakeEngine, rank
from tests.support.reading import button, later, named, texts

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}


@pytest.fixture
def stocked(store: Store) -> Store:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    return store


def test_it_shows_the_policy_and_every_form_of_the_prompt(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK)
        button(app, "Export").click().run()
        later(app, lambda: any("import dualens" in code.value for code in app.code), "the policy")
        assert named(app.button_group, "export-fixed").value == "Chosen for each user"
        named(app.button_group, "export-fixed").set_value("One set for all").run()
        later(app, lambda: "A fixed set needs" in texts(app), "the fixed set")
    assert not app.exception
    asked = [job.payload["fixed"] for job in jobs.listing(stocked, kinds=["export"])]
    assert sorted(asked) == [False, True]
    assert "<i>note</i>" not in "".join(str(part.value) for part in app.html)


def test_a_run_without_a_policy_says_why(open_page: Open, stocked: Store) -> None:
    rank(stocked, RunRequest("simulated", "shopper 0012", perturb="order"))
    with FakeEngine(stocked):
        app = open_page(**LINK, perturb="order")
        button(app, "Export").click().run()
        later(app, lambda: "There is no policy for this run." in texts(app), "why")
    assert not app.exception
