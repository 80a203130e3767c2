"""Canonical JSON and the cleaning of text: pure functions."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.canonical import canonical_json, digest
from db.errors import BadInput
from db.names import clean_text, fold, like, storable

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(any_text, children, max_size=4),
    max_leaves=12,
)


@given(values)
def test_canonical_json_loses_nothing_and_is_ascii(value: object) -> None:
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(any_text, values, max_size=5))
def test_the_order_of_keys_does_not_count(value: dict) -> None:
    turned = dict(reversed(value.items()))
    assert digest(turned) == digest(value)


def test_the_spelling_is_fixed() -> None:
    assert canonical_json({"b": (1, 2.0), "a": "é\n"}) == '{"a":"\\u00e9\\n","b":[1,2.0]}'
    assert canonical_json([np.int64(3), np.float32(0.5), np.bool_(True)]) == "[3,0.5,true]"
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, np.float32("nan"), {1: "a"}, {"a": {2}}, b"x"]
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(BadInput, match=r"value\.field\[0\]"):
        canonical_json({"field": [value]})


@given(any_text)
def test_cleaned_text_can_be_stored(text: str) -> None:
    cleaned = clean_text(text)
    assert storable(cleaned)
    assert len(cleaned) == len(text)
    assert (cleaned == text) == storable(text)
    cleaned.encode("utf-8")


@given(any_text)
def test_folding_again_changes_nothing_more(text: str) -> None:
    folded = fold(text)
    assert storable(folded)
    assert folded == " ".join(folded.split())


def test_folding_drops_case_and_accents() -> None:
    assert fold("  Pokémon\tROUGE ") == "pokemon rouge"
    assert fold("STRASSE") == fold("straße")
    assert fold("ＦＦ Ⅶ") == "ff vii"


def test_a_pattern_is_taken_literally() -> None:
    assert like("100%_\\") == "%100\\%\\_\\\\%"
