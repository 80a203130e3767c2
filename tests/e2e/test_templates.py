"""A template from the picker through the editor to a run, in a real browser."""

import re
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from db import runs, templates
from db.store import Store
from tests.e2e.waiting import expect
from tests.support import shop
from tests.support.fake_engine import FakeEngine

pytestmark = pytest.mark.e2e
LINK = "?data=simulated&user=shopper+0012&model=embedded"


def shown(page: Any) -> str:
    """The template in the address bar."""
    return parse_qs(urlparse(page.url).query).get("template", [""])[0]


def test_a_template_is_edited_seen_saved_and_run(page: Any, dashboard: str, store: Store) -> None:
    shop.stock(store)
    with FakeEngine(store):
        page.goto(f"{dashboard}/{LINK}&template=films")
        page.get_by_role("button", name="Options").click()
        page.get_by_role("button", name="New from this one").click()
        dialog = page.get_by_role("dialog")
        prompt = dialog.get_by_role("group", name="Prompt", exact=True)
        prompt.wait_for()
        assert not page.locator("[data-testid=stPopoverBody]").count(), "Options would lie over the editor"
        assert "demonstration 4" in prompt.inner_text()
        assert "<script>alert(1)</script>" in prompt.inner_text(), "a title is shown as it is"

        text = dialog.locator("textarea")
        expect(text).to_have_value(re.compile("introduction"))
        before = text.input_value()
        text.fill(before.replace("{history}", "{user}", 1))
        text.press("Control+Enter")
        dialog.get_by_text("there is no placeholder {user} here").wait_for()
        dialog.get_by_text("the prompt of the last text without a fault").wait_for()

        text.fill(f"# Words of **mine**\n{before}")
        text.press("Control+Enter")
        prompt.get_by_text("# Words of **mine**").wait_for()
        assert not dialog.get_by_text("there is no placeholder").count()

        dialog.get_by_label("Save as").fill("mine")
        dialog.get_by_role("button", name="Save and use").click()
        dialog.wait_for(state="detached")
        page.get_by_text("In one sentence").wait_for()
    kept = templates.get(store, "mine")
    assert kept.text == f"# Words of **mine**\n{before}"
    assert shown(page) == kept.reference
    newest = runs.by_key(store, runs.listing(store, limit=1)[0].key)
    assert newest is not None
    assert newest.request.template == kept.reference
    page.get_by_role("button", name="Options").click()
    page.get_by_role("button", name=re.compile("^Edit$")).wait_for()
