"""Steps on the Recommend page that several browser tests take."""

import re
from typing import Any

from db import runs
from db.store import Store
from tests.e2e.waiting import still, until


def first_name(page: Any) -> str | None:
    """The demonstration whose slider stands first on the desk."""
    classes = page.locator('[class*="st-key-weight-"]').evaluate_all("all => all.map(each => each.className)")
    found = re.search(r"st-key-weight-(\w+)", classes[0]) if classes else None
    return found.group(1) if found else None


def surprise(page: Any) -> None:
    """Another user, up to the moment in which the new desk is there."""
    before = first_name(page)
    page.get_by_role("button", name="Surprise me").click()
    until(page, lambda: first_name(page) not in (None, before), "the desk of the other user never came")


def weights(page: Any) -> list[float]:
    """What the sliders of the desk show, all read in one moment."""
    return page.get_by_role("slider").evaluate_all("all => all.map(slider => parseFloat(slider.value))")


def newest_weights(store: Store) -> list[float]:
    """The weights of the run that was stored last."""
    return [each.weight for each in runs.listing(store)[0].request.demonstrations or ()]


def shows(page: Any, wanted: list[float]) -> None:
    """Until the sliders show these weights, and still do when the page is drawn to its end."""
    until(page, lambda: weights(page) == wanted, f"the sliders never showed {wanted}")
    still(page)
    assert weights(page) == wanted


def move(page: Any) -> None:
    """One step of the first slider. A step is lost where the page draws the slider anew in that moment."""
    still(page)
    slider, before = page.get_by_role("slider").first, page.url
    at = slider.input_value()
    for _ in range(5):
        slider.press("ArrowRight")
        page.wait_for_timeout(100)
        lost = "the slider's step never reached the address"
        until(page, lambda: page.url != before or slider.input_value() == at, lost)
        if page.url != before:
            return
    raise AssertionError("the slider lost five steps")
