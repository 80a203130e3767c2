"""The requests between two requests: each differing input swapped, those that need each other joined."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import BadInput
from db.requests import Chosen, RunRequest
from db.requests.fields import described
from db.requests.swapping import MOST, differing, mixed, separable, subsets

A = RunRequest("toy", "u1", demos="bm25:4", scoring="sum")


def labels(a: RunRequest, b: RunRequest) -> list[str]:
    return [each.label for each in separable(a, b)]


def test_inputs_are_the_fields_that_differ_and_k_is_one_of_its_own() -> None:
    b = replace(A, model="big", demos="neighbours:8", history=5, template="chat")
    assert set(labels(A, b)) == {"model", "strategy", "k", "prompt template", "history items in the prompt"}
    strategy = next(each for each in differing(A, b) if each.label == "strategy")
    k = next(each for each in differing(A, b) if each.label == "k")
    assert mixed(A, b, [strategy]).demos == "neighbours:4"
    assert mixed(A, b, [k]).demos == "bm25:8"
    assert labels(A, replace(A, demos="bm25:8")) == ["k"]
    assert labels(A, replace(A, demos="none")) == ["strategy"]
    budget = replace(A, demos="bm25:300t")
    assert mixed(A, budget, differing(A, budget)) == budget


def test_demonstrations_chosen_one_by_one_are_one_input() -> None:
    b = replace(A, demos="neighbours:2", demonstrations=(Chosen("d1", 2.0),), model="big")
    assert labels(A, b) == ["demonstrations", "model"]
    assert mixed(A, b, [differing(A, b)[0]]).demonstrations == (Chosen("d1", 2.0),)
    same = replace(A, demonstrations=(Chosen("d1"),))
    other = replace(same, demonstrations=(Chosen("d1", 0.5),))
    assert labels(same, other) == ["demonstrations"]


def test_inputs_that_make_no_sense_alone_are_joined() -> None:
    b = replace(A, demos="bm25:2", weights=(1.0, 2.0), history=5)
    found = separable(A, b)
    assert len(found) == 2
    joined = next(each for each in found if "weights" in each.label)
    assert set(joined.fields) == {"demos", "weights"}
    for swapped in subsets(found):
        mixed(A, b, swapped)


def test_what_cannot_be_answered_is_joined_too() -> None:
    b = replace(A, model="big", scoring="listwise", history=5)

    def check(request: RunRequest) -> None:
        if (request.model == "big") != (request.scoring == "listwise"):
            raise BadInput("no")

    assert [set(each.fields) for each in separable(A, b, check)] == [{"model", "scoring"}, {"history"}]

    def never(request: RunRequest) -> None:
        if request not in (A, b):
            raise BadInput("no")

    assert len(separable(A, b, never)) == 1


@pytest.mark.parametrize("count", [1, 2, MOST, MOST + 1, MOST + 3])
def test_subsets_begin_with_nothing_and_end_with_everything(count: int) -> None:
    changes = {
        "model": "big",
        "history": 5,
        "template": "chat",
        "scoring": "mean",
        "target": "probe",
        "turns": "chat",
        "forward": 3,
    }
    b = replace(A, **dict(list(changes.items())[:count]))
    found = subsets(differing(A, b))
    assert (found[0], mixed(A, b, found[-1])) == ((), b)
    assert len(found) == (2**count if count <= MOST else 2 * count + 2)
    assert len(set(found)) == len(found)


OTHER = {"model": "big", "history": 5, "template": "chat", "scoring": "mean", "forward": 3, "demos": "none"}


@given(st.sets(st.sampled_from(list(OTHER))))
def test_everything_swapped_is_the_other_request(names: set[str]) -> None:
    b = replace(A, **{name: OTHER[name] for name in names})
    found = separable(A, b)
    assert mixed(A, b, found) == b
    assert {name for each in found for name in each.fields} == names
    fields = {field.name for field in described(RunRequest)}
    assert all(set(each.fields) <= fields for each in found)
