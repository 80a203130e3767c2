"""What can be requested: one frozen class per kind of request, with bounds and plain-English errors.

Boundary: plain JSON in and out. Names that can be chosen are rows of `db.choices`; the engine gives requests
their meaning.
"""

from db.requests.experiment import ExperimentRequest
from db.requests.optimize import OptimizeRequest
from db.requests.run import Chosen, RunOptions, RunRequest, request_digest, request_notes
from db.requests.study import StudyRequest
from db.requests.tune import TuneRequest

__all__ = [
    "Chosen",
    "ExperimentRequest",
    "OptimizeRequest",
    "RunOptions",
    "RunRequest",
    "StudyRequest",
    "TuneRequest",
    "request_digest",
    "request_notes",
]
