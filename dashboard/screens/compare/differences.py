"""What differs between two to four stored runs, as tables and as warnings. No Streamlit, no store.

Runs are called A, B, C and D; all others are held against A.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.charts.bump import Row
from dashboard.text import values, words
from dashboard.text.formats import number, rank, seconds, signed
from dashboard.text.literal import md, plain
from db.comparable import both, lists_obstacle, losses_obstacle
from db.effect_results import UNITS
from db.forgotten import Entry
from db.requests import RunRequest
from db.requests.fields import described, field_of
from db.runs import Run

Effects = Mapping[str, Any] | None
LETTERS = 200  # of a title in a table, which wraps

NAMES = "ABCD"
DASH = "–"

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


LETTERS = 200  # of a title in a table
COMPUTED_BY = ("dtype", "device", "libraries")
# Only runs of earlier versions do not name their libraries, or predict in half precision.
OTHER_VERSION = (
    "One of the runs is of an earlier version of Dualens, which computed some numbers in another way."
)


RANKS_APART = " Neither ranks nor metrics compare."
LOSSES_APART = " Ranks compare; losses do not."
WORDING = " Ranks compare; the wording is one of the differences."


def warnings(a: Run, b: Run, data: tuple[str | None, str | None] = (None, None)) -> list[str]:
    """Why a difference in the numbers may have another cause than the demonstrations, and what compares
    nevertheless. Markdown.

    data: fingerprints of the data sets as the runs saw them, None where not known.
    """
    formats, devices, libraries = ([run.result["model"].get(fact) for run in (a, b)] for fact in COMPUTED_BY)
    older = formats[0] == formats[1] and len({run.result["model"].get("predictions") for run in (a, b)}) > 1
    older = older or (None in libraries and libraries[0] != libraries[1])
    lists, losses = lists_obstacle(a, b), losses_obstacle(a, b)
    replaced = a.request.dataset == b.request.dataset and _known_to_differ(*data)
    reasons = [
        lists + RANKS_APART if lists else None,
        losses + ("" if lists else LOSSES_APART) if losses else None,
        f"The data set {a.request.dataset} was replaced between the runs: its content differs, and so may "
        "histories and demonstrations of the same name."
        if replaced
        else None,
        *_forgotten(a, b),
        f"The runs used different number formats ({both(*formats)})." if formats[0] != formats[1] else None,
        f"The runs used different devices ({both(*devices)})." if _known_to_differ(*devices) else None,
        f"The runs used different libraries ({both(*libraries)})." if _known_to_differ(*libraries) else None,
        OTHER_VERSION if older else None,
        *(note + ("" if lists else WORDING) for note in _prompt_notes(a.request, b.request)),
    ]
    return [md(reason) for reason in reasons if reason]


def _forgotten(a: Run, b: Run) -> list[str]:
    """What one run was computed without and the other with."""
    told = [
        {Entry(**entry).key: Entry(**entry) for entry in run.result.get("forgotten", ())} for run in (a, b)
    ]
    return [
        f"The {which} run was computed with {quoted} forgotten: "
        f"{'; '.join(entry.words for entry in rest[:3])}."
        for which, own, other in (("first", told[0], told[1]), ("other", told[1], told[0]))
        if (rest := [entry for key, entry in own.items() if key not in other])
        and (quoted := f"{len(rest):,} thing{'s' if len(rest) > 1 else ''}")
    ]


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


def numbers_table(
    runs: Sequence[Run], effects: Sequence[Effects], *, only_changed: bool = False
) -> pd.DataFrame:
    """Metrics of the runs, and of each but the first its difference from A; Markdown in the cells.

    No difference is shown where the numbers do not compare, and none is better or worse where the lists do
    not. `only_changed`: without the rows in which all runs read the same.
    """
    same = [comparable(runs[0], run) for run in runs]
    rows = [
        _number_row(row, [row.read(run, found) for run, found in zip(runs, effects, strict=True)], same)
        for row in NUMBERS
    ]
    times = [seconds(_total(run)) for run in runs]
    rows.append(["Time, first computed", times[0], *(cell for time in times[1:] for cell in (time, ""))])
    columns = [NAMES[0], *(name for at in range(1, len(runs)) for name in (NAMES[at], f"{NAMES[at]} − A"))]
    table = pd.DataFrame(rows, columns=["", *columns]).set_index("")
    return _changed(table, list(NAMES[: len(runs)])) if only_changed else table


def _number_row(row: Number, values: Sequence[float | None], same: Sequence[frozenset[str]]) -> list[str]:
    """A row: what A has, then what each other run has and its difference."""
    # A rank where candidates are tied is a mean, such as 4.5.
    digits = row.digits or int(any(value % 1 for value in values if value is not None))
    show = signed if row.label.startswith("Total effect") else number
    cells = [row.label, show(values[0], digits)]
    for value, shared in zip(values[1:], same[1:], strict=True):
        difference = DASH
        if (
            values[0] is not None
            and value is not None
            and (row.needs in shared or row.more_is_better is None)
        ):
            judged = row.more_is_better if LISTS in shared else None
            difference = _verdict(value - values[0], digits, judged)
        cells += [show(value, digits), difference]
    return cells


def _changed(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The rows that do not read the same in all of these columns."""
    return table.loc[[len(set(row)) > 1 for row in table[list(columns)].to_numpy().tolist()]]


