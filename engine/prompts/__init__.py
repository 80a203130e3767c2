"""The prompt as data: typed segments, their token ids on any tokenizer, and fitting them into a context.

Knows titles and tokenizers. Knows no model weights, no store and no ranking.
"""

from engine.prompts.encode import Encoded, PieceEncoder, Span, encode
from engine.prompts.fit import Dropped, Fitted, fit
from engine.prompts.segments import LAYOUTS, Example, Layout, Segment, again_ask, layout, render

__all__ = [
    "LAYOUTS",
    "Dropped",
    "Encoded",
    "Example",
    "Fitted",
    "Layout",
    "PieceEncoder",
    "Segment",
    "Span",
    "again_ask",
    "encode",
    "fit",
    "layout",
    "render",
]
