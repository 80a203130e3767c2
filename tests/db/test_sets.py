"""Named sets: every version kept, renamed and deleted without losing what runs refer to, uses from runs."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from db import datasets, demonstrations, runs, sets
from db.datasets import DatasetInfo
from db.demonstrations import Demonstration, demonstration_id
from db.errors import BadInput, Conflict, NotFound
from db.requests import Chosen, RunRequest
from db.runs import Run
from db.sets import Member
from db.store import Store
from tests.db.newer import NEWER
from tests.toys import toy_columns

Make = Callable[..., list[str]]


@pytest.fixture
def ids(store: Store, toy: DatasetInfo) -> list[str]:
    """Ids of four demonstrations of the toy data set."""
    return stored(store, toy)


def stored(store: Store, info: DatasetInfo) -> list[str]:
    made = []
    for number in range(4):
        history = (f"i{number}", f"i{number + 1}")
        name = demonstration_id(info.fingerprint, f"u{number}", history, "i5", 2)
        made.append(Demonstration(name, info.id, "neighbours", f"u{number}", history, "i5", 2, 1_000))
    demonstrations.save_many(store, made)
    return [one.id for one in made]


def of(*names: str, weight: float = 1.0) -> list[Member]:
    return [Member(name, weight) for name in names]


def test_what_was_saved_is_read_back(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    members = (Member(ids[2], 0.5, True), Member(ids[0]))
    kept = sets.save(store, toy, "two good ones", members, user="u1", note=" why \n")
    assert (kept.members, kept.user_id, kept.note, kept.shared) == (members, "u1", "why", False)
    assert sets.get(store, toy.id, "two good ones") == kept
    assert sets.get(store, toy.id, kept.reference) == kept
    assert sets.save(store, toy, "all", of(ids[0])).shared


def test_a_version_is_read_by_its_reference_whatever_happens_to_the_name(
    store: Store, toy: DatasetInfo, ids: list[str]
) -> None:
    first = sets.save(store, toy, "mine", of(*ids[:2]))
    second = sets.save(store, toy, "mine", of(*ids[1::-1]))
    assert first.id == second.id
    assert first.digest != second.digest, "the order is part of it"
    assert sets.get(store, toy.id, "mine").members == second.members
    assert sets.get(store, toy.id, first.reference).members == first.members
    assert [one.digest for one in sets.versions(store, second)] == [second.digest, first.digest]
    renamed = sets.rename(store, second, "other")
    assert sets.get(store, toy.id, first.reference).name == "other"
    with pytest.raises(NotFound, match=r"'mine'\. There are: other"):
        sets.get(store, toy.id, "mine")
    sets.delete(store, renamed)
    assert sets.listing(store, toy.id) == []
    assert sets.get(store, toy.id, first.reference).members == first.members
    assert [one.name for one in sets.deleted(store, toy.id)] == ["other"]
    assert sets.restore(store, renamed) == renamed
    assert sets.listing(store, toy.id) == [renamed]


def test_saving_what_was_saved_before_makes_it_current_again(
    store: Store, toy: DatasetInfo, ids: list[str]
) -> None:
    first = sets.save(store, toy, "mine", of(ids[0]))
    sets.save(store, toy, "mine", of(ids[1]))
    again = sets.save(store, toy, "mine", [Member(ids[0], locked=True)])
    assert again.digest == first.digest, "locks change no numbers"
    assert again.members == (Member(ids[0], locked=True),)
    assert len(sets.versions(store, again)) == 2


def test_those_of_the_user_come_first(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    for name, user in (("d", None), ("c", "u2"), ("b", "u1"), ("A", None)):
        sets.save(store, toy, name, of(ids[0]), user=user)
    assert [one.name for one in sets.listing(store, toy.id, "u1")] == ["b", "A", "d", "c"]
    assert [one.name for one in sets.listing(store, toy.id)] == ["A", "d", "b", "c"]


def test_a_set_is_shared_and_made_one_users_again(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    kept = sets.save(store, toy, "mine", of(ids[0]), user="u1")
    assert sets.share(store, kept).shared
    assert sets.share(store, kept, "u2").user_id == "u2"


def test_a_copy_is_a_set_of_its_own(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    kept = sets.save(store, toy, "mine", of(ids[0]), user="u1", note="why")
    copy = sets.duplicate(store, toy, kept, "copy")
    assert (copy.members, copy.user_id, copy.note, copy.digest) == (kept.members, "u1", "why", kept.digest)
    sets.save(store, toy, "copy", of(ids[1]))
    assert sets.get(store, toy.id, "mine").members == kept.members
    assert sets.get(store, toy.id, kept.reference).name == "mine", "both had this version"


def test_another_window_that_knows_an_older_name_changes_the_same_set(
    store: Store, toy: DatasetInfo, ids: list[str]
) -> None:
    stale = sets.save(store, toy, "mine", of(ids[0]))
    sets.rename(store, stale, "ours")
    other = sets.save(store, toy, "mine", of(ids[1]), user="u1")
    assert sets.share(store, stale, "u2").name == "ours", "the name that was given away is no obstacle"
    assert sets.rename(store, stale, "yours").id == stale.id
    sets.delete(store, stale)
    assert sets.restore(store, stale).name == "yours"
    sets.delete(store, stale)
    taken = sets.save(store, toy, "yours", of(ids[2]))
    with pytest.raises(Conflict, match="'yours' already"):
        sets.restore(store, stale)
    assert {one.id for one in sets.listing(store, toy.id)} == {other.id, taken.id}


def test_a_name_can_be_of_any_language_and_has_one_spelling(
    store: Store, toy: DatasetInfo, ids: list[str]
) -> None:
    for name in ("हिन्दी", "ภาษาไทย", "日本語 セット", "عربي"):
        assert sets.save(store, toy, name, of(ids[0])).name == name
    kept = sets.save(store, toy, "Cafe\u0301", of(ids[0]))
    assert kept.name == "Café"
    assert sets.save(store, toy, "Café", of(ids[1])).id == kept.id
    assert sets.get(store, toy.id, "Cafe\u0301") == sets.get(store, toy.id, "Café")


def test_a_set_that_is_missing_is_said_in_few_words(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    for number in range(9):
        sets.save(store, toy, f"{number}" * 200, of(ids[0]))
    with pytest.raises(NotFound, match="no set 'x'") as told:
        sets.get(store, toy.id, "x")
    assert len(str(told.value)) < 500


def test_no_name_is_given_twice(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    one, other = (sets.save(store, toy, name, of(ids[0])) for name in ("one", "other"))
    with pytest.raises(Conflict, match="'one' already"):
        sets.rename(store, other, "one")
    with pytest.raises(Conflict, match="'one' already"):
        sets.duplicate(store, toy, other, "one")
    sets.delete(store, one)
    fresh = sets.rename(store, other, "one")
    with pytest.raises(Conflict, match="'one' already"):
        sets.restore(store, one)
    assert sets.listing(store, toy.id) == [fresh]
    with pytest.raises(NotFound, match="deleted meanwhile"):
        sets.rename(store, one, "two")


@pytest.mark.parametrize("name", ["", " mine", "a@b", "a:b", "a,b", "a*b", "{x}", "a\nb", "é" * 201, ".x"])
def test_a_name_that_cannot_be_written_is_refused(
    store: Store, toy: DatasetInfo, ids: list[str], name: str
) -> None:
    with pytest.raises(BadInput, match="name"):
        sets.save(store, toy, name, of(ids[0]))
    assert sets.listing(store, toy.id) == []


def test_what_cannot_stand_in_a_prompt_is_refused(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    for members, said in (
        ([], "1 to 64 demonstrations, not 0"),
        (of(ids[0], ids[0]), "is in the set twice"),
        (of(ids[0], weight=-1.0), "from 0 up"),
        (of(ids[0], weight=float("nan")), "from 0 up"),
    ):
        with pytest.raises(BadInput, match=said):
            sets.save(store, toy, "mine", members)
    with pytest.raises(NotFound, match="'toy' has no demonstration 'none'"):
        sets.save(store, toy, "mine", of("none"))
    with pytest.raises(BadInput, match="characters; at most"):
        sets.save(store, toy, "mine", of(ids[0]), note="a" * 10_001)
    assert sets.listing(store, toy.id) == []


def test_a_set_goes_with_its_data_set(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    twin = datasets.insert(
        store, "twin", toy_columns(), kind="", source="", fingerprint=toy.fingerprint, report={}
    )
    stored(store, twin)
    sets.save(store, toy, "mine", of(ids[0]))
    kept = sets.save(store, twin, "mine", of(ids[1]))
    datasets.delete(store, "toy")
    datasets.purge(store, toy.id)
    assert sets.listing(store, toy.id) == []
    assert sets.listing(store, twin.id) == [kept]


def test_the_difference_of_two_sets() -> None:
    one = [Member("a"), Member("b", 2.0), Member("c"), Member("d", locked=True)]
    other = [Member("c"), Member("b", 0.5), Member("e"), Member("d")]
    found = sets.diff(one, other)
    assert found.only_one == ("a",)
    assert found.only_other == ("e",)
    assert found.moved == (("b", 1, 2), ("c", 2, 1))
    assert found.weighted == (("b", 2.0, 0.5),)
    assert found.locked == ("d",)
    assert not found.same_numbers
    assert sets.diff([Member("a")], [Member("a", locked=True)]).same_numbers


def run(info: DatasetInfo, number: int, shown: list[Member], **result) -> Run:
    request = RunRequest(info.name, f"u{number}", demonstrations=tuple(Chosen(m.id, m.weight) for m in shown))
    body = {
        "demonstrations": [{"id": member.id, "weight": member.weight} for member in shown],
        "metrics": {"rank": 1, "ndcg10": 0.5, "zero_shot": {"ndcg10": 0.25 * number}},
        "margin": 1.0 * number,
        "margin_zero_shot": 0.5,
        **result,
    }
    return Run(f"{number:064d}", request, f"r{number}", info.id, request.user, "embedded", body, {})


def test_the_runs_that_used_a_set_and_how_they_did(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    first = sets.save(store, toy, "mine", of(*ids[:2]))
    shown = [*first.members]
    runs.save(store, run(toy, 1, shown))
    runs.save(store, run(toy, 2, shown))
    runs.save(
        store, run(toy, 3, shown[:1], set={"name": "mine", "digest": first.digest, "unknown": [ids[1]]})
    )
    for number, others in enumerate((shown[::-1], shown[:1], [Member(ids[0], 2.0), shown[1]], []), 4):
        runs.save(store, run(toy, number, others))
    runs.save(store, run(toy, 8, shown, prompts=[1, 1]))
    found = sets.uses(store, first)
    assert {int(use.run): (use.margin, use.ndcg10) for use in found} == {
        1: (0.5, 0.25),
        2: (1.5, 0.0),
        3: (2.5, -0.25),
    }
    (gain,) = sets.gains(found)
    assert (gain.model, gain.runs, gain.users, gain.margin, gain.ndcg10) == ("embedded", 3, 3, 1.5, 0.0)
    second = sets.save(store, toy, "mine", shown[::-1])
    assert {int(use.run) for use in sets.uses(store, second)} == {1, 2, 3, 4}
    assert {int(use.run) for use in sets.uses(store, second, every=False)} == {4}
    runs.delete(store, f"{4:064d}")
    assert sets.gains(sets.uses(store, second, every=False)) == []
    assert len(sets.uses(store, second, limit=2)) == 2


def test_a_run_without_a_number_is_counted_without_it(store: Store, toy: DatasetInfo, ids: list[str]) -> None:
    kept = sets.save(store, toy, "mine", of(ids[0]))
    runs.save(store, run(toy, 1, [*kept.members], margin_zero_shot=None))
    runs.save(store, replace(run(toy, 2, [*kept.members], metrics={}), model="other"))
    assert [(one.model, one.runs, one.margin, one.ndcg10) for one in sets.gains(sets.uses(store, kept))] == [
        ("embedded", 1, None, 0.25),
        ("other", 1, 1.5, None),
    ]


def test_an_older_store_learns_what_its_runs_were_shown(
    store: Store, toy: DatasetInfo, ids: list[str]
) -> None:
    runs.save(store, run(toy, 1, of(*ids[:2])))
    runs.save(store, run(toy, 2, []))
    runs.save(store, run(toy, 3, of(ids[0]), prompts=[1, 1]))
    kept = sa.text("SELECT * FROM run_index ORDER BY run_key")
    with store.read() as connection:
        before = [tuple(row) for row in connection.execute(kept)]
    with store.write() as connection:
        connection.execute(sa.text("DROP INDEX ix_run_index_set_digest"))
        for column in ("margin_gain", "ndcg10_gain", "set_digest"):
            connection.execute(sa.text(f"ALTER TABLE run_index DROP COLUMN {column}"))
        for table in (name for name in NEWER if name != "run_index"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        for column in ("layer", "layer_of"):
            connection.execute(sa.text(f"ALTER TABLE datasets DROP COLUMN {column}"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0009'"))
    with Store.open(store.settings) as newer, newer.read() as connection:
        assert [tuple(row) for row in connection.execute(kept)] == before
