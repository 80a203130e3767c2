"""Whole-catalogue search: time and recall of its top 10 by beam width, against the proven best list.

The best list is that of a search so wide that it proves its list. Times are of the search after the prompt,
and of the whole request once the model is loaded and the titles are encoded.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from db import datasets
from db.requests import RunRequest
from engine.context import Engine, resolve
from engine.evaluation.users import drawn_users
from engine.llm.generation.beam_search import Found, search
from engine.llm.generation.prefix_tree import TitleTree, build
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix, Row, prefill
from engine.llm.scoring.packed import Prompt, read
from engine.prompts import PLAIN, fit
from engine.tasks.catalogue import recommend
from engine.tasks.inputs import chosen_for

TOP = 10
WIDTHS = (10, 20, 50, 200, 800)
WIDEST = 1 << 14


@dataclass
class WidthResult:
    """What one beam width gave: search seconds and recall of the top 10 [users], and counts of users."""

    seconds: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    first_found: int = 0
    proven: int = 0


def catalogue_search(
    engine: Engine,
    dataset_name: str,
    model: str,
    demos: str,
    users: int,
    widths: Sequence[int],
    check: bool,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Run every beam width for so many drawn users; seconds are medians over users.

    check: compare the proven list with every title scored on its own (minutes a user on a large catalogue).
    """
    dataset = datasets.get(engine.store, dataset_name)
    loaded = engine.load(engine.registered(model))
    started = time.perf_counter()
    tree = build(loaded.encoder, datasets.catalogue(engine.store, dataset.id).titles)
    encode_s = time.perf_counter() - started
    user_ids = drawn_users(datasets.columns(engine.store, dataset.id), users, 0)
    room = loaded.context_length - int(tree.lengths.max())
    results = {width: WidthResult() for width in widths}
    checked: list[dict[str, Any]] = []
    for user_id in user_ids:
        report(f"Searching for user {user_id}")
        request = RunRequest(dataset.name, user_id, model=model, demos=demos, scoring="sum")
        prompt = prompt_of(engine, loaded, request, room)
        best = proven_list(loaded, prompt, tree)
        if check:
            same = scored_one_by_one(loaded, prompt, tree) == best.items
            checked.append({"user": user_id, "proven": best.proven, "equals_all_titles_scored": same})
        for width, result in results.items():
            _search(loaded, prompt, tree, width, best, result)
    return {
        "bench": "catalogue",
        "dataset": dataset.name,
        "model": loaded.name,
        "titles": len(tree),
        "title_tokens": len(tree.tokens),
        "threads": torch.get_num_threads(),
        "encode_s": encode_s,
        "users": len(user_ids),
        "checked": checked,
        "rows": [
            {
                "width": width,
                "search_s": statistics.median(result.seconds),
                "longest_search_s": max(result.seconds),
                "recall": statistics.mean(result.recall),
                "least_recall": min(result.recall),
                "first_found": result.first_found,
                "proven": result.proven,
                "request_s": _request_seconds(engine, dataset.name, model, demos, user_ids, width),
            }
            for width, result in results.items()
        ],
    }


def prompt_of(engine: Engine, loaded: LoadedModel, request: RunRequest, room: int) -> Prefix:
    """Keys and values of the prompt that ranking would write, in at most `room` tokens."""
    context = resolve(engine, request)
    chosen = chosen_for(context).entries
    demos = [entry.example for entry in chosen]
    titles = [item.title for item in context.query.history]
    encoded = fit(loaded.encoder, PLAIN, "sum", demos, titles, room).encoded
    return prefill(loaded, encoded.ids, encoded.owners())


def proven_list(loaded: LoadedModel, prompt: Prefix, tree: TitleTree) -> Found:
    """The list that no wider search can change; unproven where even the width `WIDEST` leaves a doubt."""
    width = 128
    while True:
        best = search(loaded, prompt, tree, TOP, width)
        if best.proven or width >= WIDEST:
            return best
        width *= 4


def scored_one_by_one(loaded: LoadedModel, prompt: Prefix, tree: TitleTree) -> list[int]:
    """The best items by the likelihood of every title of the catalogue."""
    titles = [tuple(tree.row(row).tolist()) for row in range(len(tree))]
    # Its last token is read again: it predicts the first one of every title.
    base = prompt.cut(len(prompt) - 1)
    asked = Prompt(prompt.ids[-1:], (-1,), tuple(Row(ids, len(ids)) for ids in titles), base)
    scores = read(loaded, [asked])[0].logprobs.tolist()
    rows = sorted(range(len(tree)), key=lambda row: (-scores[row], int(tree.items_of(row)[0])))
    return [int(item) for row in rows[:TOP] for item in tree.items_of(row)][:TOP]


def _search(
    loaded: LoadedModel, prompt: Prefix, tree: TitleTree, width: int, best: Found, result: WidthResult
) -> None:
    """Time one search and compare its list with the best one."""
    started = time.perf_counter()
    listed = search(loaded, prompt, tree, TOP, width)
    result.seconds.append(time.perf_counter() - started)
    result.recall.append(len(set(listed.items) & set(best.items)) / TOP)
    result.first_found += listed.items[0] == best.items[0]
    result.proven += listed.proven


def _request_seconds(
    engine: Engine, dataset: str, model: str, demos: str, user_ids: Sequence[str], width: int
) -> dict[str, float]:
    """Median seconds of each part of a whole request, with demonstrations and without."""
    timings: list[dict[str, float]] = []
    for user_id in [user_ids[0], *user_ids]:  # the first one encodes the titles and is not counted
        request = RunRequest(dataset, user_id, model=model, demos=demos)
        timings.append(recommend(engine, request, TOP, width)["timings_ms"])
    return {part: statistics.median(timing[part] for timing in timings[1:]) / 1000 for part in timings[0]}
