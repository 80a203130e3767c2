"""What can be asked: one frozen request per thing a person can ask, with bounds and plain refusals.

Boundary: plain JSON in and out. Names that may be chosen are rows of `db.choices`; what a request
means is the engine's business.
"""

from db.requests.optimize import OptimizeRequest
from db.requests.run import Chosen, RunOptions, RunRequest, request_digest
from db.requests.study import StudyRequest
from db.requests.tune import TuneRequest

__all__ = [
    "Chosen",
    "OptimizeRequest",
    "RunOptions",
    "RunRequest",
    "StudyRequest",
    "TuneRequest",
    "request_digest",
]
