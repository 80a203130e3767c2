"""Text that comes from outside: cleaned, folded for search, or refused.

Databases disagree on NUL characters and lone surrogates; both are settled here, once, for every backend.
"""

import re
import unicodedata

from db.errors import BadInput

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LONGEST_NAME = 200
_QUOTED_LETTERS = 40


def quoted(value: object) -> str:
    """A value as messages quote it. It may come from a link: no more than 40 letters of it are repeated."""
    return repr(shortened(value)) if isinstance(value, str) else shortened(repr(value))


def shortened(text: str) -> str:
    """The first 40 letters of a text."""
    return text if len(text) <= _QUOTED_LETTERS else text[: _QUOTED_LETTERS - 1] + "…"


def clean_text(text: str) -> str:
    """The text with each character that no database stores (NUL, lone surrogate) replaced by U+FFFD."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def storable(text: str) -> bool:
    """Whether the text holds neither NUL nor a lone surrogate."""
    return _UNSTORABLE.search(text) is None


def check_name(what: str, name: str) -> str:
    """The name itself if it can name a `what` (data set, model); raises BadInput otherwise."""
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f"A {what} needs a name; got {name!r}.")
    if name != name.strip():
        raise BadInput(f"The {what} name {name!r} starts or ends with a space; leave it out.")
    if len(name) > _LONGEST_NAME:
        raise BadInput(
            f"The {what} name {name[:40]!r}... has {len(name)} characters; at most {_LONGEST_NAME}."
        )
    if not name.isprintable():
        raise BadInput(f"The {what} name {name!r} holds characters that cannot be printed; choose another.")
    return name


def fold(text: str) -> str:
    """The form in which text is searched: accents and case dropped, runs of white space one space."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", clean_text(text))
        text = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(text.casefold().replace("\x00", " ").split())


def like(word: str) -> str:
    """A LIKE pattern that finds the word anywhere; to be used with ESCAPE '\\'."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