def timings_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Seconds of each step, where any run has it, and tokens of the prompt."""
    steps = list(dict.fromkeys(step for run in runs for step in run.timings_ms if step != "total"))
    rows = [[step.replace("_", " "), *(_step(run, step) for run in runs)] for step in (*steps, "total")]
    tokens = [run.result.get("prompt", {}).get("tokens") for run in runs]
    rows.append(["tokens of the prompt", *(number(value, 0) for value in tokens)])
    return pd.DataFrame(rows, columns=["", *NAMES[: len(runs)]]).set_index("")


def _step(run: Run, step: str) -> str:
    value = run.timings_ms.get(step)
    return DASH if value is None else seconds(value / 1000)


def _total(run: Run) -> float | None:
    total = run.timings_ms.get("total")
    return total / 1000 if total is not None else None


def _verdict(difference: float, digits: int, more_is_better: bool | None) -> str:
    text = signed(difference, digits)
    if more_is_better is None or not float(f"{difference:.{digits}f}"):
        return f":gray[{text}]"
    better = (difference > 0) == more_is_better
    return f":{'blue' if better else 'orange'}[**{text}** {'better' if better else 'worse'}]"


def changes(runs: Sequence[Run], *, only_changed: bool = True) -> pd.DataFrame:
    """The fields of the requests, by default those that differ, then how the demonstrations do; Markdown."""
    custom = any(run.request.demonstrations is not None for run in runs)
    below = {"demonstrations", "weights", *(("demos",) if custom else ())}  # what the model saw says more
    rows = []
    for field in described(RunRequest):
        values_of = [getattr(run.request, field.name) for run in runs]
        differ = any(value != values_of[0] for value in values_of)
        if (differ or not only_changed) and field.name not in below:
            rows.append([field.asked.label, *(md(values.shown(field, value)) for value in values_of)])
    rows += _moves(runs)
    return pd.DataFrame(rows, columns=["", *NAMES[: len(runs)]]).set_index("")


def _moves(runs: Sequence[Run]) -> list[list[str]]:
    """Demonstrations that came and went, their weights and their order."""
    weights = [{view["id"]: view["weight"] for view in run.result["demonstrations"]} for run in runs]
    first, others = weights[0], weights[1:]
    rows: list[list[str]] = []
    if any(other.keys() != first.keys() for other in others):
        rows.append(["demonstrations", f"{len(first)}", *(_came(first, other) for other in others)])
    for at, name in enumerate(first, start=1):
        if any(name in other and other[name] != first[name] for other in others):
            cells = [f"{other[name]:g}" if name in other else DASH for other in weights]
            rows.append([f"weight of number {at}", *cells])
    if any(other.keys() == first.keys() and list(other) != list(first) for other in others):
        numbers = {name: str(at) for at, name in enumerate(first, start=1)}
        orders = [", ".join(numbers.get(name, "new") for name in other) for other in weights]
        rows.append(["order of demonstrations", *(md(order) for order in orders)])
    return rows


def _came(first: Mapping[str, float], other: Mapping[str, float]) -> str:
    added, gone = len(other.keys() - first.keys()), len(first.keys() - other.keys())
    return f"{len(other)} ({added} new, {gone} gone)" if added or gone else f"{len(other)}"


def demonstrations_table(
    runs: Sequence[Run], effects: Sequence[Effects], *, only_changed: bool = False
) -> pd.DataFrame:
    """One row per demonstration of any run, in A's order, then those of the others; Markdown.

    `only_changed`: those that do not stand in all runs with the same weight.
    """
    views = [{view["id"]: view for view in run.result["demonstrations"]} for run in runs]
    measured = [
        {entry["id"]: entry["effect"] for entry in found["demonstrations"]} if found else {}
        for found in effects
    ]
    rows = []
    for name in dict.fromkeys(name for side in views for name in side):
        view = next(side[name] for side in views if name in side)
        weights = [side[name]["weight"] if name in side else None for side in views]
        if only_changed and all(weight == weights[0] for weight in weights):
            continue
        cells = [*(number(weight, 1) for weight in weights), *(signed(side.get(name)) for side in measured)]
        rows.append((md(words.short(view, LETTERS)), md(words.source_line(view)), *cells))
    letters = NAMES[: len(runs)]
    units = [f"effect {name}, {_unit(found)}" for name, found in zip(letters, effects, strict=True)]
    names = ["demonstration", "source", *(f"weight {name}" for name in letters), *units]
    return pd.DataFrame(rows, columns=names)


def list_table(run: Run, most: int = 20) -> pd.DataFrame:
    """The first `most` items of a run's list, and its target where that is further down; Markdown."""
    items = run.result["items"]
    rows = [item for item in items if item["rank"] <= most or item["is_target"]]
    titles = [
        f"**{md(item['title'])}** :gray[target]" if item["is_target"] else md(item["title"]) for item in rows
    ]
    return pd.DataFrame({"rank": [str(item["rank"]) for item in rows], "item": titles})


