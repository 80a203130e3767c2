"""Whether a new experiment's row is still good enough: for a script that stops a release.

Boundary: NDCG@10 by user in, a verdict with its reasons out, ready for JSON. Who calls it sees to it that
both rows ranked the same candidate lists.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from db.errors import BadInput
from engine.evaluation.power import LEAST
from engine.evaluation.statistics import difference, estimate
from engine.studies.experiments.cells import Cells
from engine.studies.experiments.comparisons import quality
from engine.studies.recicl_claim import in_words
from engine.studies.table_cells import interval

PASS, REGRESSION, UNSURE = "pass", "regression", "not enough evidence"
EXIT_CODES = {PASS: 0, REGRESSION: 1, UNSURE: 2}

Values = Mapping[str, float]
"""NDCG@10 by user id."""


def by_user(cells: Cells, row: str) -> Values:
    """What a row reached for each user, averaged over draws."""
    return dict(zip(cells.users, quality(cells, row).tolist(), strict=True))


def gate(
    new: Values,
    stored: Values | None = None,
    min_ndcg: float | None = None,
    max_drop: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """`{verdict, exit_code, checks, said}`; a check is `{name, bar, found, verdict, said}`.

    min_ndcg: regression where the 95 % interval of the new mean lies below it, pass where no part of it does.
    max_drop: of the paired differences new - stored over the users of both, regression where the 95 %
    interval lies below -max_drop, which for 0 is a significant drop (p < .05 by sign flips); pass where no
    part of it does. Everything else is not enough evidence, as are fewer than six users. Of two checks the
    worse verdict counts. Raises BadInput without a bar, for bars outside 0 to 1, and for a drop without
    stored values of the same users.
    """
    bars = {"min_ndcg": min_ndcg, "max_drop": max_drop}
    if min_ndcg is None and max_drop is None:
        raise BadInput("gate: name a bar: --min-ndcg, --max-drop or both.")
    for name, bar in bars.items():
        if bar is not None and not 0 <= bar <= 1:
            raise BadInput(f"gate: --{name.replace('_', '-')} is {bar:g}: NDCG@10 lies between 0 and 1.")
    checks = []
    if min_ndcg is not None:
        checks.append(_level(new, min_ndcg, seed))
    if max_drop is not None:
        checks.append(_drop(new, stored, max_drop, seed))
    verdict = max((check["verdict"] for check in checks), key=(PASS, UNSURE, REGRESSION).index)
    said = [f"Verdict: {verdict}.", *(check["said"] for check in checks)]
    return {"verdict": verdict, "exit_code": EXIT_CODES[verdict], "checks": checks, "said": said}


def _level(new: Values, bar: float, seed: int) -> dict[str, Any]:
    if not new:
        raise BadInput("gate: the new experiment has no user that is done.")
    found = estimate(list(new.values()), seed)
    verdict = _verdict(found, bar)
    said = (
        f"NDCG@10 over {_users(found)} is {interval(found)}, and at least {bar:g} is asked for: "
        f"{_because(verdict, found)}."
    )
    return {"name": "min_ndcg", "bar": bar, "found": found, "verdict": verdict, "said": said}


def _drop(new: Values, stored: Values | None, bar: float, seed: int) -> dict[str, Any]:
    both = [user for user in new if user in (stored or {})]
    if stored is None or not both:
        raise BadInput(
            "gate: --max-drop compares users of both experiments, and there are none. Run the new experiment "
            "on the same data set with the same seed, or name only --min-ndcg."
        )
    later, earlier = (np.array([values[user] for user in both]) for values in (new, stored))
    found = difference(later, earlier, seed)
    verdict = _verdict(found, -bar)
    left_out = len(new) + len(stored) - 2 * len(both)
    note = f" ({left_out} users of only one experiment left out)" if left_out else ""
    said = (
        f"Against the stored row NDCG@10 differs by {in_words(found)} over {_users(found)}{note}, and at "
        f"least {0.0 - bar:g} is asked for: {_because(verdict, found)}."
    )
    return {"name": "max_drop", "bar": bar, "found": found, "verdict": verdict, "said": said}


def _verdict(found: Mapping[str, Any], least: float) -> str:
    """Where the interval stands to what is asked for at least."""
    if found["n"] < LEAST or found["low"] is None:
        return UNSURE
    return PASS if found["low"] >= least else REGRESSION if found["high"] < least else UNSURE


def _because(verdict: str, found: Mapping[str, Any]) -> str:
    if found["n"] < LEAST:
        return f"{verdict}, fewer than {LEAST} users show nothing"
    part = {PASS: "no part", REGRESSION: "all", UNSURE: "part"}[verdict]
    return f"{verdict}, {part} of the interval is below that"


def _users(found: Mapping[str, Any]) -> str:
    return f"{found['n']} {'user' if found['n'] == 1 else 'users'}"
