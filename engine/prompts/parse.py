"""A template read from its text and checked, so that writing a prompt with it cannot fail.

The text is TOML with placeholders. It is data: a placeholder is a name from a fixed table, and nothing is
evaluated. Every fault is named with its place. Knows no tokenizer, no store.
"""

import string
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from db.errors import BadInput
from db.names import quoted
from db.templates import LARGEST
from engine.prompts.segments import ANSWERED, ASKED, BLANK, TAIL, clean
from engine.prompts.template import (
    INLINE,
    LISTS,
    OF_ITEM,
    VALUES,
    Form,
    Group,
    Line,
    Part,
    Template,
    Value,
    cut,
    names_in,
)

BUILT_IN = Path(__file__).parent / "templates"
# What bounds the prompts that a text of that length can write.
LONGEST_WORD = 200  # characters of a word of its domain
MOST_PLACEHOLDERS = 20  # in an item, a demonstration, a hint or a query, words not counted

# Section -> what its question names besides the user's own items, which changes with the candidate.
OF_QUESTION = {
    "title": (),
    "yes_no": ("title",),
    "listwise": ("candidates", "label", "count"),
    "free": ("candidates", "count"),
    "rating": ("title",),
    "explanation": ("title",),
    "summary": ("review",),
}
_KEYS = {"about", "source", "introduction", "item", "demonstration", "hint", "words"}
_SECTION_KEYS = {"introduction", "demonstration", "query", "item", "yes", "no"}
_WORDS_NAMED = 10  # in a message, at most
_JOINERS = "\u200c\u200d"  # without a glyph, but Persian, Hindi and emoji are not spelt without them
_TAKEN = {*LISTS, *VALUES, *OF_ITEM, "answer", "candidates", "label", "count", "n", "hint", "review"}


@cache
def built_in(name: str) -> Template:
    """A template of the project's own, by its name."""
    return read((BUILT_IN / f"{name}.toml").read_text(encoding="utf-8"), name)


def read(text: str, reference: str = "") -> Template:
    """The template a file's text describes. BadInput says what is wrong, and where.

    reference: by which runs name it.
    """
    if len(text) > LARGEST:
        raise BadInput(f"The template has {len(text):,} characters; at most {LARGEST:,} are read.")
    data = _data(text)
    _check_keys(data)
    words = _words(data.get("words", {}))
    introduction = _introduction(data, "the template", words)
    forms = {name: _form(name, data[name], data, words) for name in OF_QUESTION if name in data}
    if not forms:
        raise BadInput(f"The template has no section. Add at least one of: {_named(OF_QUESTION, '[]')}.")
    return Template(
        reference=reference,
        digest=sha256(text.encode()).hexdigest(),
        about=_text(data, "about", "the template", ""),
        source=_text(data, "source", "the template", ""),
        introduction=introduction,
        hint=_hint(data, words),
        forms=forms,
    )


def _data(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"The template is not valid TOML: {error}.") from error
    except (ValueError, RecursionError) as error:  # what Python has no room for
        raise BadInput(
            "The template holds a number of thousands of digits, or lists within lists hundreds deep. It "
            "needs neither: it is made of texts and sections."
        ) from error


def _check_keys(data: Mapping[str, Any]) -> None:
    for name, value in data.items():
        if name not in _KEYS and name not in OF_QUESTION:
            known = ", ".join([*sorted(_KEYS), *(f"[{section}]" for section in OF_QUESTION)])
            raise BadInput(f"{_short(name)}: a template has nothing of this name. It may have: {known}.")
        if name in OF_QUESTION or name == "words":
            if not isinstance(value, dict):
                raise BadInput(f"{name}: write it as a section, [{name}].")
            unknown = set(value) - _SECTION_KEYS if name != "words" else set()
            if unknown:
                raise BadInput(
                    f"[{name}] {_short(min(unknown))}: a section has nothing of this name. It may have: "
                    f"{', '.join(sorted(_SECTION_KEYS))}."
                )


def _words(given: Mapping[str, Any]) -> dict[str, str]:
    for name, word in given.items():
        if not name.isidentifier() or name.removesuffix(INLINE) in _TAKEN:
            raise BadInput(
                f"[words] {_short(name)}: choose another name, of letters and digits; this one is taken."
            )
        if not isinstance(word, str) or _unprintable(word) or len(word) > LONGEST_WORD:
            raise BadInput(
                f"[words] {_short(name)}: expected a word or a phrase in one line, of at most "
                f"{LONGEST_WORD} characters."
            )
    return dict(given)


