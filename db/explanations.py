"""Results of explanations (`db.choices.EXPLANATIONS`): the numbers of every head as one text, in and out.

They are many (a million for a mid-sized model): half-precision floats in base64, so that a page has them in
milliseconds. They only shade tokens: sums are in the result itself.
"""

import base64
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

READINGS = ("effect", "attention")


@dataclass(frozen=True)
class Heads:
    """effect, attention [layers, heads, tokens] of the demonstrations' tokens, in prompt order."""

    effect: NDArray[np.float16]
    attention: NDArray[np.float16]


def written(heads: Heads) -> str:
    """As a text to store."""
    packed = {name: base64.b64encode(getattr(heads, name).tobytes()).decode() for name in READINGS}
    return json.dumps({"shape": list(heads.effect.shape), **packed})


def read(text: str) -> Heads:
    """What `written` wrote."""
    packed = json.loads(text)
    return Heads(
        *(
            np.frombuffer(base64.b64decode(packed[name]), dtype=np.float16).reshape(packed["shape"])
            for name in READINGS
        )
    )
