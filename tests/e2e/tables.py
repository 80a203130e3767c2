"""Ticking rows of a table. Streamlit draws tables on a canvas: rows are found by position."""

from typing import Any

from tests.e2e.waiting import NotInTime, still

ROW_PX, HEAD_PX, BOX_X = 35, 35, 15
HEARD_MS = 20_000


def tick(page: Any, key: str, row: int, then: Any, *, hides: bool = False) -> None:
    """Tick one row of the table with this key, up to the moment in which `then` is there (or gone).

    A click is lost where the table is drawn anew in that moment, or its dialog is still moving.
    """
    canvas = page.locator(f'[class*="st-key-{key}"] canvas').first
    for _ in range(5):
        canvas.wait_for()
        still(page)
        box = canvas.bounding_box()
        page.mouse.click(box["x"] + BOX_X, box["y"] + HEAD_PX + ROW_PX * (row + 0.5))
        try:
            then.wait_for(state="hidden" if hides else "visible", timeout=HEARD_MS)
        except NotInTime:
            continue
        return
    raise AssertionError(f"row {row} of {key} could not be ticked")
