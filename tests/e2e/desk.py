"""Steps on the Recommend page that several browser tests take."""

import re
from typing import Any


def first_name(page: Any) -> str | None:
    """The demonstration whose slider stands first on the desk."""
    classes = page.locator('[class*="st-key-weight-"]').evaluate_all("all => all.map(each => each.className)")
    found = re.search(r"st-key-weight-(\w+)", classes[0]) if classes else None
    return found.group(1) if found else None


def surprise(page: Any) -> None:
    """Another user, up to the moment in which the new desk is there."""
    before = first_name(page)
    page.get_by_role("button", name="Surprise me").click()
    for _ in range(300):
        if first_name(page) not in (None, before):
            return
        page.wait_for_timeout(20)
    raise AssertionError("the desk of the other user never came")


def weights(page: Any) -> list[float]:
    """What the sliders of the desk show, all read in one moment."""
    return page.get_by_role("slider").evaluate_all("all => all.map(slider => parseFloat(slider.value))")
