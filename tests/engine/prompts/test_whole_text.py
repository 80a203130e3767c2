"""Pieces are tokenized as the whole text is, on tokenizers of every usual kind and for any title.

The tokenizers are built here, each with the rules of the family it is named after, on a few hundred lines.
"""

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from engine.prompts import PLAIN, Example, PieceEncoder, encode, render
from engine.prompts.encode import AS_TUNED, CUTS
from engine.prompts.segments import label_answer, title_answer
from tests.engine.conftest import TITLES, make_tokenizer

_SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<|start|>", "<|end|>"]
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CHAT = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n\n{% endif %}"
)
# Texts with blank lines, as everybody's training texts have, so that tokens of two line ends are learned.
_TEXTS = [
    f"Purchases in order, then the next one.\n\nBought:\n- {a}!\n- {b}\n\n\nNext:\n- {b}? {n}\n\nAnswer: No\n"
    for n, a in enumerate(TITLES)
    for b in TITLES
]
_BYTES = [f"<0x{i:02X}>" for i in range(256)]


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def _byte_level(*before: pre_tokenizers.PreTokenizer, prefix: bool = False, regex: bool = False) -> Tokenizer:
    made = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    made.pre_tokenizer = pre_tokenizers.Sequence([*before, level])
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        _TEXTS, trainers.BpeTrainer(vocab_size=600, special_tokens=_SPECIAL, initial_alphabet=alphabet)
    )
    return made


def _sentencepiece(
    rules: normalizers.Normalizer, *, line_ends: list[str] | None = None, opens: bool = True
) -> Tokenizer:
    """BPE on a text whose blanks are written as ▁, words learned one by one; its tokens cross no line."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "removed"), pre_tokenizers.Metaspace(prepend_scheme="never")]
    )
    special = [*_SPECIAL, *_BYTES]
    made.train_from_iterator(_TEXTS, trainers.BpeTrainer(vocab_size=700, special_tokens=special))
    learned = made.to_str()
    made = Tokenizer.from_str(learned)
    if line_ends:
        made = _with_line_ends(made, line_ends)
    made.pre_tokenizer = None  # type: ignore[assignment]
    made.normalizer = rules
    if opens:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made


def _with_line_ends(made: Tokenizer, line_ends: list[str]) -> Tokenizer:
    """The same with tokens of several line ends, as Gemma has."""
    import json

    told = json.loads(made.to_str())
    vocabulary, merges = told["model"]["vocab"], told["model"]["merges"]
    for token in ("\n", *line_ends):
        vocabulary.setdefault(token, len(vocabulary))
    told["model"]["merges"] = [*([["\n" * (len(t) - 1), "\n"] for t in line_ends]), *merges]
    return Tokenizer.from_str(json.dumps(told))


def _unigram() -> Tokenizer:
    """T5's and XLM-R's manner: white space is one blank, line ends too, and one stands before every text."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    made.train_from_iterator(
        _TEXTS, trainers.UnigramTrainer(vocab_size=300, special_tokens=_SPECIAL, unk_token="<unk>")
    )
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return made


def _wordpiece() -> Tokenizer:
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(_TEXTS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=_SPECIAL))
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return made


_BLANKS = normalizers.Replace(" ", "▁")
_PREFIXED = normalizers.Sequence([normalizers.Prepend("▁"), _BLANKS])
KINDS: dict[str, Callable[[], Tokenizer]] = {
    "gpt2": lambda: _byte_level(regex=True),
    "smollm2": lambda: _byte_level(pre_tokenizers.Digits(individual_digits=True), regex=True),
    "roberta": lambda: _byte_level(prefix=True, regex=True),
    "llama3": lambda: _byte_level(_split(_LLAMA3)),
    "qwen2": lambda: _byte_level(_split(_LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"))),
    "llama2": lambda: _sentencepiece(_PREFIXED),
    "no prefix": lambda: _sentencepiece(_BLANKS),
    "gemma": lambda: _sentencepiece(_BLANKS, line_ends=["\n\n", "\n\n\n"]),
    "prefixed with line ends": lambda: _sentencepiece(_PREFIXED, line_ends=["\n\n"]),
    "unigram": _unigram,
    "wordpiece": _wordpiece,
}
CHATS = ("gpt2", "llama3", "qwen2", "llama2", "gemma")


@cache
def encoder_of(kind: str, chat: bool = False) -> PieceEncoder:
    made = PreTrainedTokenizerFast(
        tokenizer_object=KINDS[kind](),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<|start|>", "<|end|>"],
    )
    if chat:
        made.chat_template = _CHAT
    return PieceEncoder(made)


ENCODERS = [*((kind, False) for kind in KINDS), *((kind, True) for kind in CHATS)]


def prompt(scoring: str, titles: list[str]) -> list[str]:
    """The pieces of a whole prompt with two demonstrations, a hint and an answer."""
    demos = [
        Example(tuple(titles[:3]), titles[3], True, 4.0),
        Example(tuple(titles[2:5]), titles[0], False, 1.5),
    ]
    shared = render(PLAIN, scoring, demos, titles[1:5], titles[3:5])
    answers = {
        "rating": (" 4\n",),
        "yes_no": PLAIN.form("yes_no").yes_no_answer(False),
        "listwise": label_answer(2, len(titles)),
    }
    answer = answers.get(scoring, title_answer(titles[4]))
    asked = PLAIN.form(scoring).ask(titles)
    return [*(piece for segment in shared for piece in segment.pieces), *asked, *answer]


@pytest.mark.parametrize(("kind", "chat"), ENCODERS)
def test_a_cut_is_found_that_is_exact(kind: str, chat: bool) -> None:
    encoder = encoder_of(kind, chat)
    assert encoder.exact
    for scoring in PLAIN.scorings:
        pieces = prompt(scoring, list(TITLES))
        assert encoder.joined(pieces) == encoder.whole(pieces)


WORDS = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cf", "Mn", "Mc", "Me")),
        st.sampled_from(" 0123456789.,:;!?'\"()[]-#&%éüñ™½日本😀"),
    ),
    min_size=1,
    max_size=24,
).filter(str.strip)


