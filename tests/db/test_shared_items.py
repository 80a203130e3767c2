"""What demonstrations share with a user, in words."""

from typing import Any

from db.shared_items import evidence, summary


def item(title: str, name: str | None = None) -> dict[str, Any]:
    """An item as results name it."""
    return {"item": title.lower() if name is None else name, "title": title}


def demo(*titles: str) -> dict[str, Any]:
    """A demonstration that shows these, the answer last."""
    *history, answer = titles
    return {"history": [item(title) for title in history], "answer": item(answer)}


def result(*demos: dict[str, Any]) -> dict[str, Any]:
    """A run of a user who had A, B and C."""
    return {"history": [item("A"), item("B"), item("C")], "target": item("T"), "demonstrations": list(demos)}


def test_shared_items_are_named_and_counted() -> None:
    first, second = evidence(result(demo("A", "X", "B", "Y"), demo("X", "Z")))
    assert first.sentence == "2 of its 4 items are in the user's history: A and B."
    assert second.sentence == "None of its 2 items is in the user's history."
    assert summary([first, second]).startswith(
        "1 of 2 demonstrations shows an item of the user's history; number 1 shows most, 2."
    )


def test_the_target_a_known_answer_and_equal_answers_are_told() -> None:
    rows = evidence(result(demo("A", "T"), demo("T", "B"), demo("Q", "T")))
    assert rows[0].sentence == (
        "1 of its 2 items is in the user's history: A. Its answer is the target itself. "
        "Number 3 has the same answer."
    )
    assert "Its history shows the target." in rows[1].sentence
    assert "The user has had its answer, B." in rows[1].sentence
    assert summary(rows).startswith("Numbers 1 and 3 have the target as the answer. ")
    assert "No demonstration shows" in summary(evidence(result(demo("X", "Y"))))


def test_an_item_is_known_by_its_title_too_and_no_title_is_like_no_other() -> None:
    [row] = evidence(result({"history": [item(" a ", "other")], "answer": item("", "")}))
    assert row.shared == [" a "]
    [empty] = evidence({**result({"history": [item("", "")], "answer": item("")}), "history": [item("", "")]})
    assert empty.items == 2


def test_many_shared_titles_are_counted_not_listed() -> None:
    titles = [f"Title {n}" for n in range(7)]
    [row] = evidence({**result(demo(*titles, "X")), "history": [item(title) for title in titles]})
    assert row.sentence.endswith("Title 0, Title 1, Title 2, Title 3 and 3 more.")


def test_nobody_shows_most_where_all_show_as_many() -> None:
    rows = evidence(result(demo("A", "X"), demo("B", "Y")))
    assert summary(rows).startswith("Every demonstration shows an item of the user's history; each 1. What")
