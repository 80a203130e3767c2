"""A second reading of LRGD's metric (a reconstruction): what the dual model's step owes each demonstration.

Beside it the effects, which are measured, and how far the two order demonstrations alike.
"""

from __future__ import annotations

import math
from typing import Any

from engine.explanations.asking import Asked, signed
from engine.progress import Report, part
from engine.tasks.effects import effects

SURE, PARTLY = 0.9, 0.5  # rank correlations


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`rows[]`: share of the decrease (they add up to 1) and measured effect of each demonstration. `layers`
    [layers][k]: shares by layer, means over KV heads. `spearman`: of shares and effects, or None."""
    from engine.llm.explain.step_shares import step_shares
    from engine.lrgd.agreement import spearman

    _, measured = effects(
        asked.engine, asked.context.request, mode="direct", leave_one_out=True, report=part(report, 0.0, 0.7)
    )
    layers = asked.loaded.layers
    shares, kept = step_shares(
        asked.loaded,
        asked.task,
        asked.cache,
        lambda done: report(0.7 + 0.3 * min(1.0, done / layers), f"layer {done} of {layers}"),
    )
    by_layer = shares.mean(1)
    mean = by_layer.nanmean(0).tolist()
    place_of = {place: b for b, place in enumerate(kept)}
    effect = {row["id"]: row["effect"] for row in measured.result["demonstrations"]}
    rows = [
        {"id": name, "share": mean[place_of[at]] if at in place_of else 0.0, "effect": effect[name]}
        for at, name in enumerate(asked.ids)
    ]
    shown = [rows[place] for place in kept]
    told_apart = [round(row["effect"], 2) for row in shown]  # but for noise
    result = {
        "rows": rows,
        "layers": [[None if math.isnan(value) else value for value in row] for row in by_layer.tolist()],
        "kept": list(kept),
        "spearman": spearman([row["share"] for row in shown], told_apart) if len(shown) > 2 else None,
        "measure": measured.result["measure"],
    }
    return {**result, "said": said(asked, result)}


def said(asked: Asked, result: dict[str, Any]) -> str:
    """What the step is made of, and whether that says what helps."""
    most = max(range(len(result["rows"])), key=lambda at: result["rows"][at]["share"])
    share = 100 * result["rows"][most]["share"]
    first = f"{share:.0f} % of the step is {asked.named(most)}."
    rho = result["spearman"]
    if rho is None and len(result["kept"]) < 3:
        return f"{first} There are too few demonstrations to compare its order with that of effects."
    if rho is None:
        return f"{first} Effects are all alike, so there is no order to compare it with."
    verb = "agrees" if rho >= SURE else "partly agrees" if rho >= PARTLY else "does not agree"
    return f"{first} The order by share {verb} with the order by effect (rank correlation {signed(rho)})."


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """A row per demonstration."""
    rows = [[at, row["share"], row["effect"], row["id"]] for at, row in enumerate(result["rows"], 1)]
    return [(["demonstration", "share of the step", "effect", "id"], rows)]
