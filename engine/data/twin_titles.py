"""A catalogue's twin: the same titles in made-up words. Pure functions of titles and a seed.

Every word is replaced by one that means nothing, the same word by the same one everywhere. What is kept: the
number and order of words, their letters' number and case, punctuation, the lengths of numbers, words of
grammar (`GRAMMAR`), which words titles share (of a series, of a brand), and that different titles differ.
What is lost: what words say, so that nobody can have read about these items.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from itertools import count

from engine.data.draws import keys, shuffled

GRAMMAR = frozenset(
    ("a", "an", "the", "of", "and", "or", "in", "on", "for", "to", "with", "by", "from", "at", "as", "vs")
)
"""Words that stay."""

_PART = re.compile(r"[^\W\d_]+|\d+")
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_LATIN = 0x250  # below are the letters of Latin scripts
_OFFERS = 6  # made-up words among which the one with the nearest number of tokens is taken
_MANY = (
    50_000  # words of a catalogue; of more, the first made-up word is taken, as counting tokens takes long
)
_TRIES = 40  # of one length; then one letter more, as short words are soon all in use
_SHORT = 3


class Twin:
    """Titles renamed. Words outside of the catalogue are renamed too, but may share a made-up word."""

    def __init__(self, titles: Iterable[str], seed: int, tokens: Callable[[str], int] | None = None) -> None:
        """tokens: how many a text has in the model's tokenizer; made-up words have about as many."""
        self._words = {part.casefold() for title in titles for part in _PART.findall(title)} - GRAMMAR
        self._seed, self._tokens = seed, tokens if len(self._words) <= _MANY else None
        self._others = _substitutes(self._words, seed)
        self._used: set[str] = set()
        self._known: dict[str, str] = {}
        for word in sorted(self._words):
            self._known[word] = self._made_up(word)
            self._used.add(self._known[word])

    def title(self, title: str) -> str:
        """The title in made-up words."""
        return _PART.sub(lambda found: self._renamed(found[0]), title)

    def _renamed(self, part: str) -> str:
        folded = part.casefold()
        if folded in GRAMMAR:
            return part
        if folded not in self._known:
            self._known[folded] = self._made_up(folded)
        return _cased(self._known[folded], part)

    def _made_up(self, word: str) -> str:
        if not word.isdecimal() and not all(ord(letter) < _LATIN for letter in word):
            return "".join(self._others.get(letter, letter) for letter in word)
        offers: list[str] = []
        wanted = _OFFERS if self._tokens and not word.isdecimal() else 1
        for attempt in count():
            made = _drawn(word, attempt, self._seed)
            if self._free(made, word) and made not in offers:
                offers.append(made)
            if len(offers) == wanted or (offers and attempt >= _TRIES):
                break
        if self._tokens is None or len(offers) == 1:
            return offers[0]
        of, goal = self._tokens, self._tokens(f" {word}")
        return min(offers, key=lambda made: abs(of(f" {made}") - goal))

    def _free(self, made: str, word: str) -> bool:
        """Whether it stands for no other word and is none of the catalogue's (short ones are too few)."""
        return made not in self._used and made != word and (len(made) <= _SHORT or made not in self._words)


def _drawn(word: str, attempt: int, seed: int) -> str:
    """A made-up word or number as long as this one; longer after many attempts."""
    length = len(word) + attempt // _TRIES
    *drawn, first = keys(length + 1, "twin", seed, word, attempt).tolist()
    if word.isdecimal():
        digits = [key % 10 for key in drawn]
        return "".join(map(str, [1 + drawn[0] % 9, *digits[1:]] if length > 1 else digits))
    kinds = (_CONSONANTS, _VOWELS)
    of = [kinds[(place + first) % 2] for place in range(length)]
    return "".join(letters[key % len(letters)] for letters, key in zip(of, drawn, strict=True))


def _cased(made: str, part: str) -> str:
    """Letter by letter in the case of the word it stands for."""
    last = len(part) - 1
    return "".join(
        letter.upper() if part[min(place, last)].isupper() else letter for place, letter in enumerate(made)
    )


def _substitutes(parts: Iterable[str], seed: int) -> Mapping[str, str]:
    """For each letter of other scripts another one of its kind: words stay different, and as long."""
    kinds: dict[str, list[str]] = {}
    for letter in sorted({letter for part in parts for letter in part if ord(letter) >= _LATIN}):
        kinds.setdefault(unicodedata.name(letter, "").partition(" ")[0], []).append(letter)
    found = {}
    for kind, letters in kinds.items():
        order = [letters[place] for place in shuffled(len(letters), "twin", seed, kind).tolist()]
        found.update(zip(order, [*order[1:], order[0]], strict=True))
    return found
