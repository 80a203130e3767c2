"""The prompt as data: typed segments, their token ids on any tokenizer, and fitting them into a context.

Knows titles and tokenizers. Knows no model weights, no store and no ranking.
"""

from engine.prompts.encode import Encoded, PieceEncoder, Span, encode
from engine.prompts.fit import Dropped, Fitted, fit
from engine.prompts.parse import built_in, read
from engine.prompts.segments import Disliked, Example, Segment
from engine.prompts.template import SECTIONS, Form, Template, render

PLAIN = built_in("plain")

__all__ = [
    "PLAIN",
    "SECTIONS",
    "Disliked",
    "Dropped",
    "Encoded",
    "Example",
    "Fitted",
    "Form",
    "PieceEncoder",
    "Segment",
    "Span",
    "Template",
    "built_in",
    "encode",
    "fit",
    "read",
    "render",
]
