"""The story of one run: what its demonstrations did to the list, which of them did it, how sure that is."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.charts.bump import joined, mark
from dashboard.report import facts, pictures
from dashboard.report.story import Step, Story, Table, Text, framed, said, told
from dashboard.text import words
from dashboard.text.formats import day, number, plural, rank_number, seconds, signed
from dashboard.text.literal import md, plain
from db import runs, texts
from db.demonstrations import ANSWER, HISTORY, shows
from db.effect_results import UNITS
from db.errors import NotFound
from db.requests import request_notes
from db.runs import Effects, Run
from db.store import Store

MOST = 20  # ranks drawn; the table beside has them all
LETTERS = 200
NOT_MEASURED = "What each demonstration does was not measured for this run."
RECONSTRUCTION = (
    "Effects are a reconstruction of LRGD (arXiv 2504.04386): how far each demonstration moves the model "
    "toward the target, shared among demonstrations as Shapley values."
)
SHOWN = {ANSWER: "as its answer", HISTORY: "in its history", None: ""}
ORDER = (("reprompt", "margin"), ("direct", "margin"), ("reprompt", "loss"), ("direct", "loss"))
"""Mode and measure of the effects that are told: the first that were measured."""


def measured(store: Store, run: Run) -> Effects | None:
    """The effects of a run that are told."""
    found = (runs.shown_effects(store, run.key, mode, measure) for mode, measure in ORDER)
    return next((each for each in found if each is not None), None)


def story(store: Store, run: Run) -> Story:
    """What is told of a run."""
    result, request, effects = run.result, run.request, measured(store, run)
    is_simulated = facts.simulated(store, run)
    return Story(
        kind="run",
        title=f"What demonstrations do for user {plain(request.user, 40)}",
        about=plain(f"{run.model} on {request.dataset} · {plural(len(result['items']), 'candidate')}", 160),
        ids=(run.key,),
        steps=tuple(_steps(run, effects)),
        method=said(_how_ranked(run), *_how_measured(effects)),
        limits=said(
            facts.SIMULATED if is_simulated else None,
            facts.ONE_USER,
            *(result.get("notes") or []),
            *request_notes(request, result),
            *(effects.result.get("notes") or [] if effects else []),
        ),
        tables=told(_inputs(run), _times(run)),
        texts=prompt(store, run),
        facts=facts.of_run(store, run),
        commands=(
            *facts.data_first([(request.dataset, is_simulated)]),
            facts.rank_again(run),
            *([facts.effects_again(run, effects.options)] if effects else []),
            facts.report_again([run.key[:12]]),
        ),
    )


def _steps(run: Run, effects: Effects | None) -> list[Step]:
    steps = [_list_step(run)]
    if run.result["demonstrations"]:
        steps += [_effects_step(run, effects), *([_trust_step(effects)] if effects else [])]
    return [*steps, _history_step(run)]


def _list_step(run: Run) -> Step:
    result = run.result
    rows = joined(result["zero_shot"], result["items"])
    table = pd.DataFrame(
        {
            "rank": [rank_number(row.ranks[1]) for row in rows],
            "without": [rank_number(row.ranks[0]) for row in rows],
            "moved": [mark(row) for row in rows],
            "item": [
                f"**{md(row.title, LETTERS)}** :gray[target]" if row.is_target else md(row.title, LETTERS)
                for row in rows
            ],
            "score": [number(row.scores[1]) for row in rows],
        }
    )
    if not result["demonstrations"]:
        table = table.drop(columns=["without", "moved"])
    return Step(
        "The list",
        words.recommend(result, None),
        "Rank of each candidate without demonstrations (left) and with them (right). Gold is the target, "
        "what this user really chose; blue moves up, orange moves down.",
        (pictures.lists(rows, ("without demonstrations", "with demonstrations"), MOST),),
        (framed("All candidates", table),),
    )


def _effects_step(run: Run, effects: Effects | None) -> Step:
    views = run.result["demonstrations"]
    marks = shown_target(run)
    if effects is None:
        table = _demonstrations(views, None, marks)
        return Step("The demonstrations", NOT_MEASURED, tables=(table,), more=said(_target_shown(marks)))
    found = effects.result
    by_id = {entry["id"]: entry for entry in found["demonstrations"]}
    rows = [(f"→ {plain(view['answer']['title'])}", by_id.get(view["id"])) for view in views]
    drawn = [(name, entry) for name, entry in rows if entry is not None]
    unit = UNITS[found["measure"]]
    return Step(
        "The demonstrations",
        words.shares(views, found) or "No demonstration was measured.",
        f"{words.meaning(found)} Right helps, left hurts. Tick: that one alone left out. Line: 95 % "
        "interval.",
        (pictures.effects(drawn, unit),) if drawn else (),
        (_demonstrations(views, found, marks),),
        said(_target_shown(marks), words.redundancy(found), words.opposed(found)),
    )


def shown_target(run: Run) -> list[str | None]:
    """Where each demonstration shows the target's item (`db.demonstrations.shows`)."""
    target = run.result["target"]["item"], run.result["target"]["title"]
    return [
        shows(
            [(item["item"], item["title"]) for item in view.get("history") or []],
            (view["answer"]["item"], view["answer"]["title"]),
            target,
        )
        for view in run.result["demonstrations"]
    ]


