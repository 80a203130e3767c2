"""What differs between two stored runs, as tables and as warnings. No Streamlit, no store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.text import values, words
from dashboard.text.formats import number, rank, seconds, signed
from dashboard.text.literal import md, plain
from db.comparable import both, lists_obstacle, losses_obstacle
from db.effect_results import UNITS
from db.requests import RunRequest
from db.requests.fields import described, field_of
from db.runs import Run

Effects = Mapping[str, Any] | None
LETTERS = 200  # of a title in a table, which wraps

LISTS, LOSSES = "lists", "losses"
"""What two runs must have in common before a number of one is better than that of the other."""


@dataclass(frozen=True)
class Number:
    """A row of the table of numbers. `more_is_better`: None where neither is; `needs`: LISTS or LOSSES."""

    label: str
    read: Callable[[Run, Effects], float | None]
    digits: int = 2
    more_is_better: bool | None = None
    needs: str = LISTS


NUMBERS = (
    Number("Target's rank", lambda run, _: run.result["metrics"]["rank"], 0, False),
    Number(
        "Rank without demonstrations", lambda run, _: run.result["metrics"]["zero_shot"]["rank"], 0, False
    ),
    Number("Loss of the target, nats", lambda run, _: run.result["loss"], 2, False, LOSSES),
    Number(
        "Loss without demonstrations, nats", lambda run, _: run.result["loss_zero_shot"], 2, False, LOSSES
    ),
    Number("Total effect, log-share", lambda run, effects: _total_effect(run, effects), 2, True),
    Number("NDCG@10", lambda run, _: run.result["metrics"]["ndcg10"], 3, True),
    Number("Reciprocal rank", lambda run, _: run.result["metrics"]["mrr"], 3, True),
    Number("Prompt, tokens", lambda run, _: run.result["prompt"]["tokens"], 0),
)


def _total_effect(run: Run, effects: Effects) -> float | None:
    """The change of the target's log-share between the run's two lists, measured effects or not: what the
    effects of turning down add up to is another number. Of runs older than that measure, what is measured."""
    margins = run.result.get("margin_zero_shot"), run.result.get("margin")
    if margins[0] is not None and margins[1] is not None:
        return margins[1] - margins[0]
    return effects["effect_total"] if effects and effects["measure"] == "margin" else None


def _unit(effects: Effects) -> str:
    """What the effects of a run count in."""
    return UNITS[effects["measure"] if effects else "margin"]


COMPUTED_BY = ("dtype", "device", "libraries")
# Only runs of earlier versions do not name their libraries.
OTHER_VERSION = (
    "One of the runs is of an earlier version of Dualens, which computed some numbers in another way."
)


def warnings(a: Run, b: Run) -> list[str]:
    """Why a difference in the numbers may have another cause than the demonstrations. Markdown."""
    formats, devices, libraries = ([run.result["model"].get(fact) for run in (a, b)] for fact in COMPUTED_BY)
    reasons = [
        lists_obstacle(a, b),
        losses_obstacle(a, b),
        f"The runs used different number formats ({both(*formats)})." if formats[0] != formats[1] else None,
        f"The runs used different devices ({both(*devices)})." if _known_to_differ(*devices) else None,
        f"The runs used different libraries ({both(*libraries)})." if _known_to_differ(*libraries) else None,
        OTHER_VERSION if None in libraries and libraries[0] != libraries[1] else None,
        *_prompt_notes(a.request, b.request),
    ]
    return [md(reason) for reason in reasons if reason]


PROMPT = {
    "template": "The prompt templates differ ({}): the model read other words around the same items.",
    "turns": "Demonstrations stand differently in the prompt ({}): the model read other words around them.",
}


def _prompt_notes(a: RunRequest, b: RunRequest) -> list[str]:
    fields = [field_of(RunRequest, name) for name in PROMPT]
    asked = [(field, *(getattr(request, field.name) for request in (a, b))) for field in fields]
    return [
        PROMPT[field.name].format(both(values.shown(field, before), values.shown(field, after)))
        for field, before, after in asked
        if before != after
    ]


def _known_to_differ(a: object, b: object) -> bool:
    """Runs of earlier versions do not say."""
    return None not in (a, b) and a != b


def comparable(a: Run, b: Run) -> frozenset[str]:
    """Which of LISTS and LOSSES the two runs have in common."""
    losses = a.result["target"]["item"] == b.result["target"]["item"] and a.request.user == b.request.user
    same = {LISTS: lists_obstacle(a, b) is None, LOSSES: losses and losses_obstacle(a, b) is None}
    return frozenset(name for name, holds in same.items() if holds)


def numbers_table(a: Run, b: Run, effects_a: Effects, effects_b: Effects) -> pd.DataFrame:
    """Metrics of both runs and B minus A, Markdown in the cells. No difference is shown where the numbers do
    not compare, and none is better or worse where the lists do not."""
    same = comparable(a, b)
    rows = []
    for row in NUMBERS:
        before, after = row.read(a, effects_a), row.read(b, effects_b)
        # A rank where candidates are tied is a mean, such as 4.5.
        digits = row.digits or int(any(value % 1 for value in (before, after) if value is not None))
        difference = "–"
        if before is not None and after is not None and (row.needs in same or row.more_is_better is None):
            difference = _verdict(after - before, digits, row.more_is_better if LISTS in same else None)
        show = signed if row.label.startswith("Total effect") else number
        rows.append((row.label, show(before, digits), show(after, digits), difference))
    times = [_total(run) for run in (a, b)]
    rows.append(("Time, first computed", seconds(times[0]), seconds(times[1]), ""))
    return pd.DataFrame(rows, columns=["", "A", "B", "B − A"]).set_index("")


def _total(run: Run) -> float | None:
    total = run.timings_ms.get("total")
    return total / 1000 if total is not None else None


def _verdict(difference: float, digits: int, more_is_better: bool | None) -> str:
    text = signed(difference, digits)
    if more_is_better is None or not float(f"{difference:.{digits}f}"):
        return f":gray[{text}]"
    better = (difference > 0) == more_is_better
    return f":{'blue' if better else 'orange'}[**{text}** {'better' if better else 'worse'}]"


def changes(a: Run, b: Run) -> pd.DataFrame:
    """The fields of the requests that differ, then how the demonstrations do; Markdown-safe."""
    custom = any(run.request.demonstrations is not None for run in (a, b))
    below = {"demonstrations", "weights", *(("demos",) if custom else ())}  # what the model saw says more
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
    """One row per demonstration of either run, in A's order, then B's own; Markdown."""
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
        rows.append((md(words.short(view, LETTERS)), md(words.source_line(view)), *cells))
    units = [f"effect {name}, {_unit(effects)}" for name, effects in (("A", effects_a), ("B", effects_b))]
    names = ["demonstration", "source", "weight A", "weight B", *units]
    return pd.DataFrame(rows, columns=names)


def list_table(run: Run, most: int = 20) -> pd.DataFrame:
    """The first `most` items of a run's list, and its target where that is further down; Markdown."""
    items = run.result["items"]
    rows = [item for item in items if item["rank"] <= most or item["is_target"]]
    titles = [
        f"**{md(item['title'])}** :gray[target]" if item["is_target"] else md(item["title"]) for item in rows
    ]
    return pd.DataFrame({"rank": [str(item["rank"]) for item in rows], "item": titles})


def sentence(a: Run, b: Run) -> str:
    """What changed for the target between two runs, as far as they compare. Plain text."""
    same = comparable(a, b)
    target = plain(b.result["target"]["title"], 60)
    if LISTS not in same:
        places = [f"{rank(run.result['metrics'])} of {len(run.result['items'])}" for run in (a, b)]
        said = f"A ranks its target {places[0]}, B {places[1]}; the two lists do not compare"
    else:
        before, after = (run.result["metrics"] for run in (a, b))
        said = f"From A to B the target, {target}, {words.movement(before, after, len(b.result['items']))}"
    if LOSSES not in same:
        return f"{said}. Their losses do not compare." if LISTS in same else f"{said}, nor do their losses."
    saved = a.result["loss"] - b.result["loss"]
    if abs(saved) < 0.005:
        return f"{said}. The loss of the target is the same."
    return f"{said}. B's loss of the target is {abs(saved):.2f} nats {'lower' if saved > 0 else 'higher'}."
