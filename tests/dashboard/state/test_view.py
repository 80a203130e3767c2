"""A link reopens the view it was made from; what it cannot mean is said, never an error."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard.state.view import View, from_params, from_request, to_params
from db.choices import CANDIDATE_KINDS, HISTORY_WAYS, SCORINGS, TARGETS
from db.requests import Chosen, RunOptions

names = st.text(min_size=1, max_size=20).filter(str.strip)
ids = st.text("0123456789abcdef", min_size=16, max_size=16)
weights = st.integers(0, 30).map(lambda tenth: tenth / 10) | st.floats(0, 1e6)
options = st.builds(
    RunOptions,
    demos=st.sampled_from(["none", "neighbours:4", "bm25:2"]),
    candidates=st.sampled_from([20, 50, 100]),
    candidate_kind=st.sampled_from(list(CANDIDATE_KINDS)),
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
desks = st.lists(ids, unique=True, max_size=6).flatmap(
    lambda some: st.tuples(*(st.builds(Chosen, st.just(name), weights) for name in some))
)
views = st.builds(View, names, names, names, st.none() | desks, options)


@given(views)
def test_a_link_reopens_its_view(view: View) -> None:
    opened, notes = from_params(to_params(view))
    assert notes == []
    assert opened == view
    assert to_params(opened) == to_params(view)


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
    assert view.options.candidates >= 2


def test_what_cannot_be_read_is_named() -> None:
    view, notes = from_params({"n": "many", "kind": "odd", "seed": "-1", "set": "abc*-9,def,def,x*nan,y*inf"})
    assert view.options == RunOptions()
    assert [chosen.id for chosen in view.chosen or ()] == ["def"]
    told = " ".join(notes)
    for part in ("many", "odd", "-1", "abc*-9", "x*nan", "y*inf"):
        assert part in told


def test_a_link_holds_as_many_demonstrations_as_a_prompt() -> None:
    chosen = tuple(Chosen(f"d{number}", 1.0) for number in range(64))
    view = View("d", "u", "m", chosen, locked=tuple(one.id for one in chosen))
    assert from_params(to_params(view)) == (view, [])


def test_an_incomplete_view_asks_for_nothing() -> None:
    assert View(dataset="d", user="u").request() is None
    assert View().request() is None


def test_an_empty_desk_is_not_the_strategy() -> None:
    assert to_params(View("d", "u", "m", chosen=()))["set"] == "none"
    assert from_params({"set": "none"})[0].chosen == ()


def test_options_that_contradict_each_other_are_named() -> None:
    view, notes = from_params({"demos": "bm25:2", "weights": "1,0,1", "perturb": "odd:1", "hint": "bm25"})
    assert view.options == RunOptions(demos="bm25:2", hint="bm25")
    assert ["weights='1,0,1'" in notes[0], "perturb='odd:1'" in notes[1], len(notes)] == [True, True, 2]


def test_what_is_put_on_the_desk_carries_its_own_weights_in_one_prompt() -> None:
    strategy = View("d", "u", "m", options=RunOptions(demos="bm25:2", prompts=3, prescore="small"))
    desk = View("d", "u", "m", (Chosen("a", 2.0),), strategy.options)
    request = desk.request()
    assert request is not None
    assert (request.demonstrations, request.prompts, request.prescore) == ((Chosen("a", 2.0),), 1, None)
    assert desk.of_user("d", "u") == strategy


def test_weights_by_place_go_with_the_user_they_were_made_for() -> None:
    view = View("d", "u", "m", options=RunOptions(demos="bm25:2", weights=(1.0, 0.5)))
    assert to_params(view)["weights"] == "1,0.5"
    assert view.of_user("d", "v").options.weights is None