@settings(max_examples=25)
@given(st.lists(WORDS, min_size=5, max_size=5))
@example(["  (a) ", "1,000", "...!", "'s", "- - -"])
@example(["A\u00a0B", "日本語", "½ 😀", "100%", '"x"'])
def test_any_titles_are_tokenized_as_in_the_whole_text(titles: list[str]) -> None:
    for kind, chat in ENCODERS:
        encoder = encoder_of(kind, chat)
        for scoring in ("sum", "yes_no", "listwise"):
            pieces = prompt(scoring, titles)
            assert encoder.joined(pieces) == encoder.whole(pieces), (kind, chat, scoring)


def test_the_kinds_are_as_different_as_they_should_be() -> None:
    """Every cut is the first that is exact for one of them, and only the last is for all."""
    assert {encoder_of(kind).cut for kind in KINDS} == CUTS.keys()
    ends = {kind: encoder_of(kind).tokenizer.encode("a\n\nb", add_special_tokens=False) for kind in KINDS}
    assert len(ends["gemma"]) < len(ends["no prefix"])
    for cut in CUTS:
        exact = [PieceEncoder(encoder_of(kind).tokenizer, cut).exact for kind in KINDS]
        assert any(exact), cut
        assert all(exact) == (cut == "no blank lines"), cut


def test_spans_stay_exact_and_do_not_depend_on_what_stands_beside_them() -> None:
    demos = [Example(TITLES[:2], TITLES[2]), Example(TITLES[3:5], TITLES[5])]
    for kind, chat in ENCODERS:
        encoder = encoder_of(kind, chat)
        both = encode(encoder, render(PLAIN, "sum", demos, TITLES[6:8]))
        alone = encode(encoder, render(PLAIN, "sum", demos[1:], TITLES[6:8]))
        assert both.ids[both.spans[2].start :] == alone.ids[alone.spans[1].start :]
        assert both.ids[: both.spans[1].start] == alone.ids[: alone.spans[1].start]


def test_an_answer_ends_as_the_answers_of_demonstrations_do() -> None:
    """Or the model would be asked for another ending than it is shown."""
    for kind, chat in ENCODERS:
        encoder = encoder_of(kind, chat)
        scored = encoder.joined(title_answer(TITLES[2]))
        shown = encoder.joined(PLAIN.form("sum").demo(Example(TITLES[:2], TITLES[2])))
        blank = encoder.joined(CUTS[encoder.cut].blank)
        assert shown[len(shown) - len(blank) - len(scored) :] == (*scored, *blank)


def test_a_tokenizer_whose_tokens_cross_lines_is_known_for_it() -> None:
    encoder = PieceEncoder(make_tokenizer("crossing"))
    assert (encoder.cut, encoder.exact) == (AS_TUNED, False)


def test_a_model_tuned_before_there_were_cuts_keeps_its_own() -> None:
    tokenizer = encoder_of("gemma").tokenizer
    assert PieceEncoder(tokenizer).cut == "no blank lines"
    kept = PieceEncoder(tokenizer, AS_TUNED)
    assert kept.cut == AS_TUNED
    assert kept.joined(prompt("sum", list(TITLES))) != encoder_of("gemma").joined(prompt("sum", list(TITLES)))
