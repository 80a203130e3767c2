"""Two rows of a finished experiment side by side: for whom the second decides, who gains and who loses.

Boundary: the number of an experiment and keys of its rows in, JSON out. Reads stored cells alone, so that it
answers also where the model or the data set is gone.
"""

from collections.abc import Mapping
from typing import Any

from db import experiments, jobs
from db.errors import BadInput, NotFound
from db.jobs import COMPLETED
from db.store import Store
from engine.studies.experiments.answer import plain
from engine.studies.experiments.cells import Cells, Row
from engine.studies.experiments.gains import gains
from engine.studies.experiments.run import read
from engine.studies.experiments.zones import DEPTHS, zones

MOST_USERS = 2_000  # that are named one by one, of each zone and of all by gain; every one is counted


def pair(store: Store, experiment: int, without: str, with_: str) -> dict[str, Any]:
    """`{zones, gains, users}`, ready for JSON: `zones` at each depth, `gains` with the `effect` of the second
    row on each user (nats, None where it has none), `users` in all.

    Of more than 2,000 users those with the largest gains and losses are named. Raises NotFound without such
    an experiment or without its cells, BadInput for one that has not ended and for rows that it has not.
    """
    job = jobs.get(store, experiment)
    if job.kind != "experiment":
        raise NotFound(f"Job {experiment} is no experiment. `dualens experiment list` lists them.")
    if job.state != COMPLETED or not job.result:
        raise BadInput(f"Experiment {experiment} has not ended. Its rows are compared when it has.")
    cells = _cells(store, job.result, (without, with_))
    gained = gains(cells, without, with_, int(job.payload.get("seed", 0)))
    effects = cells.mean(with_, "effect")
    by_user = {} if effects is None else dict(zip(cells.users, effects.tolist(), strict=True))
    users = [{**row, "effect": by_user.get(row["user"])} for row in _ends(gained["users"])]
    found = {
        "users": len(cells.users),
        "zones": [_named(zones(cells, without, with_, k)) for k in DEPTHS],
        "gains": {**gained, "users": users},
    }
    return plain(found)


def _cells(store: Store, result: Mapping[str, Any], keys: tuple[str, str]) -> Cells:
    """The cells of two rows for the users that both have."""
    known = {row["key"]: row for row in result["rows"]}
    settings, asked = result.get("settings") or {}, result.get("user_ids") or []
    rows = []
    for key in keys:
        if key not in known or key not in settings:
            raise BadInput(f"{key!r} is no row of the experiment. Its rows: {', '.join(known)}.")
        named = {name: known[key][name] for name in ("key", "label", "kind", "values", "draws", "copies")}
        rows.append(Row(**named))
    if keys[0] == keys[1]:
        raise BadInput(f"{keys[0]!r} is compared with itself. Choose two rows.")
    stored = {row.key: experiments.get(store, settings[row.key], asked) for row in rows}
    at = {
        row.key: {
            user: [
                read(stored[row.key][place])
                for draw in range(row.draws)
                if (place := experiments.Place(settings[row.key], user, draw)) in stored[row.key]
            ]
            for user in asked
        }
        for row in rows
    }
    users = [user for user in asked if all(len(at[row.key][user]) == row.draws for row in rows)]
    if not users:
        raise NotFound("The store holds the cells of these rows no longer. Run the experiment again.")
    return Cells(tuple(rows), tuple(users), {key: [at[key][user] for user in users] for key in at})


def _ends(users: list[Any]) -> list[Any]:
    return users if len(users) <= MOST_USERS else [*users[: MOST_USERS // 2], *users[-MOST_USERS // 2 :]]


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    """Zones with so many of their users as are named."""
    parts = {name: {**part, "users": part["users"][:MOST_USERS]} for name, part in found["zones"].items()}
    return {**found, "zones": parts}
