"""Cells of experiments: stored once, read by setting and users."""

from db import experiments
from db.experiments import Place
from db.store import Store


def test_cells_come_back_by_setting_and_user(store: Store) -> None:
    cells = {Place("a", f"u{n}", draw): {"above": n, "draw": draw} for n in range(3) for draw in range(2)}
    experiments.put(store, cells)
    experiments.put(store, {Place("b", "u0"): {"above": 9}})
    assert experiments.get(store, "a", ["u0", "u2", "nobody"]) == {
        place: cell for place, cell in cells.items() if place.user != "u1"
    }
    assert experiments.get(store, "b", ["u0"]) == {Place("b", "u0", 0): {"above": 9}}
    assert experiments.get(store, "a", []) == {}


def test_the_first_measurement_stays(store: Store) -> None:
    experiments.put(store, {Place("a", "u"): {"above": 1}})
    experiments.put(store, {Place("a", "u"): {"above": 2}, Place("a", "v"): {"above": 3}})
    assert [cell["above"] for cell in experiments.get(store, "a", ["u", "v"]).values()] == [1, 3]


def test_many_users_are_read_in_parts(store: Store) -> None:
    users = [f"u{n:04}" for n in range(2 * experiments.AT_ONCE + 1)]
    experiments.put(store, {Place("a", user): {"n": n} for n, user in enumerate(users)})
    assert len(experiments.get(store, "a", users)) == len(users)


def test_nothing_to_store_is_no_error(store: Store) -> None:
    experiments.put(store, {})
