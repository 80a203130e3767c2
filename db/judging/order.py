"""In which order a judge sees the pairs, and which list stands on the left. Pure: from a seed and numbers.

Two judges who came one after the other see the pairs in the same order with the sides swapped, so over every
two judges each pair is shown both ways equally often. Of every two pairs in a row, one has A on the left: a
judge who stops early has seen either side as often as the other, give or take one.
"""

from db.canonical import digest

SIDES = "ab"


def schedule(seed: int, judge: int, pairs: int) -> list[tuple[int, str]]:
    """For the judge of this number (from 0): (number of the pair, the side on the left: `a` or `b`), in the
    order in which they are shown."""
    couple, second = divmod(judge, 2)

    def drawn(what: str, number: int) -> str:
        return digest([seed, couple, what, number])

    places = sorted(range(pairs), key=lambda number: drawn("pair", number))
    shown = []
    for place, number in enumerate(places):
        block, later = divmod(place, 2)
        flips = int(drawn("side", block)[:8], 16) + later + second
        shown.append((number, SIDES[flips % 2]))
    return shown
