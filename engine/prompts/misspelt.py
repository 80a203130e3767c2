"""Titles with typing errors or cut short, to measure how far effects depend on the spelling.

Boundary: text in, text out. A title's noise depends on the seed, the draw and the title alone, so a title is
misspelt the same way wherever it stands in a prompt. Draw 0 leaves every title as it is.
"""

import random


def misspelt(title: str, rate: float, seed: int, draw: int) -> str:
    """The title with an error in each word with probability `rate`: letters swapped, dropped or doubled."""
    if draw == 0:
        return title
    rng = random.Random(f"typos {seed} {draw} {title}")
    return " ".join(_slip(word, rng) if rng.random() < rate else word for word in title.split())


def cut_short(title: str, share: float, seed: int, draw: int) -> str:
    """The title without up to `share` of its words at the end; at least one word stays."""
    if draw == 0:
        return title
    words = title.split()
    lost = random.Random(f"truncation {seed} {draw} {title}").uniform(0, share) * len(words)
    return " ".join(words[: max(1, len(words) - round(lost))])


def _slip(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    slips = [word[:at] + word[at] + word[at:]]  # a word of one letter can only be doubled
    if len(word) > 1:
        left = min(at, len(word) - 2)
        slips.append(word[:left] + word[left + 1] + word[left] + word[left + 2 :])
        slips.append(word[:at] + word[at + 1 :])
    return rng.choice(slips)
