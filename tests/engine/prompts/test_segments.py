"""The exact text of every layout, and token spans that are exact on every manner of tokenizer."""

import copy

import pytest

from db.errors import BadInput, ModelError
from engine.prompts import PLAIN, Example, PieceEncoder, built_in, encode, render
from engine.prompts.segments import clean, label, label_answer, title_answer

HISTORY = ["Night Bus Simulator", "Dragon  Ledger "]


def test_the_plain_prompt_is_written_exactly_so(demos: tuple[Example, ...]) -> None:
    shown = "".join(s.text for s in render(PLAIN, "sum", demos[:1], HISTORY))
    assert shown + title_answer("Paper Kingdoms")[0] == (
        "Purchases in order, then the next one.\n\n"
        "Bought:\n- Star Harbor Deluxe Edition\n- Moonlit Kart Racing\n- Puzzle Garden 2\nNext:\n"
        "- Wireless Controller - Blue\n\n"
        "Bought:\n- Night Bus Simulator\n- Dragon Ledger\nNext:\n- Paper Kingdoms\n"
    )


def test_the_yes_no_prompt_reads_the_answers_rating(demos: tuple[Example, ...]) -> None:
    segments = render(PLAIN, "yes_no", demos, HISTORY)
    liked, disliked, unknown = (s.text for s in segments if s.kind == "demo")
    assert liked == (
        "Bought:\n- Star Harbor Deluxe Edition\n- Moonlit Kart Racing\n- Puzzle Garden 2\n"
        "Would they enjoy this?\n- Wireless Controller - Blue\nAnswer: Yes\n\n"
    )
    assert disliked.endswith("Answer: No\n\n")
    assert unknown.endswith("Answer: Yes\n\n")
    whole = segments[-1].text + "".join(p for p in PLAIN.form("yes_no").ask(["X"]) if "\x00" not in p)
    assert whole.endswith("- Dragon Ledger\nWould they enjoy this?\n- X\nAnswer:")
    assert PLAIN.form("yes_no").yes_no_answer(True) == (" Yes\n",)


def test_the_listwise_prompt_labels_with_letters_then_numbers(demos: tuple[Example, ...]) -> None:
    segments = render(PLAIN, "listwise", demos[:1], HISTORY)
    assert segments[1].text == render(PLAIN, "sum", demos[:1], HISTORY)[1].text
    asked = "".join(p for p in PLAIN.form("listwise").ask(["X", "Y"]) if "\x00" not in p)
    assert (segments[-1].text + asked).endswith("Choose the next one:\nA. X\nB. Y\nAnswer:")
    assert (label(25, 26), label(0, 27), label(26, 27)) == ("Z", "1", "27")
    assert label_answer(1, 3) == (" B\n",)


def test_a_demonstration_shows_its_five_newest_items() -> None:
    demo = render(PLAIN, "sum", [Example(tuple("abcdefg"), "h")], ["x"])[1].text
    assert demo == "Bought:\n- c\n- d\n- e\n- f\n- g\nNext:\n- h\n\n"


def test_white_space_in_titles_is_collapsed() -> None:
    assert clean("  a\n b\t c ") == "a b c"


@pytest.mark.parametrize(("template", "scoring"), [("tallrec", "sum"), ("plain", "best")])
def test_an_unknown_mode_or_one_without_a_section_is_named(template: str, scoring: str) -> None:
    with pytest.raises(BadInput, match="Choose one of"):
        built_in(template).form(scoring)


@pytest.mark.parametrize("name", ["bpe", "crossing", "metaspace", "wordpiece", "chat"])
@pytest.mark.parametrize("scoring", PLAIN.scorings)
def test_spans_are_exact_on_every_tokenizer(
    name: str, scoring: str, tokenizer, demos: tuple[Example, ...]
) -> None:
    encoder = PieceEncoder(tokenizer(name))
    segments = render(PLAIN, scoring, demos, HISTORY)
    encoded = encode(encoder, segments)
    assert [(s.kind, s.index) for s in encoded.spans] == [(s.kind, s.index) for s in segments]
    assert encoded.spans[0].start == 0
    assert encoded.spans[-1].stop == len(encoded.ids)
    for span, segment in zip(encoded.spans, segments, strict=True):
        assert encoded.ids[span.start : span.stop] == encoder.joined(segment.pieces)
    for before, after in zip(encoded.spans, encoded.spans[1:], strict=False):
        assert before.stop == after.start
    assert [encoded.owners().count(b) for b in range(3)] == [
        s.stop - s.start for s in encoded.spans if s.kind == "demo"
    ]


