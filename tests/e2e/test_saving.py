"""Charts taken home: what the browser saves is the picture of the page, by itself."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from db.requests import RunRequest
from db.store import Store
from tests.e2e.waiting import script, still
from tests.support import shop
from tests.support.fake_engine import FakeEngine, effects, rank

pytestmark = pytest.mark.e2e
SVG = "{http://www.w3.org/2000/svg}"


def test_lists_and_effects_are_saved_as_pictures_and_numbers(
    page: Any, dashboard: str, store: Store, tmp_path: Path
) -> None:
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012", demos="proximal:2"))
    effects(store, run)

    def saved(what: str, form: str) -> bytes:
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save {what} as {form}").click()
        assert download.value.suggested_filename == f"dualens-{what}.{form.lower()}"
        download.value.save_as(tmp_path / "saved")
        return (tmp_path / "saved").read_bytes()

    with FakeEngine(store):
        page.goto(f"{dashboard}/?run={run.key}")
        page.get_by_role("button", name="Save effects as CSV").wait_for()
        titles = [item["title"] for item in run.result["items"]]
        drawn = ElementTree.fromstring(saved("recommendations", "SVG"))
        words = "".join(text for part in drawn.iter(f"{SVG}text") for text in part.itertext())
        assert all(title[:12] in words for title in titles)
        assert ground(drawn) == "rgb(255, 255, 255)"
        colours = {part.get("style") for part in drawn.iter(f"{SVG}path")}
        assert all(style and "stroke: rgb(" in style for style in colours), "it needs no style sheet"
        assert saved("recommendations", "PNG").startswith(b"\x89PNG")
        lines = saved("recommendations", "CSV").decode().splitlines()
        assert len(lines) == 1 + len(titles)
        assert all(title in line for title, line in zip(titles, lines[1:], strict=True))
        assert len(saved("effects", "CSV").decode().splitlines()) == 3
        assert "Effect of each demonstration" in saved("effects", "SVG").decode()
        page.emulate_media(color_scheme="dark")
        script(page, "() => getComputedStyle(document.documentElement).colorScheme === 'dark'")
        still(page)
        assert ground(ElementTree.fromstring(saved("recommendations", "SVG"))) == "rgb(18, 22, 28)"


def ground(drawn: ElementTree.Element) -> str | None:
    """The colour a picture stands on."""
    found = drawn.find(f"{SVG}rect")
    return None if found is None else found.get("fill")