def _target_shown(marks: Sequence[str | None]) -> str:
    """How many demonstrations show the target itself: the model may copy it from there. Empty for none."""
    parts = [f"{marks.count(place)} {SHOWN[place]}" for place in (ANSWER, HISTORY) if place in marks]
    if not parts:
        return ""
    return (
        f"Demonstrations that show the target itself: {' and '.join(parts)}, of {len(marks)}. A model may "
        "copy it from there."
    )


def _demonstrations(views: list[dict], found: Mapping[str, Any] | None, marks: Sequence[str | None]) -> Table:
    by_id = {entry["id"]: entry for entry in found["demonstrations"]} if found else {}
    unit = UNITS[found["measure"]] if found else ""
    rows = {
        "": [str(at) for at, _ in enumerate(views, start=1)],
        "demonstration": [md(words.short(view, LETTERS)) for view in views],
        "source": [md(words.source_line(view)) for view in views],
        "weight": [number(view["weight"], 2) for view in views],
    }
    if any(marks):
        rows["shows the target"] = [SHOWN[mark] for mark in marks]
    if found:
        entries = [by_id.get(view["id"], {}) for view in views]
        rows |= {
            f"effect, {unit}": [signed(entry.get("effect")) for entry in entries],
            "95 % interval": [_interval(entry.get("interval")) for entry in entries],
            "alone left out": [signed(entry.get("leave_one_out")) for entry in entries],
            "loss, nats": [signed(entry.get("loss_effect")) for entry in entries],
        }
    return framed("Demonstrations", pd.DataFrame(rows))


def _interval(interval: list[float] | None) -> str:
    if interval is None:
        return "not known"
    low, high = interval
    return "exact" if low == high else f"{signed(low)} to {signed(high)}"


def _trust_step(effects: Effects) -> Step:
    found = effects.result
    return Step("How far that can be trusted", words.faithfulness(found), words.how_measured(found))


def _history_step(run: Run) -> Step:
    shown = run.result.get("history") or []
    target = run.result["target"]
    entries = [*shown, target]
    columns = {
        "item": [md(entry["title"], LETTERS) for entry in shown]
        + [f"**{md(target['title'])}** :gray[target]"],
        "category": [md(entry["category"]) if entry.get("category") else "–" for entry in entries],
        "rating": [f"{entry['rating']:g}" if entry.get("rating") is not None else "–" for entry in entries],
        "day": [day(entry.get("timestamp")) for entry in entries],
    }
    known = {name: cells for name, cells in columns.items() if set(cells) != {"–"}}
    what = words.TARGETS.get(target["kind"], "the target")
    return Step(
        "The user",
        f"The prompt shows {plural(len(shown), 'item')} of the history of user "
        f"{plain(run.request.user, 40)}; to be predicted is {what}, {plain(target['title'], 80)}.",
        "The history as the model read it, oldest first; the target was not shown.",
        tables=(framed("History in the prompt", pd.DataFrame(known)),),
    )


def _how_ranked(run: Run) -> str:
    labels = dict(facts.inputs(run.request, "candidate_kind", "scoring", "template", "demos"))
    size, model = run.result["candidates"].get("size", len(run.result["items"])), run.result["model"]
    return (
        f"{plain(model.get('name'), 80)} scored {plural(size, 'candidate')} ({labels['Kind of candidates']} "
        f"beside the target) by {labels['Scoring']}, once with the history alone and once with "
        f"demonstrations before it, with the prompt template {labels['Prompt template']}."
    )


def _how_measured(effects: Effects | None) -> tuple[str, ...]:
    if effects is None:
        return ()
    return RECONSTRUCTION, words.meaning(effects.result), words.how_measured(effects.result)


def _inputs(run: Run) -> Table:
    rows = [(md(label), md(value)) for label, value in facts.inputs(run.request)]
    return framed("All inputs", pd.DataFrame(rows, columns=["input", "value"]))


def _times(run: Run) -> Table:
    rows = [(step.replace("_", " "), seconds(value / 1000)) for step, value in run.timings_ms.items()]
    rows.append(("tokens of the prompt", number(run.result.get("prompt", {}).get("tokens"), 0)))
    return framed("Time, when first computed, and tokens", pd.DataFrame(rows, columns=["step", "value"]))


def prompt(store: Store, run: Run) -> tuple[Text, ...]:
    """The text that the model read, where the run kept it."""
    key = run.result.get("prompt", {}).get("hash")
    try:
        return (Text("The prompt, as the model read it", texts.get(store, key)),) if key else ()
    except NotFound:
        return ()
