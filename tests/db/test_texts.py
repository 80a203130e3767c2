"""Texts: stored once, under the digest of what they say."""

import pytest

from db import texts
from db.errors import NotFound
from db.store import Store


def test_a_text_is_stored_once(store: Store) -> None:
    with store.write() as connection:
        keys = [texts.put(connection, text) for text in ("Bought:\n- é 😀", "Bought:\n- é 😀", "a\x00\ud800")]
    assert keys[0] == keys[1] != keys[2]
    assert texts.get(store, keys[0]) == "Bought:\n- é 😀"
    assert texts.get(store, keys[2]) == "a��"
    with pytest.raises(NotFound):
        texts.get(store, "0" * 64)
