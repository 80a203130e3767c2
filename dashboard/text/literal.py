"""Text from data sets, shown literally: the one place that knows what Markdown, Plotly and bidi make of it.

Titles come from strangers: they hold markup, `$`, `:emoji:`, links, right-to-left text, line breaks, nothing.
`plain` is for widgets that show text as it is (st.text, table cells), `md` for everything that reads Markdown
(labels, captions, buttons, errors), `svg` for Plotly, which reads a few HTML tags. Streamlit rewrites emoji
shortcodes, arrows and links after the Markdown parser has removed the backslashes, so escaping alone does not
stop it: an invisible word joiner (U+2060) inside those patterns does.
"""

import re
import unicodedata

NO_TITLE = "(no title)"
JOINER = "\u2060"
_ISOLATE, _POP = "\u2068", "\u2069"
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PUNCTUATION = re.compile(r"([!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])")
_WWW = re.compile(r"\b(www)(?=\.)", re.IGNORECASE)
_REWRITTEN = re.compile(r"([:@\-<>~=])(?=\S)")


def _visible(value: str) -> str:
    """Control characters out, all white space to single blanks."""
    kept = (
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character
        for character in value
        if character not in _BIDI_CONTROLS
    )
    return " ".join("".join(kept).split())


def _isolated(value: str) -> str:
    """Right-to-left text in an isolate, so that it cannot reorder arrows and numbers around it."""
    mixed = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in value)
    return f"{_ISOLATE}{value}{_POP}" if mixed else value


def plain(value: object, limit: int | None = None) -> str:
    """`value` as one visible line, at most `limit` characters (an ellipsis marks the cut)."""
    line = _visible("" if value is None else str(value)) or NO_TITLE
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return _isolated(line)


def md(value: object, limit: int | None = None) -> str:
    """`plain`, safe inside Streamlit Markdown: every character is shown as it is."""
    line = _WWW.sub(rf"\1{JOINER}", plain(value, limit))
    line = _REWRITTEN.sub(rf"\1{JOINER}", line)
    return _PUNCTUATION.sub(r"\\\1", line)


def svg(value: object, limit: int | None = None) -> str:
    """`plain`, safe inside Plotly text: its pseudo-HTML is escaped and `$...$` is not taken for LaTeX."""
    line = plain(value, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return line.replace("$", f"${JOINER}") if line.count("$") > 1 else line
