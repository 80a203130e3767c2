"""The lines that a model wrote matched to titles, and how far they keep to what was asked.

Lines match titles exactly but for case, punctuation and blanks. Knows text and item numbers, no model.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from db.datasets import Catalogue

STATUSES = ("candidate", "catalogue", "history", "duplicate", "unknown", "unparseable")
SPARE = 8  # tokens of a line besides the longest title on offer
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013]+|\(?\d{1,3}[.):])\s+")

FAULTS = {  # what is said of a line when it is asked again
    "catalogue": "not on offer",
    "history": "already bought",
    "duplicate": "named twice",
    "unknown": "there is no such title",
    "unparseable": "no title",
}


@dataclass(frozen=True)
class Line:
    """One line the model wrote, the item number it names or None, and one of `STATUSES`."""

    text: str
    status: str
    item: int | None


def read(text: str, catalogue: Catalogue, candidates: Sequence[int], own: Sequence[int]) -> list[Line]:
    """The lines of an answer matched to items; of items with one title a candidate comes first.

    candidates, own: item numbers on offer, and those the user already has.
    """
    offered, had = set(candidates), set(own)
    named: dict[str, int] = {}
    for item in sorted(range(len(catalogue.titles)), key=lambda i: (i not in offered, i in had, i)):
        named.setdefault(normal(catalogue.titles[item]), item)
    lines: list[Line] = []
    seen: set[int] = set()
    for raw in text.splitlines():
        if not raw.strip():
            continue
        words = normal(_BULLET.sub("", raw))
        item = named.get(words) if words else None
        item = named.get(normal(raw)) if item is None and words else item  # titles may start with a number
        lines.append(Line(raw.strip(), _status(words, item, seen, offered, had), item))
        seen |= {item} if item is not None else set()
    return lines


def _status(words: str, item: int | None, seen: set[int], offered: set[int], had: set[int]) -> str:
    if not words:
        return "unparseable"
    if item is None:
        return "unknown"
    if item in seen:
        return "duplicate"
    if item in offered:
        return "candidate"
    return "history" if item in had else "catalogue"


def normal(title: str) -> str:
    """A title as it is compared: compatibility forms and case folded, letters and digits only."""
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", title).casefold()))


def compliance(lines: Sequence[Line], asked: int) -> dict[str, float | int]:
    """Lines asked for and written, lines by status, and the candidates' share of those asked for."""
    counts = Counter(line.status for line in lines)
    return {
        "asked": asked,
        "written": len(lines),
        **{status: counts[status] for status in STATUSES},
        "share": counts["candidate"] / asked,
    }