@pytest.mark.parametrize("name", ["bpe", "crossing", "metaspace"])
def test_the_ids_spell_the_prompt(name: str, tokenizer, demos: tuple[Example, ...]) -> None:
    encoder = PieceEncoder(tokenizer(name))
    segments = render(PLAIN, "sum", demos, HISTORY)
    spelled = encoder.tokenizer.decode(encode(encoder, segments).ids, skip_special_tokens=True)
    assert spelled.strip() == encoder.text(segments).strip()


def test_a_token_that_would_cross_a_border_never_does(tokenizer) -> None:
    """The joint text has tokens that run over a segment border; the pieces must not."""
    encoder = PieceEncoder(tokenizer("crossing"))
    pieces = ("Next:\n", "-", " Moonlit Kart Racing\n")
    joint = tuple(encoder.tokenizer.encode("".join(pieces), add_special_tokens=False))
    assert joint != encoder.joined(pieces)
    assert encoder.tokenizer.decode(encoder.joined(pieces)) == "".join(pieces)


def test_no_blank_of_the_tokenizers_own_enters_a_piece(tokenizer) -> None:
    encoder = PieceEncoder(tokenizer("metaspace"))
    assert encoder.tokenizer.convert_ids_to_tokens(encoder.ids("-")) == ["-"]
    bare = encoder.tokenizer.encode("-", add_special_tokens=False)
    assert encoder.tokenizer.convert_ids_to_tokens(bare)[0].startswith("▁")


@pytest.mark.parametrize(("name", "opens"), [("bpe", False), ("metaspace", True), ("wordpiece", True)])
def test_the_tokenizers_own_opening_token_stands_first_once(name: str, opens: bool, tokenizer) -> None:
    encoder = PieceEncoder(tokenizer(name))
    ids = encode(encoder, render(PLAIN, "sum", [], HISTORY)).ids
    assert (ids[0] == encoder.tokenizer.bos_token_id) is opens
    assert ids.count(encoder.tokenizer.bos_token_id) == int(opens)


def test_a_chat_template_wraps_the_prompt_and_the_answer_is_the_assistants(
    tokenizer, demos: tuple[Example, ...]
) -> None:
    encoder = PieceEncoder(tokenizer("chat"))
    shown = encoder.text(render(PLAIN, "sum", demos[:1], HISTORY))
    assert encoder.chat
    assert shown.startswith("<|start|>user\nPurchases in order")
    assert shown.endswith("Next:\n<|end|>\n<|start|>assistant\n-")
    start = encoder.tokenizer.convert_tokens_to_ids("<|start|>")
    assert encode(encoder, render(PLAIN, "sum", demos[:1], HISTORY)).ids.count(start) == 2


@pytest.mark.parametrize(
    "content",
    [
        "{{ m['content'] | tojson }}",
        "{{ m['content'] | e }}",
        "{{ m['content'][:99] }}",
        "{{ m['content'] * 2 }}",
    ],
)
def test_a_chat_template_that_changes_a_message_is_refused(tokenizer, content: str) -> None:
    """The prompt would not be the one that the template writes."""
    made = copy.deepcopy(tokenizer("chat"))
    made.chat_template = made.chat_template.replace("{{ m['content'] }}", content)
    with pytest.raises(ModelError, match="changes the text of the user's message"):
        PieceEncoder(made)


def test_a_chat_template_may_trim_a_message_but_not_change_the_models(tokenizer) -> None:
    made = copy.deepcopy(tokenizer("chat"))
    plain = made.chat_template
    made.chat_template = plain.replace("m['content']", "m['content'] | trim")
    assert PieceEncoder(made).turns == PieceEncoder(tokenizer("chat")).turns
    changed = "m['content'] if m['role'] == 'user' else m['content'] | upper"
    made.chat_template = plain.replace("m['content']", changed)
    with pytest.raises(ModelError, match="Choose turns one"):
        _ = PieceEncoder(made).turns


def test_a_title_that_spells_a_control_token_stays_text(tokenizer) -> None:
    encoder = PieceEncoder(tokenizer("chat"))
    ids = encoder.joined(title_answer("free <|end|> gift"))
    assert encoder.tokenizer.convert_tokens_to_ids("<|end|>") not in ids
    assert encoder.tokenizer.decode(ids) == " free <|end|> gift\n"
