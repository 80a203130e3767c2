"""The description of a run: checked field by field, the same after a trip through JSON, digested."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import datasets, models
from db.choices import CANDIDATE_KINDS, HISTORY_WAYS, SCORINGS, TARGETS
from db.datasets import DatasetInfo
from db.errors import BadInput, NotFound
from db.models import ModelInfo
from db.requests import Chosen, RunRequest, request_digest
from db.requests.run import read_chosen, write_chosen
from db.requests.written import options
from db.store import Store
from tests.toys import toy_columns

weights = st.floats(min_value=0, max_value=1e6)
names = st.text(min_size=1, max_size=20).filter(str.strip)


@st.composite
def requests_(draw: st.DrawFn) -> RunRequest:
    count = draw(st.integers(0, 5))
    explicit = draw(st.booleans())
    chosen = draw(
        st.lists(st.builds(Chosen, st.text(max_size=16), weights), max_size=5, unique_by=lambda c: c.id)
    )
    weighted = not explicit and count > 0 and draw(st.booleans())
    return RunRequest(
        dataset=draw(names),
        user=draw(names),
        model=draw(names),
        demos=f"neighbours:{count}" if count else "none",
        demonstrations=tuple(chosen) if explicit else None,
        weights=tuple(draw(st.lists(weights, min_size=count, max_size=count))) if weighted else None,
        candidates=draw(st.integers(2, 1000)),
        candidate_kind=draw(st.sampled_from(list(CANDIDATE_KINDS))),
        seed=draw(st.integers(0, 2**31 - 1)),
        scoring=draw(st.sampled_from(list(SCORINGS))),
        history=draw(st.integers(1, 50)),
        target=draw(st.sampled_from(list(TARGETS))),
        hint=draw(st.none() | names),
        history_by=draw(st.sampled_from(list(HISTORY_WAYS))),
        embedding=draw(st.none() | names),
        prompts=1 if explicit or weighted else draw(st.integers(1, 16)),
        perturb=draw(st.none() | st.sampled_from(["ridge:0.2", "order+weights:1"])),
        forward=draw(st.integers(0, 64)),
        prescore=None if explicit else draw(st.none() | names),
    )


@given(requests_())
def test_a_request_survives_json(request: RunRequest) -> None:
    assert RunRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_a_request_without_edits_reads_as_before_there_were_edits() -> None:
    assert "perturb" not in RunRequest("toy", "u1").to_json()
    assert RunRequest("toy", "u1", perturb="ridge:0.2").to_json()["perturb"] == "ridge:0.2"
    for wrong in ("ridge:7", "magic", 3):
        with pytest.raises(BadInput, match="perturb"):
            RunRequest.from_json({"dataset": "toy", "user": "u1", "perturb": wrong})


def test_a_request_without_a_hint_reads_as_before_there_were_hints() -> None:
    assert "hint" not in RunRequest("toy", "u1").to_json()
    assert RunRequest("toy", "u1", hint="itemknn").to_json()["hint"] == "itemknn"
    with pytest.raises(BadInput, match="hint"):
        RunRequest.from_json({"dataset": "toy", "user": "u1", "hint": " "})


def test_fields_that_came_later_are_written_only_where_set() -> None:
    """So the digests of stored requests stay what they were."""
    first = {
        *("dataset", "user", "model", "demos", "demonstrations", "weights", "candidates", "candidate_kind"),
        *("seed", "scoring", "template", "history", "target"),
    }
    assert set(RunRequest("toy", "u1", turns="one").to_json()) == first
    later = RunRequest("toy", "u1", history_by="semantic", embedding="here", prompts=2, turns="one")
    assert set(later.to_json()) - first == {"history_by", "embedding", "prompts"}


@pytest.mark.parametrize("spec", ["neighbours:300t", "mmr:0t"])
def test_a_budget_of_tokens_is_a_strategy(spec: str) -> None:
    assert RunRequest("toy", "u1", demos=spec).demos == spec
    with pytest.raises(BadInput, match="weights"):
        RunRequest("toy", "u1", demos=spec, weights=(1.0,))


@pytest.mark.parametrize(
    "field, value",
    [("history_by", "target"), ("embedding", " "), ("prompts", 0), ("prompts", 17), ("demos", "mmr:4T")],
)
def test_a_senseless_later_field_is_refused(field: str, value: object) -> None:
    with pytest.raises(BadInput, match=field):
        RunRequest.from_json({"dataset": "toy", "user": "u1", field: value})


def test_several_prompts_take_a_strategy() -> None:
    for named in ({"demonstrations": [{"id": "a"}]}, {"weights": [1, 1, 1, 1]}):
        with pytest.raises(BadInput, match="prompts"):
            RunRequest.from_json({"dataset": "toy", "user": "u1", "prompts": 2, **named})


def test_the_least_request_has_defaults() -> None:
    assert RunRequest.from_fields({"dataset": "toy", "user": "u1"}) == RunRequest("toy", "u1")


WRONG = [
    ("dataset", ""),
    ("user", 7),
    ("model", None),
    ("template", " "),
    ("demos", "neighbours"),
    ("demos", "neighbours:-1"),
    ("demos", "Neighbours:4"),
    ("demos", "neighbours:4; rm"),
    ("demos", 4),
    ("demonstrations", "d1"),
    ("demonstrations", [{"weight": 1}]),
    ("demonstrations", [{"id": "d1", "wieght": 1}]),
    ("demonstrations", [{"id": "d1", "weight": "1"}]),
    ("demonstrations", [{"id": "d1", "weight": -1}]),
    ("demonstrations", [{"id": "d1"}, {"id": "d1"}]),
    ("weights", [1.0, 2.0]),
    ("weights", [1, 1, 1, float("inf")]),
    ("weights", [1, 1, 1, -0.5]),
    ("weights", [1, 1, 1, True]),
    ("weights", 3),
    ("candidates", 1),
    ("candidates", 20.0),
    ("candidates", True),
    ("candidate_kind", "easy"),
    ("seed", -1),
    ("seed", 2**31),
    ("scoring", "max"),
    ("history", 0),
    ("target", "train"),
    ("colour", "red"),
]


@pytest.mark.parametrize("field, value", WRONG)
def test_a_field_that_makes_no_sense_is_named(field: str, value: object) -> None:
    with pytest.raises(BadInput, match=f"^{field}"):
        RunRequest.from_json({"dataset": "toy", "user": "u1", field: value})


def test_what_is_missing_or_no_object_is_told() -> None:
    with pytest.raises(BadInput, match=r"^user: missing"):
        RunRequest.from_json({"dataset": "toy"})
    with pytest.raises(BadInput, match=r"^request"):
        RunRequest.from_json([])  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"^weights: the chosen"):
        RunRequest("toy", "u", demonstrations=(), weights=())
    with pytest.raises(BadInput, match=r"^weights: 1 given, but demos is none"):
        RunRequest("toy", "u", demos="none", weights=(1.0,))


def test_the_digest_moves_with_all_it_depends_on(
    store: Store, toy: DatasetInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelInfo("embedded", "/m", "r1", "llama", 10, 512)
    models.register(store, model)
    request = RunRequest("toy", "u1")
    first = request_digest(store, request)
    assert first == request_digest(store, RunRequest("toy", "u1", seed=0))
    seen = {first}
    for change in (
        {"user": "u2"},
        {"seed": 1},
        {"demos": "none"},
        {"demonstrations": ()},
        {"weights": (1.0,) * 4},
    ):
        seen.add(request_digest(store, replace(request, **change)))
    models.register(store, replace(model, revision="r2"))
    seen.add(request_digest(store, request))
    monkeypatch.setattr("db.requests.run.ENGINE_VERSION", "other")
    seen.add(request_digest(store, request))
    datasets.delete(store, "toy")
    datasets.insert(store, "toy", toy_columns(), kind="", source="", fingerprint="other", report={})
    seen.add(request_digest(store, request))
    assert len(seen) == 9


def test_a_model_without_a_name_needs_its_revision(store: Store, toy: DatasetInfo) -> None:
    request = RunRequest("toy", "u1", model="/some/folder")
    with pytest.raises(NotFound, match="/some/folder"):
        request_digest(store, request)
    assert request_digest(store, request, revision="a") != request_digest(store, request, revision="b")
    with pytest.raises(NotFound, match="nothing"):
        request_digest(store, replace(request, dataset="nothing"), revision="a")


def test_weights_are_written_as_they_are() -> None:
    chosen = (Chosen("a", 0.1234567891), Chosen("b", 1e-9), Chosen("c", 2.0))
    assert read_chosen(write_chosen(chosen)) == chosen
    assert write_chosen(chosen).endswith("c*2")
    request = RunRequest("toy", "u1", demos="bm25:2", weights=(0.1234567891, 3.0))
    assert options(request, {}, "weights") == ["--weights", "0.1234567891,3"]


def test_a_number_that_is_too_large_is_refused_in_words() -> None:
    for fields in ({"weights": [10**400]}, {"demonstrations": [{"id": "a", "weight": 10**400}]}):
        with pytest.raises(BadInput, match="is too large a number"):
            RunRequest.from_fields({"dataset": "toy", "user": "u1", "demos": "bm25:1", **fields})
