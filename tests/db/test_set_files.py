"""Files of sets: what was written comes back; a bad file is refused with where and what, nothing stored."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from db import datasets, demonstrations, sets
from db.datasets import DatasetInfo
from db.demonstrations import Demonstration, demonstration_id, hand_written
from db.errors import BadInput, Conflict
from db.sets import Member, NamedSet, files
from db.store import Store
from tests.toys import toy_columns


def window(info: DatasetInfo, **changes: Any) -> Demonstration:
    """Of the toy shop: user 1 buys i1, i2, i3."""
    one = Demonstration("", info.id, "neighbours", "u1", ("i1", "i2"), "i3", 2, 1_000_259_200)
    one = replace(one, **changes)
    content = (one.user_id, one.history, one.answer, one.position, one.text_override, one.merged)
    return replace(one, id=demonstration_id(info.fingerprint, *content))


@pytest.fixture
def kept(store: Store, toy: DatasetInfo) -> NamedSet:
    """A set of a window, an edited one, a merged one and one by hand, with weights and a lock."""
    plain = window(toy)
    edited = hand_written(toy, ["Wind waker", "Kart"], "Halo", plain)
    merged = window(
        toy,
        source="aggregated",
        user_id="u1, u2",
        history=("i1", "i2", "i3"),
        answer="i4",
        position=None,
        merged=(("u1", 2), ("u2", 2)),
    )
    free = hand_written(toy, ["Zelda «Deluxe»"], "Chess\tset")
    made = [plain, edited, merged, free]
    demonstrations.save_many(store, made)
    members = [
        Member(one.id, weight, locked)
        for one, weight, locked in zip(made, (1.0, 0.5, 0.0, 2.0), (False, True, False, False), strict=True)
    ]
    return sets.save(store, toy, "mine", members, user="u2", note="why\n\nnot")


def text_of(store: Store, toy: DatasetInfo, kept: NamedSet) -> str:
    return json.dumps(files.write(store, toy, kept))


def test_the_own_form_brings_everything_back(store: Store, toy: DatasetInfo, kept: NamedSet) -> None:
    written = text_of(store, toy, kept)
    before = demonstrations.get_many(store, [member.id for member in kept.members], toy.id)
    twin = datasets.insert(
        store, "twin", toy_columns(), kind="", source="", fingerprint=toy.fingerprint, report={}
    )
    found = files.bring(store, twin, written)
    assert (found.kept.name, found.kept.user_id, found.kept.note) == ("mine", "u2", "why\n\nnot")
    assert (found.kept.members, found.kept.digest, found.notes) == (kept.members, kept.digest, ())
    after = demonstrations.get_many(store, [member.id for member in kept.members], twin.id)
    assert {name: replace(one, dataset_id=toy.id) for name, one in after.items()} == before


def test_of_other_data_its_titles_can_be_taken(store: Store, toy: DatasetInfo, kept: NamedSet) -> None:
    written = text_of(store, toy, kept)
    other = datasets.insert(store, "other", toy_columns(), kind="", source="", fingerprint="o", report={})
    with pytest.raises(BadInput, match="of other data \\('toy'\\) than 'other'"):
        files.bring(store, other, written)
    assert sets.listing(store, other.id) == []
    found = files.bring(store, other, written, as_text=True)
    assert [member.weight for member in found.kept.members] == [1.0, 0.5, 0.0, 2.0]
    assert found.kept.shared
    assert "4 demonstrations by hand" in found.notes[0]


def test_dspys_form_has_titles_alone(store: Store, toy: DatasetInfo, kept: NamedSet) -> None:
    examples, notes = files.write_dspy(store, toy, kept)
    assert examples[0] == {"history": ["Mario Kart 8", "Halo 3"], "answer": "Café International"}
    assert [one["answer"] for one in examples] == ["Café International", "Halo", "Chess set"]
    assert notes == [
        "1 demonstrations of weight 0 are not in the file.",
        "DSPy knows no weights: every demonstration counts 1 there.",
    ]


@pytest.mark.parametrize(
    "form",
    [
        lambda demos: demos,
        lambda demos: {"demos": demos, "signature": {}, "lm": None},
        lambda demos: {"predict": {"demos": demos}, "other": {"demos": []}, "metadata": {"versions": {}}},
    ],
)
def test_dspys_files_are_read(store: Store, toy: DatasetInfo, form: Callable[[list], Any]) -> None:
    demos = [
        {"augmented": True, "history": ["A", "B"], "answer": "C"},
        {"history": "A\n\nB\n", "answer": ["D"]},
        {"history": ["A", "B"], "answer": "C", "reasoning": "x"},
    ]
    found = files.bring(store, toy, json.dumps(form(demos)), otherwise="theirs")
    assert found.kept.name == "theirs"
    stored = demonstrations.get_many(store, [member.id for member in found.kept.members], toy.id)
    assert [stored[member.id].text_override for member in found.kept.members] == ["A\nB\nC", "A\nB\nD"]
    assert "Fields that were not read: augmented, reasoning." in found.notes
    assert "1 examples stand in the file twice and were taken once." in found.notes


def test_dspys_fields_can_be_named(store: Store, toy: DatasetInfo) -> None:
    text = json.dumps([{"bought": "A\nB", "next": "C"}])
    with pytest.raises(BadInput, match="example 1: it has no field 'history'; it has 'bought', 'next'"):
        files.bring(store, toy, text, name="mine")
    assert files.bring(store, toy, text, name="mine", fields=("bought", "next")).kept.members


def changed(path: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    """The own form with another value at a path such as `demonstrations.0.weight`."""

    def change(found: dict[str, Any]) -> Any:
        *parts, last = path.split(".")
        at: Any = found
        for part in parts:
            at = at[int(part)] if part.isdigit() else at[part]
        at[last] = value
        return found

    return change


FIRST = "demonstrations.0"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: "{", "not JSON: line 1, column 2"),
        (lambda _: "[" * 100_000, "nested too deeply"),
        (lambda _: '"\\u0000', "not JSON"),
        (lambda _: '[{"history": ["A\\u0000"], "answer": "B"}]', "writes a NUL or half a character"),
        (lambda _: '[{"history": ["A"], "answer": "\\ud800"}]', "writes a NUL or half a character"),
        (changed("note", "a\0"), "writes a NUL"),
        (lambda _: "1" * 5_000, "a number in it is too long"),
        (lambda _: "a\x00", "holds a NUL"),
        (lambda _: '"text"', "neither a set of this program"),
        (lambda _: '{"demos": {}}', "neither a set of this program"),
        (lambda _: "[1]", "example 1: expected an object with fields, got 1"),
        (lambda _: '[{"history": [], "answer": "A"}]', "example 1: A demonstration shows 1 to 5"),
        (lambda _: '[{"history": ["A"], "answer": ["A", "B"]}]', "example 1: answer: expected one title"),
        (lambda _: '[{"history": [1], "answer": "B"}]', "example 1: history: expected a list of texts"),
        (lambda _: "[]", "A set holds 1 to 64 demonstrations, not 0"),
        (lambda _: '{"a": {"demos": [1]}, "b": {"demos": [1]}}', "with demos in 'a', 'b'"),
        (changed("version", 2), "version: this reads version 1"),
        (changed("data", None), "the file: data: expected an object"),
        (changed("demonstrations", {}), "the file: demonstrations: expected a list"),
        (changed("name", "a:b"), "The set name 'a:b' cannot be used"),
        (changed("name", 1), "the file: name: expected a text, got 1"),
        (changed("user", "nobody"), "user: 'toy' has no user 'nobody'"),
        (changed("note", "a" * 10_001), "The note has 10,001 characters"),
        (changed(f"{FIRST}.weight", "1"), "demonstration 1: weight: expected a number, got '1'"),
        (changed(f"{FIRST}.weight", True), "demonstration 1: weight: expected a number, got True"),
        (changed(f"{FIRST}.weight", -1), "a weight is a number from 0 up"),
        (changed(f"{FIRST}.weight", float("inf")), "a weight is a number from 0 up"),
        (changed(f"{FIRST}.weight", 10**400), "demonstration 1: weight: 1000+… is too large a number"),
        (changed(f"{FIRST}.timestamp", 0), "demonstration 1: timestamp: 0 is not when its answer was bought"),
        (changed(f"{FIRST}.timestamp", 10**30), "demonstration 1: timestamp: 1000+"),
        (changed("demonstrations.2.timestamp", 5), "demonstration 3: timestamp: 5 is not when"),
        (changed("demonstrations.3.timestamp", 5), "demonstration 4: timestamp: 5 is not when"),
        (changed(f"{FIRST}.source", "<script>"), "demonstration 1: source: '<script>' is not one of neigh"),
        (changed(f"{FIRST}.source", "hand-written"), "demonstration 1: source: 'hand-written' is not one of"),
        (changed(f"{FIRST}.source", "aggregated"), "demonstration 1: source: 'aggregated' is not one of"),
        (changed("demonstrations.2.source", "neighbours"), "not one of aggregated, placebo"),
        (
            changed("demonstrations.3.source", "neighbours"),
            "demonstration 4: .* not one of hand-written",
        ),
        (changed(f"{FIRST}.locked", 1), "demonstration 1: locked: expected true or false"),
        (changed(f"{FIRST}.answer", "i5"), "demonstration 1: its id '.*' is not that of its content"),
        (changed("demonstrations.3.merged", [["u1"]]), "demonstration 4: merged: expected pairs"),
        (lambda found: {**found, "demonstrations": found["demonstrations"][:1] * 2}, "in the set twice"),
    ],
)
def test_a_bad_file_is_refused_and_changes_nothing(
    store: Store, toy: DatasetInfo, kept: NamedSet, change: Callable[[dict[str, Any]], Any], told: str
) -> None:
    sets.delete(store, kept)
    other = demonstrations.written(store, toy.id, 100)
    found = change(json.loads(text_of(store, toy, kept)))
    text = found if isinstance(found, str) else json.dumps(found)
    with pytest.raises(BadInput, match=told):
        files.bring(store, toy, text, otherwise="mine")
    assert sets.listing(store, toy.id) == []
    assert demonstrations.written(store, toy.id, 100) == other


@pytest.mark.parametrize(
    ("forged", "told"),
    [
        ({"answer": "i5"}, "user 'u1' did not buy these items in this order"),
        ({"position": 0}, "user 'u1' has no purchase 0 with one before it"),
        ({"position": 5}, "user 'u1' has no purchase 5"),
        ({"user_id": "nobody"}, "'toy' has no user 'nobody'"),
        ({"position": None}, "it is no window and has no written titles"),
        ({"merged": (("u1", 9),), "position": None, "source": "aggregated"}, "user 'u1' has no purchase 9"),
    ],
)
def test_a_window_that_is_none_is_refused(
    store: Store, toy: DatasetInfo, kept: NamedSet, forged: dict[str, Any], told: str
) -> None:
    """Its place in time decides for whom it is known: a forged one could show a target."""
    one = window(toy, **forged)
    found = json.loads(text_of(store, toy, kept))
    entry = {"id": one.id, **files._content(one), "titles": []}
    found["demonstrations"] = [entry]
    with pytest.raises(BadInput, match=f"demonstration 1: .*{told}"):
        files.bring(store, toy, json.dumps(found), name="forged")


def test_a_set_of_the_name_is_kept_unless_it_is_to_be_replaced(
    store: Store, toy: DatasetInfo, kept: NamedSet
) -> None:
    text = json.dumps([{"history": "A", "answer": "B"}])
    with pytest.raises(Conflict, match="'mine' already"):
        files.bring(store, toy, text, name="mine")
    assert sets.get(store, toy.id, "mine") == kept
    assert files.bring(store, toy, text, name="mine", replace_existing=True).kept.id == kept.id
