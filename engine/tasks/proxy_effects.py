"""A local model's effects beside those of an endpoint's: how far they agree, over the users seen so far.

Where they agree, the local model can judge demonstrations in place of the one that costs calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from db import runs
from db.models import ModelInfo
from db.runs import Effects, Run
from db.store import Store
from engine.evaluation.statistics import estimate


def beside(store: Store, run: Run, remote: Effects, proxy: ModelInfo, key: str, local: Effects) -> Effects:
    """The remote effects with `proxy` in their result, stored under `key`:

    `{model, run, demonstrations, spearman, agreement}`. agreement: `{mean, low, high, n}` of the rank
    correlation over users of this data set whose effects were measured by both, this one among them; None
    where no correlation is defined.
    """
    from engine.lrgd.agreement import spearman

    effects = {row["id"]: row["effect"] for row in local.result["demonstrations"]}
    rows = remote.result["demonstrations"]
    found: dict[str, Any] = {
        "model": proxy.name,
        "run": local.run_key,
        "demonstrations": [{"id": row["id"], "effect": effects[row["id"]]} for row in rows],
        "spearman": spearman([row["effect"] for row in rows], [effects[row["id"]] for row in rows]),
    }
    options = {**remote.options, "proxy": proxy.name, "proxy_revision": proxy.revision}
    known = {**_seen(store, run, options), **({run.user_id: found["spearman"]} if _defined(found) else {})}
    agreed = estimate(list(known.values())) if known else None
    result = {**remote.result, "proxy": {**found, "agreement": agreed}}
    kept = runs.save_effects(store, run.key, key, options, result, remote.timings_ms)
    return replace(kept, result={**kept.result, "proxy": result["proxy"]})


def _seen(store: Store, run: Run, options: dict[str, Any]) -> dict[str, float]:
    """The rank correlation of each other user measured so, the newest of each."""
    same = ("proxy", "proxy_revision", "measure")
    seen: dict[str, float] = {}
    for user, effects in runs.effects_of_model(store, run.request.dataset, run.model):
        alike = all(effects.options.get(name) == options[name] for name in same)
        if alike and _defined(effects.result["proxy"]):
            seen.setdefault(user, effects.result["proxy"]["spearman"])
    return seen


def _defined(proxy: dict[str, Any]) -> bool:
    return proxy["spearman"] is not None
