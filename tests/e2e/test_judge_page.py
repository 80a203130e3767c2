"""Judge in a real browser: by the keyboard alone, through a reload, in two windows; results for the maker."""

from dataclasses import replace
from typing import Any

import pytest

from db import judging
from db.judging import Judging
from db.requests import RunRequest
from db.store import Store
from tests.e2e.waiting import expect, still, until
from tests.support import shop
from tests.support.fake_engine import effects, rank

pytestmark = pytest.mark.e2e
BASE = RunRequest("simulated", "shopper 0000")
USERS = ("shopper 0000", "shopper 0012", "shopper 0003")


@pytest.fixture
def made(store: Store) -> Judging:
    """Three pairs; the first user's history holds hostile titles."""
    shop.stock(store, titles=shop.HOSTILE)
    keys = []
    for user in USERS:
        run = rank(store, replace(BASE, user=user, demos="bm25:2"))
        effects(store, run)
        keys.append(run.key)
    return judging.create(store, "With or without", judging.make(store, judging.with_and_without(keys)))


def press(page: Any, key: str, words: str) -> None:
    """Press a key once the page listens, and wait for what it leads to, drawn to its end: until then the
    field for the reason of the pair before stands beside the new one."""
    still(page)
    page.keyboard.press(key)
    page.get_by_text(words).first.wait_for()
    still(page)


def test_three_pairs_are_judged_by_the_keyboard(
    page: Any, dashboard: str, store: Store, made: Judging
) -> None:
    page.goto(f"{dashboard}/judge?judge={made.token}")
    page.get_by_label("Your name").fill("Ana")
    page.keyboard.press("Enter")
    still(page)
    page.get_by_role("button", name="Start").click()
    page.get_by_text("Pair 1 of 3").wait_for()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    assert "With or without" not in page.locator("body").inner_text()
    press(page, "ArrowLeft", "Pair 2 of 3")
    page.get_by_label("Reason").fill("<b>because</b> it fits")
    page.keyboard.press("t")  # a letter of the reason, not an answer
    page.keyboard.press("Tab")
    press(page, "t", "Pair 3 of 3")
    press(page, "b", "You picked a tie")
    expect(page.get_by_label("Reason")).to_have_value("<b>because</b> it fitst")
    press(page, "ArrowRight", "Pair 3 of 3")
    page.reload()
    page.get_by_text("Pair 3 of 3, 2 judged, as Ana").wait_for()
    press(page, "ArrowRight", "Thank you, Ana")
    until(page, lambda: judging.get(store, made.id).judgements == 3, "not all answers were kept")
    judge = judging.find_judge(store, made, "Ana")
    assert judge is not None
    order = judging.order(made, judge)
    said = {each.pair: each for each in judging.judgements(store, made)}
    sides = ["ab"["ab".index(left) ^ (place > 0)] for place, (_, left) in enumerate(order)]
    assert [said[number].choice for number, _ in order] == sides
    assert said[order[1][0]].reason == "<b>because</b> it fitst"
    page.goto(f"{dashboard}/judge?comparison={made.id}")
    page.get_by_text("In one sentence").wait_for()
    expect(page.get_by_text(f"/judge?judge={made.token}")).to_be_visible()
    expect(page.locator(".stTable").filter(has_text="Ana").first).to_be_visible()
