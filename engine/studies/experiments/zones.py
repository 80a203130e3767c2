"""For which users demonstrations decide: solved without them, only with them, broken by them, or unsolved.

The zones of proximal development that arXiv 2502.06990 finds for questions of in-context learning, here for
users: two rows of an experiment, one of them without what the other has.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.metrics import CUTOFF, hit_rate
from engine.studies.experiments.cells import Cells
from engine.studies.table_cells import Table

SOLVED, ONLY_WITH, BROKEN, UNSOLVED = "solved", "only_with", "broken", "unsolved"
ZONES: Mapping[str, str] = {
    SOLVED: "solved without",
    ONLY_WITH: "solved only with",
    BROKEN: "broken by",
    UNSOLVED: "unsolved by either",
}
DEPTHS = (1, CUTOFF)
"""Of the first so many items the target must be one."""

_ZONE = {(True, True): SOLVED, (False, True): ONLY_WITH, (True, False): BROKEN, (False, False): UNSOLVED}
_ROUNDING = 1e-12


def zones(cells: Cells, without: str, with_: str, k: int = 1) -> dict[str, Any]:
    """`{without, with, k, zones}`: every user in exactly one of `ZONES`, ready for JSON.

    A zone is `{users, n, share, low, high}`: ids in the order drawn, and the share of all users with its 95 %
    interval (Wilson). A user is solved where the target is among the first k (`solved`).
    """
    pairs = zip(solved(cells, without, k).tolist(), solved(cells, with_, k).tolist(), strict=True)
    members: dict[str, list[str]] = {zone: [] for zone in ZONES}
    for user, pair in zip(cells.users, pairs, strict=True):
        members[_ZONE[pair]].append(user)
    found = {zone: _counted(users, len(cells.users)) for zone, users in members.items()}
    return {"without": without, "with": with_, "k": k, "zones": found}


def solved(cells: Cells, row: str, k: int) -> NDArray[np.bool_]:
    """Of each user whether the row solves it [users]: HR@k, expected over the order of ties and averaged over
    draws, is at least a half. A tie that is as likely to hide the target as to show it is no luck: it counts
    the same every time."""
    chances = [np.mean([hit_rate(cell.standing, k) for cell in draws]) for draws in cells.at[row]]
    return np.array(chances) >= 0.5 - _ROUNDING


def _counted(users: list[str], of: int) -> dict[str, Any]:
    from scipy.stats import binomtest

    low, high = binomtest(len(users), of).proportion_ci(method="wilson")
    return {
        "users": users,
        "n": len(users),
        "share": len(users) / of,
        "low": float(low),
        "high": float(high),
    }


def table(found: Mapping[str, Any], labels: Mapping[str, str]) -> Table:
    """For the command line. labels: of rows, by key."""
    head = f"{labels[found['without']]} -> {labels[found['with']]}, top {found['k']}"
    rows = [
        [ZONES[zone], part["n"], f"{part['share']:.1%} ({part['low']:.1%} to {part['high']:.1%})"]
        for zone, part in found["zones"].items()
    ]
    return [head, "users", "share"], rows
