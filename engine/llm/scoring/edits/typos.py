"""Typos: words of demonstrated titles misspelt; the amount is the share of words."""

from engine.llm.scoring.draw import Draw
from engine.prompts.misspelt import misspelt


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with misspelt titles; a title is misspelt the same way wherever it stands."""
    return draw.retitled(lambda title: misspelt(title, amount, draw.seed, draw.number))
