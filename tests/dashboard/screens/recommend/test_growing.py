"""The desk while effects are measured: bars from what the job knows so far, and what they come from."""

import json
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend.effects_chart import PALE
from db import jobs
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import rank
from tests.support.reading import button, texts

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}
ME = "me"


def drawn(app: AppTest) -> dict[str, Any]:
    """The chart of effects, as Plotly gets it."""
    (chart,) = [each for each in app.get("plotly_chart") if "effects" in each.proto.id]
    return json.loads(chart.proto.spec)


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
    assert drawn(app)["data"][0]["x"] == [0.0] * 4

    of_another = estimate("another run", ids, "kriging", 10, 0.25)
    assert jobs.heartbeat(store, job.id, ME, 0.3, "again", partial=of_another)
    app.run()
    assert drawn(app)["data"][0]["x"] == [0.0] * 4, "left by an attempt about another run"
    for estimator, passes, reach in (("gradient", 1, None), ("kriging", 10, 0.25)):
        said = f"so far {estimator}"
        assert jobs.heartbeat(
            store, job.id, ME, 0.3, said, partial=estimate(run.key, ids, estimator, passes, reach)
        )
        app.run()
        assert not app.exception
        assert drawn(app)["data"][0]["x"] == [0.5, -0.5, -1.5, -2.5]
        assert any(f"Measuring effects · {said}" in line.proto.text for line in app.get("progress"))
        assert "grey" not in texts(app)
        assert drawn(app)["data"][0]["marker"]["opacity"] == (PALE if estimator == "gradient" else 1)
    assert "0.25" in json.dumps(drawn(app)), "the interval"