def ranks_table(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Rank of each item in each list, for those who read rather than look; Markdown."""
    shown = [(md(row.title, LETTERS), row.is_target) for row in rows]
    titles = [f"**{title}** :gray[target]" if is_target else title for title, is_target in shown]
    ranks = [[DASH if rank is None else str(rank) for rank in row.ranks] for row in rows]
    return pd.DataFrame(ranks, columns=list(names), index=titles)


def sentence(a: Run, b: Run, name: str = "B") -> str:
    """What changed for the target from A to another run, as far as they compare. Plain text."""
    same = comparable(a, b)
    target = plain(b.result["target"]["title"], 60)
    if LISTS not in same:
        places = [f"{rank(run.result['metrics'])} of {len(run.result['items'])}" for run in (a, b)]
        said = f"A ranks its target {places[0]}, {name} {places[1]}; the two lists do not compare"
    else:
        before, after = (run.result["metrics"] for run in (a, b))
        said = (
            f"From A to {name} the target, {target}, {words.movement(before, after, len(b.result['items']))}"
        )
    if LOSSES not in same:
        return f"{said}. Their losses do not compare." if LISTS in same else f"{said}, nor do their losses."
    saved = a.result["loss"] - b.result["loss"]
    if abs(saved) < 0.005:
        return f"{said}. The loss of the target is the same."
    return (
        f"{said}. {name}'s loss of the target is {abs(saved):.2f} nats {'lower' if saved > 0 else 'higher'}."
    )
