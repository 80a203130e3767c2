"""A gate for releases, from stored cells: a row of an experiment against a bar, or against a stored one.

Boundary: results of experiments and the store in, `engine.studies.experiments.gate`'s verdict out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from db.errors import BadInput
from db.store import Store
from engine.studies.experiments.cells import MODEL
from engine.studies.experiments.gate import Values, by_user, gate
from engine.studies.experiments.kept import of_result

SAME_LISTS = ("dataset", "candidates", "candidate_kind", "seed", "target")
"""Fields of an experiment that decide its users and candidate lists."""

Result = Mapping[str, Any]


def gated(
    store: Store,
    new: Result,
    row: str,
    stored: Result | None,
    stored_row: str,
    min_ndcg: float | None,
    max_drop: float | None,
) -> dict[str, Any]:
    """The verdict on a row of `new`, and of which row of `stored` it was compared with. Raises BadInput for
    rows that are none, and for experiments on different lists."""
    earlier = None
    if stored is not None:
        _check_lists(new["request"], stored["request"])
        earlier = quality_of(store, stored, stored_row)
    found = gate(quality_of(store, new, row), earlier, min_ndcg, max_drop, new["request"].get("seed", 0))
    return {"row": row, "stored_row": None if stored is None else stored_row, **found}


def only_row(result: Result) -> str:
    """The model's row beside the reference. Raises BadInput where there is not exactly one."""
    rows = [
        row["key"] for row in result["rows"] if row["kind"] == MODEL and row["key"] != result["reference"]
    ]
    if len(rows) != 1:
        raise BadInput(f"--row: name the row that is judged, one of {', '.join(_keys(result))}.")
    return rows[0]


def quality_of(store: Store, result: Result, row: str) -> Values:
    """NDCG@10 by user of a finished experiment's row, averaged over draws, from its cells."""
    return by_user(of_result(store, result, [row]), row)


def _check_lists(new: Result, stored: Result) -> None:
    different = [name for name in SAME_LISTS if new.get(name) != stored.get(name)]
    if different:
        said = ", ".join(f"{name} is {new.get(name)}, was {stored.get(name)}" for name in different)
        raise BadInput(f"The two experiments rank different lists: {said}. Nothing was compared.")


def _keys(result: Result) -> list[str]:
    return [row["key"] for row in result["rows"]]
