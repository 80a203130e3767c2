"""One spelling for every value that is hashed, compared or stored as JSON.

Boundary: plain values (dict, list, tuple, str, int, float, bool, None, numpy numbers) in, ASCII text out.
"""

import hashlib
import json
import math
from typing import Any

import numpy as np

from db.errors import BadInput


def canonical_json(obj: Any) -> str:
    """JSON with sorted keys, no spaces and floats by `repr`; ASCII, so any string can be stored and hashed.

    Raises BadInput for NaN, infinities, keys that are no strings and types that JSON does not have.
    """
    return json.dumps(_plain(obj, "value"), sort_keys=True, separators=(",", ":"), allow_nan=False)


def exact(value: float) -> str:
    """The shortest text that reads back as this number: 1, 0.5, 0.1234567891."""
    text = f"{value:g}"
    return text if float(text) == value else repr(value)


def digest(obj: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(obj).encode("ascii")).hexdigest()


def _plain(obj: Any, where: str) -> Any:
    if isinstance(obj, np.generic):
        obj = obj.item()
    if isinstance(obj, float) and not math.isfinite(obj):
        raise BadInput(f"{where} is {obj}: only finite numbers can be stored.")
    if obj is None or isinstance(obj, (str, int, float)):
        return obj
    if isinstance(obj, dict):
        for key in obj:
            if not isinstance(key, str):
                raise BadInput(f"{where} has the key {key!r}: keys must be text.")
        return {key: _plain(value, f"{where}.{key}") for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [_plain(value, f"{where}[{index}]") for index, value in enumerate(obj)]
    raise BadInput(
        f"{where} is a {type(obj).__name__}: only text, numbers, lists and dictionaries can be stored."
    )
