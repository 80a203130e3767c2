"""The desk while effects are measured: bars from what the job knows so far, and what they come from."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend.effects_chart import PALE
from dashboard.text.formats import signed
from db import jobs
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import effects, rank
from tests.support.reading import button, texts

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}
ME = "me"


def drawn(app: AppTest) -> ElementTree.Element:
    """The picture of effects, as the browser gets it."""
    (picture,) = [each for each in app.get("bidi_component") if each.proto.id.endswith("-effects")]
    return ElementTree.fromstring(json.loads(picture.proto.json))


def numbers(app: AppTest) -> list[str | None]:
    return [number.text for number in drawn(app).iter("text")]


def unknown(app: AppTest) -> bool:
    """Whether no bar has a length."""
    return all(bar.attrib["width"] in ("0.00%", "100%") for bar in drawn(app).iter("rect"))


def estimate(run: str, ids: list[str], estimator: str, passes: int, reach: float | None) -> dict[str, Any]:
    rows = [
        {"id": name, "effect": 0.5 - n, "interval": reach and [0.5 - n - reach, 0.5 - n + reach]}
        for n, name in enumerate(ids)
    ]
    told = {
        "run": run,
        "measure": "margin",
        "mode": "direct",
        "estimator": estimator,
        "passes": passes,
        "of": 16,
    }
    return {"estimate": {**told, "demonstrations": rows}}


def test_bars_grow_while_effects_are_measured(open_page: Open, store: Store) -> None:
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    ids = [row["id"] for row in run.result["demonstrations"]]
    app = open_page(**LINK)
    button(app, "Run").click().run()
    job = jobs.claim(store, ME)
    assert job is not None
    assert (job.kind, job.payload["mode"]) == ("effects", "direct")
    app.run()
    assert "grey bars belong to the weights before" in texts(app)
    assert unknown(app)

    of_another = estimate("another run", ids, "kriging", 10, 0.25)
    assert jobs.heartbeat(store, job.id, ME, 0.3, "again", partial=of_another)
    app.run()
    assert unknown(app), "left by an attempt about another run"
    for estimator, passes, reach in (("gradient", 1, None), ("kriging", 10, 0.25)):
        said = f"so far {estimator}"
        assert jobs.heartbeat(
            store, job.id, ME, 0.3, said, partial=estimate(run.key, ids, estimator, passes, reach)
        )
        app.run()
        assert not app.exception
        digits, mark = (1, "≈ ") if estimator == "gradient" else (2, "")
        assert numbers(app) == [mark + signed(0.5 - n, digits) for n in range(4)]
        assert any(f"Measuring effects · {said}" in line.proto.text for line in app.get("progress"))
        assert "grey" not in texts(app)
        opacities = {bar.attrib["opacity"] for bar in drawn(app).iter("rect")}
        assert opacities == {"0", str(PALE) if estimator == "gradient" else "1"}
    assert "95 % interval +0.250 to +0.750" in (drawn(app).findtext(".//title") or "")


def depth(block: Any, at: int = 0) -> int | None:
    """How many blocks hold the picture of effects."""
    for child in getattr(block, "children", {}).values():
        if child.type == "bidi_component" and child.proto.id.endswith("-effects"):
            return at
        if (found := depth(child, at + 1)) is not None:
            return found
    return None


def test_the_picture_keeps_its_place_when_the_effects_are_there(open_page: Open, store: Store) -> None:
    """The browser makes a part anew whose place in the page differs, and shows nothing meanwhile."""
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    app = open_page(**LINK)
    button(app, "Run").click().run()
    growing = depth(app.main)
    effects(store, run)
    app.run()
    assert growing is not None
    assert depth(app.main) == growing
