"""How far a model already knows a catalogue: its titles, its histories, and what rankings gain by the names.

Boundary: a request in, evidence with controls, intervals and a verdict out. Titles are cut and completed
(`title_completion`); users are asked with their history in order, shuffled and of somebody else, and with
every title in made-up words (`renamed_users`); what follows is in `contamination_verdict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from db import datasets
from db.errors import BadInput
from db.models import ModelInfo
from db.requests import StudyRequest
from db.store import Store
from engine.context import Engine
from engine.data.twin_titles import GRAMMAR, Twin
from engine.evaluation.metrics import Standing, metrics
from engine.evaluation.statistics import estimate, running
from engine.progress import Report
from engine.studies import renamed_users
from engine.studies.checkpoint import Checkpoint
from engine.studies.contamination_verdict import EVIDENCE, STATES, evidence, pairs, verdict
from engine.studies.plan import (
    Plan,
    described,
    described_model,
    identity,
    key,
    last_purchases,
    mean,
    notes,
    run_context,
)
from engine.studies.table_cells import Table, difference, interval
from engine.studies.title_completion import SHOWN, Guesser, drawn, lead, measured, partners
from engine.tasks.inputs import Inputs, gather

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel

ROW, TITLES = "user", "titles"
PER_USER = 2
"""Titles that are measured for each user who is."""

AT_ONCE = 32  # titles measured between two reports
COLUMNS = ("zero_shot", "demonstrations")

KEPT = (
    "Made-up titles keep the number and order of words, their letters' number and case (one more where short "
    "words are all in use), punctuation, the length of numbers, words of grammar "
    f"({', '.join(sorted(GRAMMAR))}), and which words titles share, so that a series or a brand stays one. "
    "Items, lists and demonstrations are the same; demonstrations are chosen by the real titles."
)


def run(
    engine: Engine, request: StudyRequest, report: Report, before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Evidence, cells, paired tests and the verdict, ready for JSON.

    `report(progress, message, partial)` is called before every part; given the last `partial` as `before`, an
    equal study resumes from it. Raises BadInput, NotFound, ModelError.
    """
    plan, info = last_purchases(engine, request), engine.local(request.model)
    loaded, catalogue = engine.load(info), datasets.catalogue(engine.store, plan.dataset.id)
    known = drawn(loaded.encoder, catalogue.titles, catalogue.counts, plan.dataset.origin, request.seed)
    shown = known[: min(SHOWN, len(known) // 2)]
    asked, before_each = known[len(shown) :][: PER_USER * request.users], lead(loaded.encoder, shown)
    parts = range(0, len(asked), AT_ONCE)
    total = len(parts) + len(plan.questions)
    checkpoint = Checkpoint(identity(engine, request, plan, {ROW: info}), total, report, before, so_far)
    both, guesser = list(zip(asked, partners(asked), strict=True)), Guesser(known)
    for number, start in enumerate(parts):
        of = partial(measured, loaded, before_each, both[start : start + AT_ONCE], guesser)
        checkpoint.measured(key(TITLES, number), of, f"titles {start + 1} of {len(asked)}")
    _users(engine, request, plan, info, loaded, catalogue.titles, checkpoint)
    titles = [one for number in range(len(parts)) for one in checkpoint[key(TITLES, number)]]
    users = [checkpoint[key(ROW, number)] for number in range(len(plan.questions))]
    return result(engine.store, request, plan, info, titles, users, checkpoint.seconds)


def _users(
    engine: Engine,
    request: StudyRequest,
    plan: Plan,
    info: ModelInfo,
    loaded: LoadedModel,
    titles: list[str],
    checkpoint: Checkpoint,
) -> None:
    """Every user measured, into the checkpoint."""
    count = len(plan.questions)
    contexts = [
        run_context(engine, request, plan, info, question, request.demos) for question in plan.questions
    ]
    histories = [context.query.history for context in contexts]
    rename = Twin(titles, request.seed, lambda text: len(loaded.encoder.ids(text))).title

    def measure(number: int) -> dict[str, Any]:
        inputs: Inputs = gather(contexts[number])
        other = renamed_users.other_history(histories, number, inputs.target)
        return renamed_users.measured(inputs, rename, other)

    for number in range(count):
        checkpoint.measured(key(ROW, number), partial(measure, number), f"user {number + 1} of {count}")


def tables(result: dict[str, Any]) -> list[Table]:
    """Every piece of evidence beside its control, and the rankings by titles."""
    rows = [
        [
            row["label"],
            f"{row['real_label']}: {interval(row['real'])}",
            f"{row['control_label']}: {interval(row['control'])}",
            f"{difference(row['difference'])} {row['unit']}",
            row["difference"]["n"],
            STATES[row["state"]],
        ]
        for row in result["evidence"]
    ]
    cells = [[cell["row"], cell["column"], interval(cell["ndcg10"]), cell["n"]] for cell in result["cells"]]
    return [
        (["what", "real", "control", "difference", "n", "says"], rows),
        (["titles", "prompt", "NDCG@10", "users"], cells),
    ]


def result(
    store: Store,
    request: StudyRequest,
    plan: Plan,
    info: ModelInfo,
    titles: list[dict[str, Any]],
    users: list[dict[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """The tables as JSON, from what was measured. Raises BadInput where no two titles could be cut."""
    if len(titles) < 2:
        raise BadInput(
            f"Fewer than two titles of {plan.dataset.name!r} have two words with a blank between, so that "
            "none can be completed from its first half."
        )
    values = pairs(titles, users)
    rows = evidence(values, request.seed)
    name, sentence = verdict(rows, info.name, plan.dataset.name)
    tested = {row["name"]: row["difference"] for row in rows}
    names = dict(zip(("names", "names_demonstrations"), COLUMNS, strict=True))
    return {
        **described(request, plan),
        "users": len(users),
        "titles": len(titles),
        "model": described_model(store, request, info),
        "evidence": rows,
        "cells": [
            {
                "row": kind,
                "column": column,
                "n": len(users),
                "ndcg10": estimate(values[part][place], request.seed),
            }
            for place, kind in enumerate(("real", "twin"))
            for part, column in names.items()
        ],
        "tests": [
            {"better": ["real", column], "than": ["twin", column], "ndcg10": tested[part]}
            for part, column in names.items()
        ],
        "verdict": name,
        "claim": sentence,
        "notes": [*notes(request, plan, {ROW: info}), *_notes(titles, users)],
        "seconds": round(seconds, 1),
    }


def _notes(titles: list[dict[str, Any]], users: list[dict[str, Any]]) -> list[str]:
    shown = {kind: mean([user["shown"][kind] for user in users]) for kind in ("real", "twin")}
    said = [KEPT, *(row.blind for row in EVIDENCE if row.blind)]
    if shown["real"] != shown["twin"]:
        said.append(
            f"Prompts had room for {shown['real']:.2f} demonstrations with real titles and for "
            f"{shown['twin']:.2f} with made-up ones, which take more tokens."
        )
    alone = sum(title["other"] is None for title in titles)
    if alone:
        said.append(f"{alone} of {len(titles)} titles have no other one whose second half is as long.")
    if all(user["real"] is None for user in users):
        said.append("The model's prompts hold no titles as answers: histories were not compared.")
    return said


def so_far(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mean NDCG@10 of every cell over the users done, with its interval, for a page to show."""
    cells: dict[str, dict[str, list[float]]] = {}
    for name, user in values.items():
        if not name.startswith(f"{ROW}/"):
            continue
        for kind, columns in user["standing"].items():
            for column, counts in columns.items():
                cell = cells.setdefault(kind, {}).setdefault(column, [])
                cell.append(metrics(Standing(*counts))["ndcg10"])
    return {
        "ndcg10": {
            row: {column: running(cell) for column, cell in columns.items()} for row, columns in cells.items()
        }
    }
