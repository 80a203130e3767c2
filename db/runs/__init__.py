"""Runs: one ranked list with all its inputs, stored once per key; effects hang on their run.

Boundary: the engine computes keys and results, this keeps them. `records` stores, annotates and deletes runs,
`index` is the narrow row of each that `search` filters, sorts and pages, `effects` keeps what was measured of
a run, `lasting` digests what never changes.
"""

from db.runs.effects import (
    Effects,
    effects,
    effects_of_model,
    find_effects,
    save_effects,
    shown_effects,
)
from db.runs.index import CUSTOM_SET
from db.runs.lasting import LASTING, content
from db.runs.records import (
    SHORTEST_PREFIX,
    Run,
    annotate,
    answer,
    by_key,
    by_request,
    delete,
    earlier,
    get,
    purge,
    restore,
    save,
    save_all,
)
from db.runs.search import (
    Filter,
    Page,
    RunSummary,
    count,
    listing,
    page,
    summary,
    values,
)

__all__ = [
    "CUSTOM_SET",
    "LASTING",
    "SHORTEST_PREFIX",
    "Effects",
    "Filter",
    "Page",
    "Run",
    "RunSummary",
    "annotate",
    "answer",
    "by_key",
    "by_request",
    "content",
    "count",
    "delete",
    "earlier",
    "effects",
    "effects_of_model",
    "find_effects",
    "get",
    "listing",
    "page",
    "purge",
    "restore",
    "save",
    "save_all",
    "save_effects",
    "shown_effects",
    "summary",
    "values",
]
