"""A link reopens the view it was made from; what it cannot mean is said, never an error."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard.state.view import (
    View,
    from_params,
    from_request,
    to_params,
)
from db.choices import CANDIDATE_KINDS, HISTORY_WAYS, SCORINGS, TARGETS
from db.requests import Chosen

names = st.text(min_size=1, max_size=20)
ids = st.text("0123456789abcdef", min_size=16, max_size=16)
weights = st.integers(0, 30).map(lambda tenth: tenth / 10)
views = st.builds(
    View,
    dataset=names,
    user=names,
    model=names,
    demos=st.sampled_from(["none", "neighbours:4", "bm25:2"]),
    chosen=st.none()
    | st.lists(ids, unique=True, max_size=6).flatmap(
        lambda some: st.tuples(*(st.builds(Chosen, st.just(each), weights) for each in some))
    ),
    candidates=st.sampled_from([20, 50, 100]),
    kind=st.sampled_from(list(CANDIDATE_KINDS)),
    seed=st.integers(0, 2**31 - 1),
    scoring=st.sampled_from(list(SCORINGS)),
    history=st.integers(1, 50),
    target=st.sampled_from(list(TARGETS)),
    history_by=st.sampled_from(list(HISTORY_WAYS)),
    prompts=st.integers(1, 4),
    hint=st.sampled_from([None, "bm25"]),
    perturb=st.sampled_from([None, "ridge:0.2+order"]),
    prescore=st.sampled_from([None, "small"]),
    forward=st.integers(0, 3),
)


@given(views)
def test_a_link_reopens_its_view(view: View) -> None:
    opened, notes = from_params(to_params(view))
    assert notes == []
    assert opened.request() == view.request() or view.chosen is not None
    assert to_params(opened) == to_params(view)
    assert opened.chosen == view.chosen


@given(views)
def test_a_stored_run_reopens_as_its_view(view: View) -> None:
    request = view.request()
    assert request is not None
    assert from_request(request).request() == request


@given(
    st.dictionaries(
        st.sampled_from(
            ["data", "user", "n", "kind", "seed", "scoring", "history", "target", "set", "demos"]
        ),
        st.text(),
    )
)
def test_no_link_is_an_error(params: dict[str, str]) -> None:
    view, notes = from_params(params)
    assert all(isinstance(note, str) for note in notes)
    assert view.candidates >= 2


def test_what_cannot_be_read_is_named() -> None:
    view, notes = from_params({"n": "many", "kind": "odd", "seed": "-1", "set": "abc*9,def,def,x*nan"})
    assert view.candidates == 20
    assert view.kind == "random"
    assert [each.id for each in view.chosen or ()] == ["def"]
    told = " ".join(notes)
    for part in ("many", "odd", "-1", "abc*9", "x*nan"):
        assert part in told


def test_an_incomplete_view_asks_for_nothing() -> None:
    assert View(dataset="d", user="u").request() is None
    assert View().request() is None


def test_an_empty_desk_is_not_the_strategy() -> None:
    assert to_params(View("d", "u", "m", chosen=()))["set"] == "none"
    assert from_params({"set": "none"})[0].chosen == ()
