"""Stage 1 as a pure search: what it takes, what it leaves, and what it counts."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.optimize.choose import MATTERS, Search, Set, Step, choose

PROBES = 5


class Coverage:
    """Each demonstration serves some probes; a probe served twice gains nothing more: redundancy."""

    def __init__(self, serves: list[list[float]]) -> None:
        self.serves = np.array(serves, dtype=np.float64).reshape(len(serves), PROBES)
        self.asked: list[Set] = []
        self.kappa: Callable[[Set], float] = lambda chosen: float(self.gains(chosen).mean())

    def gains(self, chosen: Set) -> np.ndarray:
        self.asked.append(chosen)
        if not chosen:
            return np.zeros(PROBES)
        served = self.serves[list(chosen)]
        return served.max(axis=0) + np.minimum(served, 0).sum(axis=0)

    def without(self, chosen: Set) -> np.ndarray:
        return np.stack([self.gains(chosen[:b] + chosen[b + 1 :]) for b in range(len(chosen))])

    def robust(self, chosen: Set) -> float:
        return self.kappa(chosen)


def search(utility: Coverage, size: int = 3, **more: object) -> Search:
    return Search(utility, np.full(PROBES, 1 / PROBES), size, **more)  # type: ignore[arg-type]


def unit(*served: int) -> list[float]:
    return [1.0 if p in served else 0.0 for p in range(PROBES)]


def test_redundant_ones_are_left_out() -> None:
    utility = Coverage([unit(0, 1, 2), unit(0, 1, 2), unit(3, 4), unit(0, 1)])
    found = choose(search(utility, 4), {}, None, [0, 1, 2, 3], beam=2, tries=4)
    assert sorted(found) in ([0, 2], [1, 2])


def test_where_nothing_helps_nothing_is_chosen() -> None:
    utility = Coverage([[-1.0] * PROBES, [0.0] * PROBES])
    made = search(utility)
    assert choose(made, {"neighbours": (0, 1)}, None, [0, 1], beam=2, tries=2) == ()
    assert made.steps == []


def test_a_gain_by_chance_on_one_probe_is_not_enough() -> None:
    noisy = Coverage([[3.0, -0.7, -0.7, -0.7, -0.7]])
    assert choose(search(noisy), {"bm25": (0,)}, None, [0], beam=1, tries=1) == ()
    large = Coverage([[3.0, -0.3, -0.3, -0.3, -0.3]])  # a loss counts twice: mean 0.12, its error 0.64
    assert choose(search(large), {"bm25": (0,)}, None, [0], beam=1, tries=1) == ()
    steady = Coverage([[0.1] * PROBES])
    assert choose(search(steady), {"bm25": (0,)}, None, [0], beam=1, tries=1) == (0,)
    tiny = Coverage([[MATTERS / 2] * PROBES])
    assert choose(search(tiny), {"bm25": (0,)}, None, [0], beam=1, tries=1) == ()


def test_it_begins_with_the_best_start_and_says_whose_it_is() -> None:
    utility = Coverage([unit(0), unit(0, 1, 2), unit(4)])
    made = search(utility, 1)
    assert choose(made, {"bm25": (0,), "neighbours": (1,)}, None, [0, 1, 2], beam=1, tries=3) == (1,)
    assert made.steps[0].action == "start"
    assert "neighbours" in made.steps[0].note


def test_a_harmful_one_is_dropped_or_replaced() -> None:
    utility = Coverage([unit(0, 1, 2, 3), [-0.5] * PROBES, unit(4)])
    made = search(utility, 2)
    assert sorted(choose(made, {"bm25": (0, 1)}, None, [0, 1, 2], beam=1, tries=3)) == [0, 2]
    assert {step.action for step in made.steps} <= {"start", "swap", "drop", "add"}


def test_the_order_counts() -> None:
    class Late(Coverage):
        def gains(self, chosen: Set) -> np.ndarray:
            return super().gains(chosen) + (0.5 if chosen and chosen[-1] == 0 else 0.0)

    utility = Late([unit(0, 1, 2), unit(3), unit(4)])
    made = search(utility)
    assert choose(made, {"bm25": (0, 1, 2)}, None, [0, 1, 2], beam=1, tries=3)[-1] == 0
    assert "order" in [step.action for step in made.steps]


def test_what_the_budget_forbids_is_never_asked_for() -> None:
    utility = Coverage([unit(0, 1), unit(2), unit(3), unit(4)])
    made = search(utility, 4, allowed=lambda chosen: len(chosen) <= 2)
    found = choose(made, {"bm25": (0, 1, 2)}, None, [0, 1, 2, 3], beam=2, tries=4)
    assert len(found) == 2
    # `without` takes weights to 0 in sets that were allowed; everything else asked for was allowed itself.
    assert all(len(chosen) <= 2 for chosen in utility.asked)


def test_the_sturdiest_of_the_last_sets_is_taken() -> None:
    utility = Coverage([unit(0, 1, 2), unit(0, 1), unit(2, 3)])
    utility.kappa = lambda chosen: 1.0 if chosen == (2,) else 0.1
    made = search(utility, 1)
    assert choose(made, {}, None, [0, 1, 2], beam=3, tries=3) == (2,)
    assert made.steps[-1].action == "swap"


def test_what_does_best_for_others_stays_unless_the_probes_surely_prefer_another() -> None:
    utility = Coverage([unit(0), [0.21] * PROBES, unit(0, 1, 2, 3), [-1.0] * PROBES])
    starts = {"neighbours": (0,), "bm25": (1,)}
    kept = search(utility, 1)
    assert choose(kept, starts, "neighbours", [], beam=1, tries=0) == (0,)
    assert "helps other users most" in kept.steps[0].note
    assert choose(search(utility, 1), starts | {"recent": (2,)}, "neighbours", [], 1, 0) == (2,)
    assert choose(search(utility, 1), {"neighbours": (3,)}, "neighbours", [], 1, 0) == ()


@given(
    serves=st.lists(st.lists(st.floats(-1, 2), min_size=PROBES, max_size=PROBES), min_size=1, max_size=6),
    size=st.integers(1, 3),
    beam=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_the_search_only_climbs_and_keeps_its_bounds(serves: list[list[float]], size: int, beam: int) -> None:
    utility = Coverage(serves)
    said: list[Step] = []
    made = search(utility, size, report=said.append)
    places = tuple(range(len(serves)))
    found = choose(made, {"first": places[:size]}, None, places, beam, tries=3)
    assert len(found) <= size
    assert len(set(found)) == len(found)
    climbs = [step.objective for step in said if step.action != "drop" or step.chosen]
    assert all(b > a - 1e-12 for a, b in itertools.pairwise(climbs)) or said[-1].action == "swap"
    assert said == made.steps
    if found:
        assert float(utility.gains(found).mean()) > 0
        assert said[-1].objective == pytest.approx(float(utility.gains(said[-1].chosen).mean()))