def _text(data: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = data.get(name, default)
    if value is None:
        raise BadInput(f"{where}: {name} is missing.")
    if not isinstance(value, str):
        raise BadInput(f"{where}: {name} is a text.")
    if bad := _unprintable(value.replace("\n", "")):
        raise BadInput(f"{where}: {name} holds {bad[0]!r}, which is no character to print. Remove it.")
    return value


def _unprintable(text: str) -> list[str]:
    return [mark for mark in text if not mark.isprintable() and mark not in _JOINERS]


def _form(name: str, section: Mapping[str, Any], data: Mapping[str, Any], words: Mapping[str, str]) -> Form:
    where = f"[{name}]"
    item = _groups(_text(section, "item", where, _text(data, "item", "the template", "{title}")), words)
    shown = section.get("demonstration", data.get("demonstration"))
    demonstration: tuple[Line, ...] = ()
    if shown is not None or name != "summary":  # which shows none
        demonstration = _demonstration(_text({"demonstration": shown}, "demonstration", where), name, words)
    shared, asked = _query(_text(section, "query", where), name, words)
    yes, no = (
        _literal(_text(section, key, where, key.title()), words, f"{where} {key}") for key in ("yes", "no")
    )
    if clean(yes) == clean(no) or not clean(yes) or not clean(no):
        raise BadInput(f"{where} yes, no: two different words are needed.")
    own = _introduction(section, where, words) if "introduction" in section else ""
    return Form(name, item, demonstration, shared, asked, clean(yes), clean(no), own)


def _introduction(part: Mapping[str, Any], where: str, words: Mapping[str, str]) -> str:
    introduction = _literal(_text(part, "introduction", where), words, "introduction")
    if not introduction.strip():
        raise BadInput("introduction: it is empty. Say in a line what the prompt is about.")
    return introduction if introduction.endswith("\n") else f"{introduction}\n"


def _hint(data: Mapping[str, Any], words: Mapping[str, str]) -> tuple[Line, ...]:
    text = data.get("hint", "Another recommender suggests:\n- {hint}\n\n")
    lines = _lines(text, words, ("hint",), "hint")
    if "hint" not in _names_of(lines):
        raise BadInput("hint: {hint} is missing.")
    return _ended(lines)


def _demonstration(text: str, section: str, words: Mapping[str, str]) -> tuple[Line, ...]:
    where = f"[{section}] demonstration"
    question = ("title",) if section in ("yes_no", "rating") else ()
    lines = _ended(_lines(text, words, (*_own_names(), *question, "answer"), where))
    at = _only(lines, "answer", where)
    if lines[at][-2:] != (Value("answer"), "\n"):
        raise BadInput(f"{where}: nothing may follow {{answer}} on its line.")
    return (*lines[:at], (ASKED,), lines[at], (ANSWERED,), *lines[at + 1 :])


def _query(text: str, section: str, words: Mapping[str, str]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The query's lines before what changes with the candidate, and from there to the answer."""
    where, changing = f"[{section}] query", OF_QUESTION[section]
    lines = _lines(text, words, (*_own_names(), *changing, "answer"), where)
    at = _only(lines, "answer", where)
    if at != len(lines) - 1 or lines[at][-1] != Value("answer"):
        raise BadInput(f"{where}: it ends with {{answer}}, and nothing behind it.")
    *before, stem, _ = lines[at]
    lines = (*lines[:at], (TAIL,), (*before, str(stem).rstrip(" ")))
    split = next((n for n, line in enumerate(lines) if names_in(line) & {*changing}), None)
    if changing and (split is None or changing[0] not in _names_of(lines)):
        raise BadInput(f"{where}: {{{changing[0]}}} is missing.")
    if split is None:
        return lines, ()
    if split > at:
        raise BadInput(f"{where}: {{answer}} stands on a line of its own, below what is asked.")
    if _names_of(lines[split:]) & {*_own_names()}:
        raise BadInput(f"{where}: the user's items stand before {{{changing[0]}}}, on lines of their own.")
    if "candidates" in names_in(lines[split]):
        return lines[:split], lines[split:]
    return _parted(lines, split, changing)


def _parted(
    lines: tuple[Line, ...], split: int, changing: Sequence[str]
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The lines parted within one, before the first value that changes; a blank goes with the value."""
    line = lines[split]
    place = next(n for n, part in enumerate(line) if isinstance(part, Value) and part.name in changing)
    *stem, last = ("", *line[:place])
    kept, joined = cut(last) if isinstance(last, str) else ("", "")
    before = tuple(part for part in (*stem, kept if isinstance(last, str) else last) if part)
    rest = tuple(part for part in (joined, *line[place:]) if part)
    return (*lines[:split], *([before] if before else [])), (rest, *lines[split + 1 :])


def _only(lines: Sequence[Line], name: str, where: str) -> int:
    """The one line that holds this placeholder, behind other text."""
    places = [n for n, line in enumerate(lines) for part in line if part == Value(name)]
    if len(places) != 1:
        raise BadInput(f"{where}: {{{name}}} is needed once, it stands there {len(places)} times.")
    line = lines[places[0]]
    if line[-1] == "\n":
        line = line[:-1]
    if len(line) < 2 or line[-1] != Value(name) or not isinstance(line[-2], str) or line[-2][-1:] != " ":
        raise BadInput(f"{where}: {{{name}}} ends a line, behind text and a blank, such as '- {{{name}}}'.")
    return places[0]


def _lines(text: str, words: Mapping[str, str], allowed: Sequence[str], where: str) -> tuple[Line, ...]:
    """The lines of a text; each ends in a line end but perhaps the last. Empty ones are marks."""
    text = _text({where: text}, where, "the template")
    lines = [
        (BLANK,) if line == "\n" else _parts(line, words, allowed, where)
        for line in text.splitlines(keepends=True)
    ]
    for line in lines:
        repeated = [name for name in names_in(line) if name in (*LISTS, "candidates", "hint")]
        if len(repeated) > 1 or (repeated and names_in(line) - {*repeated, "n", "label"}):
            raise BadInput(
                f"{where}: a line with {{{repeated[0]}}} is written once for each item, so it has no other "
                f"placeholder than {{n}} or {{label}}. Within a sentence write {{{repeated[0]}{INLINE}}}."
            )
        if {"n", "label"} & names_in(line) and not repeated:
            raise BadInput(f"{where}: {{n}} and {{label}} stand on the line of a list.")
    _check_count([part for line in lines for part in line], where)
    return tuple(lines)


def _check_count(parts: Sequence[Part], where: str) -> None:
    count = sum(isinstance(part, Value) for part in parts)
    if count > MOST_PLACEHOLDERS:
        raise BadInput(f"{where}: it has {count:,} placeholders, at most {MOST_PLACEHOLDERS} are written.")


def _parts(line: str, words: Mapping[str, str], allowed: Sequence[str], where: str) -> Line:
    parts: list[Part] = []

    def add(text: str) -> None:
        if parts and isinstance(parts[-1], str):
            parts[-1] += text
        elif text:
            parts.append(text)

    try:
        read_line = list(string.Formatter().parse(line))
    except ValueError as error:
        raise BadInput(f"{where}: {quoted(line.strip())}: {error}. Write {{{{ for a brace.") from error
    for text, name, form, conversion in read_line:
        add(text)
        if name is None:
            continue
        if form or conversion or name not in (*words, *allowed, "n"):
            written = f"{name}{'!' + conversion if conversion else ''}{':' + form if form else ''}"
            known = _named([*allowed, "n", *list(words)[:_WORDS_NAMED]], "{}")
            raise BadInput(
                f"{where}: there is no placeholder {{{_short(written)}}} here. There are: {known}."
            )
        if name in words:
            add(words[name])
        else:
            parts.append(Value(name))
    return tuple(parts)


def _groups(text: str, words: Mapping[str, str]) -> tuple[Group, ...]:
    """`{title}[ ({year})]`: what is in brackets is left out where a value is missing."""
    groups: list[Group] = []
    rest = text
    while rest:
        before, opened, rest = rest.partition("[")
        if "]" in before:
            raise BadInput("item: a ] without its [.")
        if before:
            groups.append(Group(_parts(before, words, OF_ITEM, "item"), optional=False))
        if opened:
            inside, closed, rest = rest.partition("]")
            if not closed or "[" in inside:
                raise BadInput("item: a [ without its ].")
            groups.append(Group(_parts(inside, words, OF_ITEM, "item"), optional=True))
    always = {name for group in groups if not group.optional for name in names_in(group.parts)}
    if "title" not in always or "n" in {name for group in groups for name in names_in(group.parts)}:
        raise BadInput(f"item: {{title}} is needed, outside brackets. There are: {_named(OF_ITEM, '{}')}.")
    if "\n" in text:
        raise BadInput("item: it is one line.")
    _check_count([part for group in groups for part in group.parts], "item")
    return tuple(groups)


def _literal(text: str, words: Mapping[str, str], where: str) -> str:
    """Text with no other placeholders than words."""
    parts = _parts(text, words, (), where) if text else ()
    if any(isinstance(part, Value) for part in parts):
        raise BadInput(f"{where}: {{n}} stands on the line of a list.")
    return "".join(part for part in parts if isinstance(part, str))


def _own_names() -> list[str]:
    return [*LISTS, *(f"{name}{INLINE}" for name in LISTS), *VALUES]


def _names_of(lines: Sequence[Line]) -> set[str]:
    return {name for line in lines for name in names_in(line)}


def _named(names: Sequence[str] | Mapping[str, Any], around: str) -> str:
    return ", ".join(f"{around[0]}{name}{around[1]}" for name in names)


def _short(name: str) -> str:
    """A name of the text as messages repeat it."""
    return quoted(name)[1:-1]


def _ended(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """With a line end behind the last line."""
    if not lines or lines[-1][-1] == BLANK or str(lines[-1][-1]).endswith("\n"):
        return lines
    return (*lines[:-1], (*lines[-1], "\n"))
