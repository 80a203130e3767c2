"""Which encoding text is in, how sure that is, and what it would be called by a person who knows better.

Boundary: bytes in, a guess out; reads no file. Files are looked at from their first bytes.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache

from charset_normalizer import from_bytes

from engine.data.questions import Candidate, Question

WESTERN = "cp1252"
BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8"),
)
LOOK_LINES = 500  # with letters beyond ASCII
COHERENT = 0.2  # share of a language's usual letters from where an alphabet is sure
USUAL = ("gb18030", "cp932", "big5", "cp949", "cp1251", WESTERN)  # offered where nothing is likely
LATIN = (WESTERN, "cp1250", "cp1254", "cp1257")  # their letters are too alike to tell
LOOK_BYTES = 64 << 10

_HIGH = re.compile(rb"[\x80-\xff]+")
# Han, kana, hangul: what texts in the encodings of East Asia are made of.
_EASTERN = re.compile("[\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff01-\uff5e\u3001\u3002]")
_MANY_BYTES = ("gb", "big5", "cp932", "cp949", "cp950", "euc", "shift", "johab", "hz")


@dataclass(frozen=True)
class Encoding:
    """The likeliest encoding; `sure`, or a person should look at the `others`. `confidence`: 0 to 1."""

    name: str
    confidence: float = 1.0
    others: tuple[str, ...] = ()

    @property
    def sure(self) -> bool:
        return self.confidence >= 0.5


SINGLE_LETTERS = Encoding(WESTERN, 0.9)
"""Single letters beyond ASCII among ASCII ones, as in Café."""


@lru_cache(maxsize=32)
def guess_encoding(head: bytes) -> Encoding:
    """The encoding of text that begins with `head`, by byte-order mark, validity and letters."""
    for mark, name in BOMS:
        if head.startswith(mark):
            return Encoding(name)
    if wide := _without_mark(head):
        return Encoding(wide)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return not_utf8(head)
    return Encoding("utf-8")


def _without_mark(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of its ASCII is zero."""
    some = head[:4096]
    zeros = [some[k::2].count(0) / max(1, len(some[k::2])) for k in (0, 1)]
    if len(some) >= 20 and max(zeros) > 0.7 and min(zeros) < 0.1:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    return None


def not_utf8(head: bytes) -> Encoding:
    """The encoding of bytes that are not all UTF-8: mostly UTF-8, Western, or another."""
    lines = head.split(b"\n")[:-1] or [head]
    high = [line for line in lines if _HIGH.search(line)][:LOOK_LINES]
    if high and sum(map(_is_utf8, high)) > 0.5 * len(high):
        return Encoding("utf-8")  # the others are repaired one by one
    runs = _HIGH.findall(b"\n".join(high or [head]))
    alone = sum(len(run) == 1 for run in runs) >= 0.75 * len(runs)
    found = list(from_bytes(b"\n".join([*lines[:20], *high])[:LOOK_BYTES]))
    matches = [name for match in found[:3] for name in (match.encoding, *match.could_be_from_charset)]
    names = tuple(dict.fromkeys(matches))
    if alone and (not found or WESTERN in names or len(runs) < 4):
        return SINGLE_LETTERS
    if not found:
        return Encoding(WESTERN, 0.0, (*LATIN[1:], *USUAL[:-1]))
    best = found[0]
    text = str(best)
    if best.encoding in LATIN or best.encoding.startswith(("iso8859_1", "iso8859_2", "mac_")):
        return Encoding(best.encoding, 0.3, tuple(name for name in LATIN if name != best.encoding))
    if best.encoding.startswith(_MANY_BYTES):
        beyond = [c for c in text if c > "\x7f"]
        confidence = sum(bool(_EASTERN.match(c)) for c in beyond) / max(1, len(beyond)) - best.chaos
    else:
        confidence = 1.0 if best.coherence >= COHERENT and not alone else 0.3
    others = tuple(
        dict.fromkeys([n for n in names if n != best.encoding][:2] + [n for n in USUAL if n != best.encoding])
    )
    return Encoding(best.encoding, round(max(0.0, confidence), 2), others[:4])


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def splits_by_bytes(encoding: str) -> bool:
    """Whether lines can be parted before decoding: a line feed is one byte that no other letter holds."""
    name = codecs.lookup(encoding).name
    return (
        not name.startswith(("utf-16", "utf-32", "utf-7", "iso2022", "hz")) and "\n,".encode(name) == b"\n,"
    )


def encoding_question(file: str, head: bytes, guess: Encoding) -> Question:
    """What to ask where the guess is weak: the candidates with texts as they would read."""
    readings: dict[tuple[str, ...], str] = {}
    for name in (guess.name, *guess.others):
        if shown := _examples(head, name):
            readings.setdefault(shown, name)
    candidates = tuple(Candidate(name, shown) for shown, name in readings.items()) or (Candidate(guess.name),)
    reason = f"{file} is not UTF-8, and its encoding is not clear"
    return Question("encoding", reason, candidates, option="encoding")


def _examples(head: bytes, encoding: str, count: int = 3) -> tuple[str, ...]:
    """Words beyond ASCII as the encoding reads them; none where it cannot."""
    words = [
        w for w in re.findall(rb"[^,;\t|\"\r\n]*[\x80-\xff][^,;\t|\"\r\n]*", head[: 64 << 10]) if w.strip()
    ]
    shown: dict[str, None] = {}
    for word in words[:50]:
        try:
            shown[word.decode(encoding).strip()[:40]] = None
        except UnicodeDecodeError:
            return ()
    return tuple(list(shown)[:count])
