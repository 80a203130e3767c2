"""Two rows of a finished experiment side by side: for whom the second decides, who gains and who loses.

Boundary: the number of an experiment and keys of its rows in, JSON out. Reads stored cells alone, so that it
answers also where the model or the data set is gone.
"""

from collections.abc import Mapping
from typing import Any

from db.errors import BadInput
from db.store import Store
from engine.studies.experiments.answer import plain
from engine.studies.experiments.gains import gains
from engine.studies.experiments.kept import of_number, of_result
from engine.studies.experiments.zones import DEPTHS, zones

MOST_USERS = 2_000  # that are named one by one, of each zone and of all by gain; every one is counted


def pair(store: Store, experiment: int, without: str, with_: str) -> dict[str, Any]:
    """`{zones, gains, users}`, ready for JSON: `zones` at each depth, `gains` with the `effect` of the second
    row on each user (nats, None where it has none), `users` in all.

    Of more than 2,000 users those with the largest gains and losses are named. Raises NotFound without such
    an experiment or without its cells, BadInput for one that has not ended and for rows that it has not.
    """
    job = of_number(store, experiment)
    if without == with_:
        raise BadInput(f"{without!r} is compared with itself. Choose two rows.")
    cells = of_result(store, job.result or {}, (without, with_))
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


def _ends(users: list[Any]) -> list[Any]:
    return users if len(users) <= MOST_USERS else [*users[: MOST_USERS // 2], *users[-MOST_USERS // 2 :]]


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    """Zones with so many of their users as are named."""
    parts = {name: {**part, "users": part["users"][:MOST_USERS]} for name, part in found["zones"].items()}
    return {**found, "zones": parts}
