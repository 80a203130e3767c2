"""Truncation: words at the end of demonstrated titles cut off; the amount is the largest share of them."""

from engine.llm.scoring.draw import Draw
from engine.prompts.misspelt import cut_short


def apply(draw: Draw, amount: float) -> Draw:
    """The draw with shorter titles; at least one word of each stays."""
    return draw.retitled(lambda title: cut_short(title, amount, draw.seed, draw.number))
