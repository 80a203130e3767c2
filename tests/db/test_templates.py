"""People's own templates: kept by their text, named by the newest, never lost to a run."""

import pytest

from db import templates
from db.choices import TEMPLATES
from db.errors import BadInput, NotFound
from db.store import Store


def test_a_name_means_its_newest_text_and_a_reference_always_the_same(store: Store) -> None:
    first = templates.save(store, "mine", "one", ("sum",))
    second = templates.save(store, "mine", "two", ("yes_no", "listwise"))
    assert first.reference != second.reference
    assert templates.get(store, "mine") == second
    assert templates.get(store, first.reference) == first
    assert templates.listing(store) == [second]
    again = templates.save(store, "mine", "one", ("sum",))
    assert (again.reference, templates.get(store, "mine")) == (first.reference, again)


def test_a_deleted_one_is_read_by_its_runs_and_comes_back_when_saved(store: Store) -> None:
    kept = templates.save(store, "mine", "one", ("sum",))
    templates.save(store, "mine", "two", ("sum",))
    templates.delete(store, "mine")
    assert templates.listing(store) == []
    with pytest.raises(NotFound, match="There are: plain, films"):
        templates.get(store, "mine")
    assert templates.get(store, kept.reference).text == "one"
    assert templates.get(store, templates.save(store, "mine", "one", ("sum",)).name).text == "one"


@pytest.mark.parametrize(
    "name", ["", " mine", "a@b", "plain", "a/b", "{x}", "a\nb", "é" * 201, "a.toml", "b.TOML"]
)
def test_a_name_that_cannot_be_named_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadInput):
        templates.save(store, name, "one", ("sum",))
    assert templates.listing(store) == []


def test_a_text_that_no_store_keeps_is_refused(store: Store) -> None:
    with pytest.raises(BadInput, match="NUL"):
        templates.save(store, "mine", "a\x00b", ("sum",))


def test_one_of_the_programs_stays(store: Store) -> None:
    with pytest.raises(BadInput, match="stays"):
        templates.delete(store, "plain")
    with pytest.raises(NotFound, match="'nothing'"):
        templates.delete(store, "nothing")


def test_every_template_of_the_program_can_rank() -> None:
    assert all(row.scorings for row in TEMPLATES.values())
