"""Text from data sets, shown literally: the one place that knows what Markdown, Plotly and HTML make of it.

Titles come from outside: they hold markup, `$`, `:emoji:`, links, right-to-left text, line breaks, nothing.
`plain` is for widgets that show text as it is (st.text, table cells), `md` for everything that reads Markdown
(labels, captions, buttons, errors), `svg` for Plotly, which reads a few HTML tags, `html` for st.html. All of
them show one line; `block` is for text whose lines and blanks mean something, such as a prompt.

What a person copies is exact: no character is added, not even an invisible one. Streamlit rewrites emoji
shortcodes, arrows and links after the Markdown parser has removed the backslashes, but only inside one text
node. `md` therefore puts one character of such a pattern in a plain `<span>` (`:color[...]` without a
colour), which splits the node. Right-to-left runs go into such a span too: the style sheet isolates it, so
that they cannot reorder the arrows and numbers around them. So does a symbol at the beginning: of an error,
Streamlit would make it the icon.
"""

import re
import unicodedata
from collections.abc import Callable
from html import escape

NO_TITLE = "(no title)"
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PUNCTUATION = re.compile(r"([!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])")
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff"
_RTL_RUN = re.compile(rf"[{_RTL}](?:[\W\d_{_RTL}]*[{_RTL}])?")
_SPANS = re.compile(rf"\A(?:[0-9#*]\ufe0f?\u20e3|[^\w\x00-\x7f]|\u2139)[^\x00-\x7f]*|{_RTL_RUN.pattern}")
_REWRITTEN = re.compile(
    r":(?=[\w+-]+:|//)"  # :smile: and https://
    r"|[-<>~](?=[-=>])"  # -> <- <-> -- >= <= ~=
    r"|@(?=[-\w]+\.)"  # a@b.org
    r"|(?<=\b[wW]{3})\."  # www.
)


def _visible(value: str) -> str:
    """Control characters out, all white space to single blanks."""
    kept = (
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character
        for character in value
        if character not in _BIDI_CONTROLS
    )
    return " ".join("".join(kept).split())


def plain(value: object, limit: int | None = None) -> str:
    """`value` as one visible line, at most `limit` characters (an ellipsis marks the cut)."""
    line = _visible("" if value is None else str(value)) or NO_TITLE
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return line


def md(value: object, limit: int | None = None) -> str:
    """`plain`, safe inside Streamlit Markdown: every character is shown and copied as it is."""
    return _split(plain(value, limit), _SPANS, _escaped, lambda run: f":color[{_escaped(run)}]")


def _escaped(text: str) -> str:
    return _split(text, _REWRITTEN, lambda part: _PUNCTUATION.sub(r"\\\1", part), r":color[\{}]".format)


def svg(value: object, limit: int | None = None) -> str:
    """`plain`, safe inside Plotly text: its pseudo-HTML is escaped; charts.base.CONFIG turns formulas off."""
    isolated = '<span style="unicode-bidi:isolate">{}</span>'.format
    return _split(plain(value, limit), _RTL_RUN, _entities, lambda run: isolated(_entities(run)))


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(value: object, limit: int | None = None) -> str:
    """`plain`, safe inside HTML and its attributes."""
    return escape(plain(value, limit))


def block(value: str) -> str:
    """`value` with its line ends and blanks, safe inside HTML that keeps them (`white-space: pre-wrap`)."""
    kept = (
        character
        for character in value
        if character in "\n\t"
        or (character not in _BIDI_CONTROLS and unicodedata.category(character) != "Cc")
    )
    return escape("".join(kept).replace("\u2028", " ").replace("\u2029", " "))


def _split(
    text: str, pattern: re.Pattern[str], rest: Callable[[str], str], matched: Callable[[str], str]
) -> str:
    """`text` with its matches of `pattern` written by `matched` and what stands between them by `rest`."""
    parts, at = [], 0
    for match in pattern.finditer(text):
        parts += [rest(text[at : match.start()]), matched(match[0])]
        at = match.end()
    return "".join([*parts, rest(text[at:])])
