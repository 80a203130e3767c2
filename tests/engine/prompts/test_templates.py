"""Templates: those of the project, what a person's may hold, and every fault named."""

import copy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.choices import SCORINGS, TEMPLATES
from db.datasets import Interaction
from db.errors import BadInput, ModelError
from db.moments import day
from db.ratings import FIVE_STARS
from db.templates import LARGEST
from engine.prompts import PLAIN, Disliked, Example, PieceEncoder, built_in, encode, read, render
from engine.prompts.parse import BUILT_IN, LONGEST_WORD, MOST_PLACEHOLDERS
from engine.prompts.segments import written
from tests.engine.conftest import make_tokenizer
from tests.support.own_template import SMALLEST

DEMO = Example(("Ocean Tales", "Iron Path", Disliked("Rust")), "Ember Road", True, 4.0)
HISTORY = ("Paper Kingdoms", "The Long Tide", Disliked("Gravel"))


def purchase(title: str, rating: float | None = None, **more: object) -> Interaction:
    values = {"timestamp": None, "category": None, "brand": None, **more}
    return Interaction(0, 0, "i", title, rating=rating, **values)  # type: ignore[arg-type]


def text(template: str, scoring: str) -> str:
    """A whole prompt with one demonstration, about two candidates."""
    chosen = built_in(template)
    shared = render(chosen, scoring, [DEMO], HISTORY)
    return "".join(part.text for part in shared) + written(chosen.form(scoring).ask(["Ember", "Sand"]))


def test_the_table_of_templates_is_that_of_the_files() -> None:
    assert {path.stem for path in BUILT_IN.glob("*.toml")} == TEMPLATES.keys()
    for name, row in TEMPLATES.items():
        assert row.scorings == tuple(each for each in SCORINGS if each in built_in(name).scorings), name


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_it_is_made_after_is_cited_in_the_file(name: str) -> None:
    paper = TEMPLATES[name].paper
    first = (BUILT_IN / f"{name}.toml").read_text().partition("introduction =")[0]
    assert paper in first


def test_tallrec_parts_what_was_liked_from_what_was_not() -> None:
    assert text("tallrec", "yes_no").partition("\n\n")[2] == (
        "User preference: Ocean Tales, Iron Path\nUser unpreference: Rust\n"
        'Whether the user will like the target item "Ember Road"?\nResponse: Yes.\n\n'
        "User preference: Paper Kingdoms, The Long Tide\nUser unpreference: Gravel\n"
        'Whether the user will like the target item "Ember"?\nResponse:'
    )


def test_llmrank_names_the_newest_item_again() -> None:
    shown = text("llmrank-recency", "listwise")
    assert "3. Gravel\nNote that my most recently bought item is Gravel.\n" in shown
    assert shown.endswith("A. Ember\nB. Sand\nThe one I am most likely to buy next is")
    in_context = text("llmrank-icl", "sum")
    assert "2. The Long Tide\nThen if I ask" in in_context
    assert "you should recommend Gravel, and now" in in_context


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("kind", ["bpe", "crossing", "metaspace", "chat"])
def test_spans_are_exact_in_every_template(name: str, kind: str) -> None:
    encoder, template = PieceEncoder(make_tokenizer(kind)), built_in(name)
    for scoring in template.scorings:
        segments = render(template, scoring, [DEMO, DEMO], HISTORY, ("Hint",))
        encoded = encode(encoder, segments)
        assert [span.kind for span in encoded.spans] == ["prefix", "demo", "demo", "hint", "query"]
        for span, segment in zip(encoded.spans, segments, strict=True):
            assert encoded.ids[span.start : span.stop] == encoder.joined(segment.pieces)
        whole = encoder.text(segments)
        shown = encoder.tokenizer.decode(encoded.ids, skip_special_tokens=False)
        if kind == "bpe":
            assert shown == whole


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_byte_level_tokenizer_reads_every_template_as_it_would_the_whole_text(name: str) -> None:
    assert PieceEncoder(make_tokenizer("bpe")).exact_for(built_in(name))


def test_a_tokenizer_that_joins_lines_is_known_for_it_in_every_template() -> None:
    assert not PieceEncoder(make_tokenizer("crossing")).exact_for(built_in("proximal"))


def test_an_item_shows_what_it_has_and_leaves_out_what_it_has_not() -> None:
    item = 'item = "{title}[ by {brand}][, {category}][ ({date})][: {rating}]"'
    form = read(f"{item}\n{SMALLEST}").form("sum")
    full = purchase("Iron  Path", 4.5, timestamp=1_420_070_400, category="Games", brand="Acme")
    assert form.history([full], FIVE_STARS) == ("Iron Path by Acme, Games (2015-01-01): 4.5",)
    assert form.history([purchase("Iron Path")], FIVE_STARS) == ("Iron Path",)


