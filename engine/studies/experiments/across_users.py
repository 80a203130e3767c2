"""Demonstrations that help many users, and those that hurt many: effects of the same one pooled over users.

Boundary: cells in, ids out, from which a person can save a shared set.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.evaluation.statistics import SURE, paired_tests, together
from engine.studies.experiments.cells import Cells
from engine.studies.table_cells import Table, between, p_values

LEAST = 10
"""Users whose prompts show a demonstration, at least, to say anything about it."""

MOST_SHOWN = 10  # of each kind, in a table of the command line


def across_users(cells: Cells, rows: Sequence[str] | None = None, seed: int = 0) -> dict[str, Any] | None:
    """`{rows, seen, demonstrations, helps, hurts, said}`, ready for JSON; None where no effect was
    measured.

    rows: keys of those looked at, all by default. A user counts once for each demonstration: with its effect
    (nats of margin) averaged over the rows and draws that show it. demonstrations: of those shown to at least
    ten users, the most helpful first, `{id, mean, low, high, n, p, p_holm, helped, hurt}`: p by sign flips of
    the users' effects, the interval inverts it, `p_holm` is corrected for all of them; helped and hurt count
    users. helps, hurts: ids of those beyond chance after Holm, the strongest first. seen: how many
    demonstrations were shown to anybody.

    A mean is over the users to whom the demonstration was shown, not over all users.
    """
    wanted = [row.key for row in cells.rows if rows is None or row.key in rows]
    effects, measured = _effects(cells, wanted)
    if not measured:
        return None
    often = {name: np.array(values) for name, values in effects.items() if len(values) >= LEAST}
    tests = together(_tested(list(often.values()), seed))
    demonstrations = [
        {"id": name, **test, "helped": int((values > 0).sum()), "hurt": int((values < 0).sum())}
        for (name, values), test in zip(often.items(), tests, strict=True)
    ]
    demonstrations.sort(key=lambda row: (-row["mean"], row["id"]))
    sure = [row for row in demonstrations if row["p_holm"] < SURE]
    helps = [row["id"] for row in sure if row["mean"] > 0]
    hurts = [row["id"] for row in reversed(sure) if row["mean"] < 0]
    return {
        "rows": measured,
        "seen": len(effects),
        "demonstrations": demonstrations,
        "helps": helps,
        "hurts": hurts,
        "said": _said(len(effects), len(often), len(helps), len(hurts)),
    }


def _effects(cells: Cells, rows: Sequence[str]) -> tuple[dict[str, list[float]], list[str]]:
    """By demonstration an effect for each user who saw it, and the rows that measured any."""
    found: dict[str, list[float]] = {}
    measured: set[str] = set()
    for user in range(len(cells.users)):
        own: dict[str, list[float]] = defaultdict(list)
        for key in rows:
            for cell in cells.at[key][user]:
                measured |= {key} if cell.effects is not None else set()
                for name, effect in (cell.effects or {}).items():
                    own[name].append(effect)
        for name, values in own.items():
            found.setdefault(name, []).append(sum(values) / len(values))
    return found, [key for key in rows if key in measured]


def _tested(effects: Sequence[np.ndarray], seed: int) -> list[dict[str, Any]]:
    """The test of each; those of as many users are tested at once."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for place, values in enumerate(effects):
        by_size[len(values)].append(place)
    tests: dict[int, dict[str, Any]] = {}
    for places in by_size.values():
        tested = paired_tests(np.array([effects[place] for place in places]), seed)
        tests |= dict(zip(places, tested, strict=True))
    return [tests[place] for place in range(len(effects))]


def _said(seen: int, often: int, helps: int, hurts: int) -> str:
    if not often:
        return f"None of the {seen} demonstrations was shown to {LEAST} users: nothing can be said of them."
    return (
        f"Of {seen} demonstrations, {often} were shown to at least {LEAST} users: {helps} help and {hurts} "
        "hurt them beyond chance after Holm's correction. That is said of the users who saw them, not of all."
    )


def table(found: Mapping[str, Any]) -> Table:
    """For the command line: the most helpful and the most harmful."""
    every = found["demonstrations"]
    some = every if len(every) <= 2 * MOST_SHOWN else [*every[:MOST_SHOWN], *every[-MOST_SHOWN:]]
    rows = [
        [
            row["id"],
            f"{row['mean']:+.3f} ({between(row, '+.3f')})",
            row["n"],
            f"{row['helped']} / {row['hurt']}",
            p_values(row["p"], row["p_holm"]),
        ]
        for row in some
    ]
    return ["demonstration", "effect (nats)", "users", "helped / hurt", "p"], rows
