"""A catalogue in made-up words: what is kept of titles, and what is not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.twin_titles import GRAMMAR, Twin

TITLES = [
    "Star Harbor: The Return (1995)",
    "Star Harbor 2 (1999)",
    "STAR harbor, 2-Pack",
    "iPhone Case for the Moon",
    "A B C",
    "東京物語 Tokyo Story",
    "東京 Nights",
    "Café Müller",
    "Cafe Muller",
]


def words(title: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", title)


def test_shape_is_kept_and_words_are_not() -> None:
    twin = Twin(TITLES, 0)
    for title in TITLES:
        made = twin.title(title)
        assert re.sub(r"[^\W\d_]+|\d+", "w", made) == re.sub(r"[^\W\d_]+|\d+", "w", title), "punctuation"
        for before, after in zip(words(title), words(made), strict=True):
            if before.casefold() in GRAMMAR:
                assert after == before
                continue
            assert after.casefold() != before.casefold()
            assert before.isdecimal() == after.isdecimal()
            if len(before) > 3:
                assert len(after) == len(before)
                assert [letter.isupper() for letter in after] == [letter.isupper() for letter in before]
                assert after.casefold() not in {word.casefold() for each in TITLES for word in words(each)}


def test_the_same_word_is_renamed_alike_and_another_one_differently() -> None:
    twin = Twin(TITLES, 0)
    renamed = {word.casefold(): set() for title in TITLES for word in words(title)}
    for title in TITLES:
        for before, after in zip(words(title), words(twin.title(title)), strict=True):
            renamed[before.casefold()].add(after.casefold())
    assert all(len(made) == 1 for made in renamed.values())
    assert len({made for (made,) in renamed.values()}) == len(renamed)
    first, second = (twin.title(title) for title in TITLES[:2])
    assert first.split(":")[0] == second.rpartition(" ")[0].rpartition(" ")[0], "a series stays one"


def test_it_is_a_pure_function_of_catalogue_and_seed() -> None:
    assert [Twin(TITLES, 3).title(title) for title in TITLES] == [
        Twin(TITLES[::-1], 3).title(title) for title in TITLES
    ]
    assert Twin(TITLES, 3).title(TITLES[0]) != Twin(TITLES, 4).title(TITLES[0])


@pytest.mark.parametrize("count", [9, 200])
def test_short_words_and_numbers_do_not_run_out(count: int) -> None:
    titles = [f"{chr(97 + n % 26)} {n}" for n in range(count)]
    twin = Twin(titles, 0)
    assert len({twin.title(title) for title in titles}) == len(titles)


@given(st.lists(st.text(max_size=20), max_size=12))
def test_different_titles_stay_different(titles: list[str]) -> None:
    twin = Twin(titles, 0)
    different = {title.casefold() for title in titles}
    assert len({twin.title(title).casefold() for title in different}) == len(different)


def test_made_up_words_have_about_as_many_tokens() -> None:
    def tokens(text: str) -> int:
        return 1 + sum(letter in "aeiou" for letter in text)  # a tokenizer of syllables

    titles = [f"{word} {word}ly" for word in ("strengths", "rhythms", "aqueous", "banana", "crystal")]
    near, far = Twin(titles, 0, tokens), Twin(titles, 0)

    def apart(twin: Twin) -> int:
        return sum(abs(tokens(twin.title(title)) - tokens(title)) for title in titles)

    assert apart(near) <= apart(far)


def test_words_from_elsewhere_are_renamed_too() -> None:
    assert Twin(TITLES, 0).title("Nintendo") != "Nintendo"
