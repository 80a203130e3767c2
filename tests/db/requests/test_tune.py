"""The description of a tuning: there and back as JSON, and every field checked by name."""

import json
from typing import Any

import pytest

from db.errors import BadInput
from db.requests import TuneRequest


def test_a_request_goes_through_json_and_back() -> None:
    request = TuneRequest("shop", layout="single", sources=("neighbours",), until=5, steps=300, minutes=None)
    assert TuneRequest.from_json(json.loads(json.dumps(request.to_json()))) == request
    assert TuneRequest.from_json({"dataset": "shop"}) == TuneRequest("shop")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"dataset": " "}, "dataset"),
        ({"base": 3}, "base"),
        ({"name": ""}, "name"),
        ({"kind": "gru"}, "kind"),
        ({"layout": "pairs"}, "layout"),
        ({"answers": "stars"}, "answers"),
        ({"loss_on": "first"}, "loss_on"),
        ({"method": "qlora"}, "method"),
        ({"sources": []}, "sources"),
        ({"sources": ["friends"]}, "sources"),
        ({"demos": -1}, "demos"),
        ({"demos": True}, "demos"),
        ({"until": 10}, "until"),
        ({"until": 0}, "until"),
        ({"steps": 0}, "steps"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": float("nan")}, "minutes"),
        ({"minutes": None}, "minutes"),
        ({"learning_rate": -1e-4}, "learning_rate"),
        ({"batch_tokens": 1}, "batch_tokens"),
        ({"patience": 0}, "patience"),
        ({"speed": 9}, "speed"),
    ],
)
def test_a_senseless_field_is_named(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput, match=f"^{named}: "):
        TuneRequest.from_json({"dataset": "shop", **changed})


def test_a_request_without_a_data_set_is_refused() -> None:
    with pytest.raises(BadInput, match="dataset: missing"):
        TuneRequest.from_json({"base": "embedded"})
