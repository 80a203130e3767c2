"""Optimizations in the store, on every database."""

from dataclasses import replace

import pytest

from db import optimizations
from db.errors import BadInput
from db.optimizations import Optimization
from db.requests import OptimizeRequest
from db.store import Store

ONE = Optimization("k1", None, "u1", "m", {"path": [1], "title": "Käse <b>"})


def test_the_first_writer_wins(store: Store) -> None:
    assert optimizations.find(store, "k1") is None
    saved = optimizations.save(store, ONE)
    assert replace(saved, created_at=0.0) == ONE
    assert saved.created_at > 0
    assert optimizations.save(store, replace(ONE, result={"path": []})) == saved
    assert optimizations.find(store, "k1") == saved
    assert optimizations.listing(store, 7, "u1") == []


def test_a_request_is_plain_json_and_checked() -> None:
    asked = OptimizeRequest("d", "u")
    assert OptimizeRequest.from_json(asked.to_json()) == asked
    for field, value in (("probes", 1), ("target", "train"), ("guard", 1), ("noise", "much"), ("model", " ")):
        with pytest.raises(BadInput, match=field):
            OptimizeRequest.from_json({**asked.to_json(), field: value})
    with pytest.raises(BadInput, match="user: missing"):
        OptimizeRequest.from_json({"dataset": "d"})
