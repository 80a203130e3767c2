"""How edits of the dual model are written, and which are refused by name."""

import pytest

from db.choices import EDITS
from db.errors import BadInput
from db.requests.edits import Edit, drawn, parse


def test_every_kind_is_read_at_its_own_amount() -> None:
    assert parse("+".join(reversed(EDITS))) == tuple(Edit(name, kind.amount) for name, kind in EDITS.items())
    assert [str(edit) for edit in parse("order+ridge:0.20")] == ["ridge:0.2", "order"]
    assert drawn(parse("weights:0.3"))
    assert not drawn(parse("ridge+negatives"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("magic:1", "weights, dropout"),
        ("", "unknown edit ''"),
        ("ridge:2", "from 0 to 1"),
        ("ridge:nan", "from 0 to 1"),
        ("weights:-1", "from 0 to 2"),
        ("order:3", "takes no number"),
        ("ridge:0.1+ridge:0.2", "twice"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        parse(text)