@pytest.mark.parametrize("seconds", [-(10**11), 10**12, 2**63 - 1])
def test_a_moment_that_no_calendar_has_is_a_missing_date(seconds: int) -> None:
    odd = purchase("Iron Path", timestamp=seconds)
    assert PLAIN.form("sum").history([odd], FIVE_STARS) == ("Iron Path",)
    assert built_in("proximal").form("sum").history([odd], FIVE_STARS) == ("Iron Path",)
    assert day(seconds) == f"{seconds} s"


def test_what_was_disliked_is_told_by_the_scale() -> None:
    form = PLAIN.form("sum")
    shown = form.history([purchase("a", 5), purchase("b", 1), purchase("c")], FIVE_STARS)
    assert [type(each) for each in shown] == [str, Disliked, str]
    example = form.example([purchase("a", 1)], purchase("b", 2), False, FIVE_STARS)
    assert example == Example(("a",), "b", False, 2.0)
    assert isinstance(example.history[0], Disliked)


def test_words_of_the_domain_are_put_in_when_it_is_read() -> None:
    words = '[words]\nthing = "song"\n'
    template = read(SMALLEST.replace("Books read.", "Each {thing} heard.") + words)
    assert template.introduction == "Each song heard.\n"


FAULTS = {
    "a = ": "not valid TOML",
    'introduction = "x"': "no section",
    SMALLEST.replace("{history}", "{histroy}"): r"no placeholder \{histroy\}",
    SMALLEST.replace("{history}", "{history.title}"): r"no placeholder \{history.title\}",
    SMALLEST.replace("{history}", "{history!r}"): r"no placeholder \{history!r\}",
    SMALLEST.replace("{history}", "{history:>9}"): r"no placeholder \{history:>9\}",
    SMALLEST.replace("{history}", "{history"): "Write {{ for a brace",
    SMALLEST.replace("- {answer}'''", "- {answer} '''"): "ends a line",
    SMALLEST.replace("Then:\n- {answer}'''", "Then: '''"): "needed once, it stands there 0 times",
    SMALLEST.replace("- {answer}\n", "- {answer} or so\n"): "nothing may follow|ends a line",
    SMALLEST.replace("- {answer}", "{answer}"): "behind text and a blank",
    SMALLEST.replace("- {history}", "- {history} {recent}"): "written once for each item",
    SMALLEST.replace("Read:", "{n}. Read:"): "line of a list",
    SMALLEST.replace("Books read.", " "): "introduction: it is empty",
    SMALLEST.replace("Books read.", "Books\\u0000"): "no character to print",
    SMALLEST.replace("Books read.", "{history}"): r"no placeholder \{history\}",
    SMALLEST.replace("[title]", "[titles]"): "titles: a template has nothing of this name",
    SMALLEST.replace("[title]", "[title]\nansver = 'x'"): "ansver: a section has nothing of this name",
    SMALLEST.replace("[title]", "[yes_no]"): r"\{title\} is missing",
    "item = '{brand}'\n" + SMALLEST: r"\{title\} is needed",
    "item = '{title}[ {year}'\n" + SMALLEST: r"a \[ without",
    "item = '{title} {year}]'\n" + SMALLEST: r"a \] without",
    "item = '''{title}\n'''\n" + SMALLEST: "one line",
    SMALLEST + '[words]\nhistory = "x"\n': "taken",
    SMALLEST + '[words]\nthing = "a\\nb"\n': "in one line",
    SMALLEST + "#" * LARGEST: "at most",
    SMALLEST.replace("'''\nRead", "5\n#'''\nRead", 1): "is a text|not valid TOML",
    f"a = {'[' * 9_000}": "lists within lists",
    f"a = {'9' * 9_000}": "thousands of digits",
    f'{SMALLEST}[words]\nw = "{"w" * (LONGEST_WORD + 1)}"': f"at most {LONGEST_WORD} characters",
    SMALLEST.replace("Then:", "{recent}" * MOST_PLACEHOLDERS): "22 placeholders, at most 20",
    f'item = "{"{title}" * (MOST_PLACEHOLDERS + 1)}"\n{SMALLEST}': "item: it has 21 placeholders, at most 20",
    f"hint = 'Ask somebody else.'\n{SMALLEST}": r"hint: \{hint\} is missing",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: FAULTS[fault][:30])
def test_a_fault_is_named(fault: str) -> None:
    with pytest.raises(BadInput, match=FAULTS[fault]):
        read(fault)


def test_a_summary_needs_no_demonstration() -> None:
    query = "'Review:\\n{review}\\nIn short: {answer}'".replace("'", '"')
    assert read(f"introduction = 'Reviews.'\n[summary]\nquery = {query}\n").form("summary")


def test_what_is_no_scoring_is_not_offered_one_instead() -> None:
    with pytest.raises(BadInput, match=r"which explanation needs\. Choose another template\."):
        built_in("films").form("explanation")


