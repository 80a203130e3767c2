"""The interaction of every two demonstrations: measured by turning both down, not by comparing their words.

Up to 8 demonstrations from all coalitions (Shapley interactions); of more, in the whole set: what two lose
together beyond what each loses alone.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from db.effect_results import FELT, UNITS
from engine.explanations.asking import MEASURE, Asked, signed
from engine.progress import Report, counting, plan

EXACT_UP_TO = 8
KINDS = {"shapley": "averaged over all sets of the others", "last": "with all the others there"}


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`interactions[]`: first, second (ids), interaction; `of`: "shapley" or "last"; `passes`."""
    import torch

    from engine.llm.scoring.gates import WeightedPrompt
    from engine.llm.scoring.measures import reading
    from engine.llm.scoring.ranking import demo_head, kept_weights, prepare
    from engine.lrgd import shapley
    from engine.lrgd.objective import Remembered

    question, fitted, _, _ = prepare(asked.loaded, asked.task)
    ask = reading(asked.loaded, question, MEASURE, asked.cache)
    head = demo_head(asked.loaded, fitted, asked.cache, asked.task.edits)
    prompt = WeightedPrompt(asked.loaded, fitted, head, ask)
    weights = torch.tensor(kept_weights(asked.task, fitted), dtype=prompt.dtype, device=asked.loaded.device)
    count = len(fitted.kept)
    exact = count <= EXACT_UP_TO
    passes = 2**count if exact else 1 + count + count * (count - 1) // 2
    own = len(fitted.encoded) - len(head) + sum(len(row.ids) - 1 for row in ask.rows)
    with counting(report, f"measuring {passes} weightings"):
        plan(asked.loaded.layers * passes * own)
        objective = Remembered(prompt, ask.columns)
        if exact:
            found = shapley.interactions(objective.value(shapley.coalitions(count, weights) * weights))
        else:
            found = shapley.last_interactions(objective, weights)
    ids = [asked.ids[place] for place in fitted.kept]
    result = {
        "measure": MEASURE,
        "interactions": [
            {"first": ids[a], "second": ids[b], "interaction": float(found[a, b])}
            for a, b in combinations(range(count), 2)
        ],
        "of": "shapley" if exact else "last",
        "passes": passes,
    }
    return {**result, "said": said(asked, result)}


def said(asked: Asked, result: dict[str, Any]) -> str:
    """The pair that teaches the same most, and the one that needs each other most."""
    rows = sorted(result["interactions"], key=lambda row: row["interaction"])
    if not rows:
        return "There is one demonstration, and no pair."
    place = {name: at for at, name in enumerate(asked.ids)}
    unit, how = UNITS[MEASURE], KINDS[result["of"]]
    parts = []
    for row, what in ((rows[0], "teach the same most"), (rows[-1], "need each other most")):
        value = row["interaction"]
        if abs(value) >= FELT and (value < 0) == (row is rows[0]):
            pair = " and ".join(asked.named(place[row[name]]) for name in ("first", "second"))
            parts.append(f"{pair[0].upper()}{pair[1:]} {what}: {signed(value)} {unit}, {how}.")
    return " ".join(parts) or f"No two demonstrations change what the other does by {FELT} {unit}."


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """A row per pair."""
    rows = [[row["first"], row["second"], row["interaction"]] for row in result["interactions"]]
    return [(["first", "second", f"interaction ({UNITS[result['measure']]})"], rows)]
