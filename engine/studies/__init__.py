"""Studies over many users: a table or a chart that says whether something holds on a data set.

Boundary: `STUDIES[name](engine, payload, report, before) -> result`. The payload is a
`db.requests.StudyRequest` as JSON, the result is JSON; `report(progress, message, partial)` tells
what was measured so far, and `before` is the last such `partial` of an attempt that was cut off.
"""

from collections.abc import Callable
from typing import Any

from engine.studies.drift import drift
from engine.studies.faithfulness import faithfulness
from engine.studies.recicl import recicl
from engine.studies.strategies import strategies

STUDIES: dict[str, Callable[..., dict[str, Any]]] = {
    "recicl": recicl,
    "drift": drift,
    "strategies": strategies,
    "faithfulness": faithfulness,
}