@pytest.mark.parametrize(
    "text",
    [
        f"{'k' * 9_000} = 1\n{SMALLEST}",
        SMALLEST.replace("[title]", f"[title]\n{'k' * 9_000} = 1"),
        SMALLEST.replace("Books", f"{{{'k' * 9_000}}}"),
        SMALLEST.replace("Read:", f"{{{'k' * 9_000}"),
        f"{SMALLEST}[words]\n{'k' * 9_000} = 1\n",
        SMALLEST.replace("Books", "{nothing}") + "[words]\n" + "".join(f"w{n} = 'x'\n" for n in range(900)),
    ],
    ids=["key", "key of a section", "placeholder", "brace", "word", "many words"],
)
def test_a_fault_is_named_in_a_sentence_however_long_the_text(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(text)
    assert len(str(refused.value)) < 400


def test_joiners_that_scripts_and_emoji_are_spelt_with_are_letters() -> None:
    joined = "\N{ZERO WIDTH NON-JOINER} \N{ZERO WIDTH JOINER}"
    template = read(SMALLEST.replace("Books", "{kind}") + f'[words]\nkind = "{joined}"\n')
    assert template.introduction == f"{joined} read.\n"


def test_an_answer_stands_below_what_is_asked() -> None:
    query = "'''\nRead:\n- {history}\nWould they like {title}? {answer}'''"
    with pytest.raises(BadInput, match="a line of its own"):
        read(SMALLEST + f"[yes_no]\ndemonstration = '''\n{{title}}: {{answer}}\n'''\nquery = {query}\n")


def test_the_users_items_stand_before_what_changes() -> None:
    query = "'''\nIs it {title} after\n- {history}\nAnswer: {answer}'''"
    with pytest.raises(BadInput, match="stand before"):
        read(
            SMALLEST + f"[yes_no]\ndemonstration = '''\n{{title}}\nAnswer: {{answer}}\n'''\nquery = {query}\n"
        )


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_text_is_a_template_or_one_clear_refusal(text: str) -> None:
    for source in (text, SMALLEST + text, SMALLEST.replace("Read:", text.replace("'", ""))):
        try:
            template = read(source)
        except BadInput:
            continue
        assert render(template, "sum", [DEMO], HISTORY)


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=4))
def test_no_title_is_read_as_part_of_the_template(titles: list[str]) -> None:
    odd = [f"{title}{{answer}}\x00tail{{0.__class__}}\n\n" for title in titles]
    for name in ("plain", "tallrec", "llmrank-icl"):
        template = built_in(name)
        scoring = template.scorings[0]
        plain = render(template, scoring, [DEMO], ["x"] * len(odd))
        shown = render(template, scoring, [Example(tuple(odd), odd[0])], odd)
        marks = [[p for p in part.pieces if p.startswith("\x00")] for part in shown]
        assert marks == [[p for p in part.pieces if p.startswith("\x00")] for part in plain]
        assert "{answer}" in shown[-1].text


def test_demonstrations_as_turns_are_the_users_question_and_the_models_answer() -> None:
    encoder = PieceEncoder(make_tokenizer("chat"))
    segments = render(PLAIN.in_turns(), "sum", [DEMO, DEMO], HISTORY)
    messages = [
        {"role": "user", "content": "Purchases in order, then the next one.\n\n" + QUESTION},
        {"role": "assistant", "content": "- Ember Road\n"},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "- Ember Road\n"},
        {"role": "user", "content": "Bought:\n- Paper Kingdoms\n- The Long Tide\n- Gravel\nNext:\n"},
    ]
    tokenizer = encoder.tokenizer
    expected = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert encoder.text(segments) == f"{expected}-"
    assert encoder.exact_for(PLAIN.in_turns())
    encoded = encode(encoder, segments)
    start = tokenizer.convert_tokens_to_ids("<|start|>")
    assert encoded.ids.count(start) == 6
    owners = encoded.owners()
    assert {owners[n] for n, token in enumerate(encoded.ids) if token == start} == {-1, 0, 1}


QUESTION = "Bought:\n- Ocean Tales\n- Iron Path\n- Rust\nNext:\n"


def test_without_demonstrations_turns_change_nothing() -> None:
    assert render(PLAIN.in_turns(), "sum", [], HISTORY) == render(PLAIN, "sum", [], HISTORY)
    assert PLAIN.in_turns() != PLAIN
    assert (PLAIN.key, PLAIN.in_turns().key) == ("plain", "plain in turns")


def test_turns_need_a_chat_template_that_has_them() -> None:
    turned = render(PLAIN.in_turns(), "sum", [DEMO], HISTORY)
    with pytest.raises(BadInput, match="no chat template"):
        encode(PieceEncoder(make_tokenizer("bpe")), turned)
    tokenizer = copy.deepcopy(make_tokenizer("chat"))
    tokenizer.chat_template = re.sub("for m in messages", "for m in messages[-1:]", tokenizer.chat_template)
    with pytest.raises(ModelError, match="turns of a conversation"):
        encode(PieceEncoder(tokenizer), turned)
    spoken = (
        PieceEncoder(make_tokenizer("chat")),
        PieceEncoder(tokenizer),
        PieceEncoder(make_tokenizer("bpe")),
    )
    assert [encoder.converses for encoder in spoken] == [True, False, False]
