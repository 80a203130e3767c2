"""Candidate lists: the first one drawn is kept."""

from dataclasses import replace

from db import candidates
from db.candidates import CandidateList
from db.datasets import DatasetInfo
from db.store import Store


def test_the_first_candidate_list_is_kept(store: Store, toy: DatasetInfo) -> None:
    drawn = CandidateList("f", toy.id, 1, 4, "random", 3, 2**31 - 1, (5, 0, 2))
    inputs = (toy.id, 1, 4, "random", 3, 2**31 - 1)
    assert candidates.find(store, *inputs) is None
    assert candidates.save(store, drawn) == drawn
    assert candidates.save(store, replace(drawn, items=(1, 2, 3), fingerprint="g")) == drawn
    assert candidates.find(store, *inputs) == drawn
    for place in range(6):
        other = list(inputs)
        other[place] = "hard" if place == 3 else inputs[place] - 1  # type: ignore[operator]
        assert candidates.find(store, *other) is None  # type: ignore[arg-type]
