"""Show demonstrations only where they help: a rule learned from each user's earlier purchase, judged on
the target.

Boundary: an experiment and two of its rows in, `engine.studies.experiments.selector`'s answer out. What the
earlier purchases need is ranked here and stored like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db import runs
from db.errors import BadInput
from db.requests import ExperimentRequest
from engine.context import Engine
from engine.progress import Report, part
from engine.studies.experiments.cells import MODEL, Cell, Cells
from engine.studies.experiments.comparisons import quality
from engine.studies.experiments.grid import Column, Grid, laid_out
from engine.studies.experiments.run import computed, stored
from engine.studies.experiments.selector import UNCERTAINTY, Outcomes, cross_validated, selector, uncertainty

FEATURES = (
    *UNCERTAINTY,
    "items bought before",
    "demonstrations in the prompt",
    "similarity of the demonstrations to the history",
)
"""What a rule may ask about: all of it is known before the target is."""


def where_they_help(
    engine: Engine, request: ExperimentRequest, without: str, with_: str, report: Report
) -> dict[str, Any]:
    """The rule for an experiment's rows `without` and `with_` demonstrations, ready for JSON.

    Of an experiment on the last purchase (`target` is test) it is learned from the purchase before that; of
    another one, on other folds of users. Raises BadInput where a row is not a model's.
    """
    judged = two_rows(engine, request, without, with_)
    earlier = request.target == "test"
    computed(engine, judged, part(report, 0.0, 0.5 if earlier else 1.0))
    outcomes = _outcomes(engine, stored(engine, judged), without, with_)
    if not earlier:
        found = cross_validated(outcomes, FEATURES, request.seed)
    else:
        past = two_rows(engine, replace(request, target="probe"), without, with_)
        computed(engine, past, part(report, 0.5, 1.0))
        learned_from = _outcomes(engine, stored(engine, past), without, with_)
        found = selector(learned_from, outcomes, FEATURES, request.seed)
    return {"without": without, "with": with_, "simulated": judged.dataset.simulated, **found}


def two_rows(engine: Engine, request: ExperimentRequest, first: str, second: str) -> Grid:
    """The grid of an experiment's model rows `first` and `second` alone."""
    alone = replace(request, baselines=None, systems=None, copies=None, reference=None, effects=False)
    grid = laid_out(engine, alone)
    known = {column.row.key: column for column in grid.columns if column.row.kind == MODEL}
    for key in (first, second):
        if key not in known:
            raise BadInput(f"{key!r} is no row of a model in this experiment. There are: {', '.join(known)}.")
    if first == second:
        raise BadInput(f"{first!r} is named twice. Name the row without demonstrations, and one with them.")
    groups: dict[str, Sequence[Column]] = {
        name: [column for column in group if column.row.key in (first, second)]
        for name, group in grid.groups.items()
    }
    return replace(grid, groups={name: group for name, group in groups.items() if group})


def _outcomes(engine: Engine, cells: Cells, without: str, with_: str) -> Outcomes:
    shown = np.array([_known_before(engine, draws[0]) for draws in cells.at[with_]])
    return Outcomes(
        features=np.hstack([uncertainty(cells, without), shown]),
        without=quality(cells, without),
        with_=quality(cells, with_),
        tokens_without=_tokens(cells, without),
        tokens_with=_tokens(cells, with_),
    )


def _known_before(engine: Engine, cell: Cell) -> tuple[float, float, float]:
    """Items bought before the target, demonstrations shown, and their mean similarity (0 without any)."""
    run = runs.by_key(engine.store, str(cell.run))
    if run is None:
        raise BadInput(
            "A run of this experiment was deleted, and with it what its demonstrations were. Restore it on "
            "the page Runs, or run the experiment again."
        )
    similarities = [demo["similarity"] or 0.0 for demo in run.result["demonstrations"]]
    similarity = float(np.mean(similarities)) if similarities else 0.0
    return float(run.result["target"]["position"]), float(cell.shown), similarity


def _tokens(cells: Cells, row: str) -> NDArray[np.float64]:
    found = cells.mean(row, "tokens")
    assert found is not None  # a model's row has prompts
    return found
