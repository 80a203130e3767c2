"""A model behind an address, registered: what a person typed is checked, then its server is asked."""

from typing import Any

from db import models
from db.endpoints import BUDGET, CONCURRENCY, TIMEOUT_S, Endpoint, checked_key_name, checked_url
from db.errors import BadInput
from engine.context import Engine

BOUNDS = {"concurrency": (1, 64), "timeout": (1, 3600), "budget": (100, 10**12), "context": (32, 10**8)}


def add_endpoint(engine: Engine, asked: dict[str, Any]) -> dict[str, Any]:
    """`{name, source, served, key_from, concurrency, timeout, budget, context}` -> `{model, found, notes}`.

    All but name and source may be missing. found: what works, in lines. Registering the same address again
    finds out anew. Raises BadInput, Conflict and ModelError; nothing is registered then.
    """
    name, url = str(asked["name"]), checked_url(asked["source"])
    if name == asked["source"]:
        raise BadInput(f"A model behind an address needs a name: add --name NAME. {url} was not called.")
    for field, (low, high) in BOUNDS.items():
        value = asked.get(field)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            raise BadInput(f"{field}: expected a number from {low:,} to {high:,}, got {value!r}.")
    endpoint = Endpoint(
        url=url,
        served=(asked.get("served") or "").strip(),
        key_from=checked_key_name((asked.get("key_from") or "").strip()),
        concurrency=int(asked.get("concurrency") or CONCURRENCY),
        timeout_s=float(asked.get("timeout") or TIMEOUT_S),
        budget=int(asked.get("budget") or BUDGET),
    )
    if endpoint.served:
        models.check_free(engine.store, name, endpoint.source)
    info = engine.admit_endpoint(name, endpoint, asked.get("context"))
    from engine.endpoint.probe import found

    made = info.endpoint
    assert made is not None
    return {"model": info.name, "found": found(made), "notes": list(made.notes)}
