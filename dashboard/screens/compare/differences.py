"""What differs between two stored runs, as tables and as warnings. No Streamlit, no store."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard.text import values, words
from dashboard.text.formats import number, seconds, signed
from dashboard.text.literal import md
from db.requests import RunRequest
from db.requests.fields import described
from db.runs import Run

# label, digits, whether more is better (None: neither), how to read it from a run
ROWS = (
    ("Target's rank", 0, False, lambda run: run.result["metrics"]["rank"]),
    ("Rank without demonstrations", 0, False, lambda run: run.result["metrics"]["zero_shot"]["rank"]),
    ("Loss of the target, nats", 2, False, lambda run: run.result["loss"]),
    ("Loss without, nats", 2, False, lambda run: run.result["loss_zero_shot"]),
    ("NDCG@10", 3, True, lambda run: run.result["metrics"]["ndcg10"]),
    ("Reciprocal rank", 3, True, lambda run: run.result["metrics"]["mrr"]),
    ("Prompt, tokens", 0, None, lambda run: run.result["prompt"]["tokens"]),
)
Effects = Mapping[str, Any] | None


def warnings(a: Run, b: Run) -> list[str]:
    """Why a difference in the numbers may have another cause than the demonstrations."""
    reasons = []
    if (a.request.dataset, a.request.user) != (b.request.dataset, b.request.user):
        reasons.append("The runs belong to different users: ranks and losses are of different targets.")
    elif a.result["target"]["item"] != b.result["target"]["item"]:
        reasons.append(
            "The runs have different targets (report and curate): their losses cannot be compared."
        )
    elif a.result["candidates"]["fingerprint"] != b.result["candidates"]["fingerprint"]:
        reasons.append("The candidate lists differ: ranks and NDCG are over different items.")
    models = [run.result["model"] for run in (a, b)]
    if models[0]["name"] != models[1]["name"]:
        reasons.append(
            f"The models differ ({models[0]['name']}, {models[1]['name']}): so do the scales of the losses."
        )
    elif models[0]["revision"] != models[1]["revision"]:
        reasons.append(f"The model {models[0]['name']} was replaced between the runs: its revision differs.")
    elif models[0]["dtype"] != models[1]["dtype"]:
        reasons.append(
            f"The runs used different number formats ({models[0]['dtype']}, {models[1]['dtype']})."
        )
    if a.request.template != b.request.template:
        reasons.append("The prompt templates differ.")
    if a.request.scoring != b.request.scoring:
        reasons.append("The scoring modes differ: scores and losses are on different scales.")
    return reasons


def numbers_table(a: Run, b: Run, effects_a: Effects, effects_b: Effects) -> pd.DataFrame:
    """Metrics of both runs, Markdown in the cells: B minus A, signed; better or worse for one target only."""
    alike = a.result["target"]["item"] == b.result["target"]["item"]
    rows = []
    for label, digits, more_is_better, read in ROWS:
        rows.append((label, *_cells(read(a), read(b), digits, more_is_better if alike else None)))
    totals = [
        effects["effect_total"] if effects else _taken(run)
        for run, effects in ((a, effects_a), (b, effects_b))
    ]
    total = (
        signed(totals[0]),
        signed(totals[1]),
        _verdict(totals[1] - totals[0], 2, True if alike else None),
    )
    rows.insert(4, ("Total effect, nats", *total))
    times = [_total(run) for run in (a, b)]
    rows.append(("Time, first computed", seconds(times[0]), seconds(times[1]), ""))
    return pd.DataFrame(rows, columns=["", "A", "B", "B − A"]).set_index("")


def _taken(run: Run) -> float:
    return run.result["loss_zero_shot"] - run.result["loss"]


def _total(run: Run) -> float | None:
    total = run.timings_ms.get("total")
    return total / 1000 if total is not None else None


def _cells(before: float, after: float, digits: int, more_is_better: bool | None) -> tuple[str, str, str]:
    return number(before, digits), number(after, digits), _verdict(after - before, digits, more_is_better)


def _verdict(difference: float, digits: int, more_is_better: bool | None) -> str:
    text = signed(difference, digits)
    if more_is_better is None or not float(f"{difference:.{digits}f}"):
        return f":gray[{text}]"
    better = (difference > 0) == more_is_better
    return f":{'blue' if better else 'orange'}[**{text}** {'better' if better else 'worse'}]"


def changes(a: Run, b: Run) -> pd.DataFrame:
    """The fields of the requests that differ, then how the demonstrations do; Markdown-safe."""
    named = any(run.request.demonstrations is not None for run in (a, b))
    below = {"demonstrations", "weights", *(("demos",) if named else ())}  # what the model saw says more
    rows = []
    for field in described(RunRequest):
        before, after = (getattr(run.request, field.name) for run in (a, b))
        if before != after and field.name not in below:
            rows.append((field.asked.label, md(values.shown(field, before)), md(values.shown(field, after))))
    return pd.DataFrame([*rows, *_moves(a, b)], columns=["", "A", "B"]).set_index("")


def _moves(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """Demonstrations that came and went, their weights and their order."""
    rows: list[tuple[str, str, str]] = []
    before, after = ({view["id"]: view["weight"] for view in run.result["demonstrations"]} for run in (a, b))
    added, gone = after.keys() - before.keys(), before.keys() - after.keys()
    if added or gone:
        rows.append(
            ("demonstrations", f"{len(before)}", f"{len(after)} ({len(added)} new, {len(gone)} gone)")
        )
    for at, name in enumerate(before, start=1):
        if name in after and before[name] != after[name]:
            rows.append((f"weight of number {at}", f"{before[name]:g}", f"{after[name]:g}"))
    if not added and not gone and list(before) != list(after):
        places = [str(list(before).index(name) + 1) for name in after]
        rows.append(
            ("order of demonstrations", md(", ".join(sorted(places, key=int))), md(", ".join(places)))
        )
    return rows


def demonstrations_table(a: Run, b: Run, effects_a: Effects, effects_b: Effects) -> pd.DataFrame:
    """One row per demonstration of either run, in A's order, then B's own; plain text."""
    sides = [
        (
            {view["id"]: view for view in run.result["demonstrations"]},
            {entry["id"]: entry["effect"] for entry in effects["demonstrations"]} if effects else {},
        )
        for run, effects in ((a, effects_a), (b, effects_b))
    ]
    (in_a, effect_a), (in_b, effect_b) = sides
    rows = []
    for name in [*in_a, *(name for name in in_b if name not in in_a)]:
        view = in_a.get(name) or in_b[name]
        weights = [side[name]["weight"] if name in side else None for side in (in_a, in_b)]
        measured = [effects.get(name) for effects in (effect_a, effect_b)]
        cells = [*(number(weight, 1) for weight in weights), *(signed(effect) for effect in measured)]
        rows.append((words.short(view, 60), words.source_line(view), *cells))
    names = ["demonstration", "source", "weight A", "weight B", "effect A, nats", "effect B, nats"]
    return pd.DataFrame(rows, columns=names)
