"""Whole-catalogue search: time and recall of its top 10 by beam width, against the proven best list.

    python -m tests.benchmarks.catalogue --dataset games [--users 5] [--widths 20 800] [--threads 2]

Reads a data set of the workspace (`python -m engine import`). The best list is that of a search so wide that
it proves its list; with --check it is compared with every title scored on its own (slow: minutes a user on a
large catalogue). Times: of the search after the prompt, and of the whole request, once the model is loaded
and the titles are encoded. Prints numbers, asserts nothing.
"""

import argparse
import os
import statistics
import time
from dataclasses import dataclass, field

import torch

from db import datasets
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.baselines.evaluation import drawn_users
from engine.context import Engine, resolve
from engine.llm.generation.beam_search import Found, search
from engine.llm.generation.prefix_tree import TitleTree, build
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.log_probs import Prefix, answer_logprobs, prefill
from engine.prompts import Example, fit
from engine.tasks.catalogue import recommend
from engine.tasks.inputs import chosen_for

TOP = 10
WIDEST = 1 << 14


@dataclass
class Width:
    """What one width gave: seconds and recall per user, and how many lists were proven."""

    seconds: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)
    proven: int = 0


def prompt_of(engine: Engine, loaded: LoadedModel, request: RunRequest, room: int) -> Prefix:
    """Keys and values of the prompt that ranking would write."""
    context = resolve(engine, request)
    chosen = chosen_for(context).entries
    demos = [Example(tuple(i.title for i in e.history), e.answer.title, e.answer.rating) for e in chosen]
    titles = [one.title for one in context.query.history]
    encoded = fit(loaded.encoder, "plain", "sum", demos, titles, room).encoded
    return prefill(loaded, encoded.ids, encoded.owners())


def proven(loaded: LoadedModel, prompt: Prefix, tree: TitleTree) -> Found:
    """The list that no wider search can change."""
    width = 128
    while True:
        found = search(loaded, prompt, tree, TOP, width)
        if found.proven or width >= WIDEST:
            return found
        width *= 4


def scored_one_by_one(loaded: LoadedModel, prompt: Prefix, tree: TitleTree) -> list[int]:
    """The best items by the likelihood of every title of the catalogue."""
    scores = answer_logprobs(loaded, prompt, [tree.row(row).tolist() for row in range(len(tree))])
    rows = sorted(range(len(tree)), key=lambda row: (-scores[row], int(tree.items_of(row)[0])))
    return [int(item) for row in rows[:TOP] for item in tree.items_of(row)][:TOP]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="simulated")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--demos", default="neighbours:4")
    parser.add_argument("--users", type=int, default=5)
    parser.add_argument("--widths", type=int, nargs="+", default=[10, 20, 50, 200, 800])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with Store.open(Settings()) as store:
        engine = Engine(store, Settings())
        measure(engine, options)


def measure(engine: Engine, options: argparse.Namespace) -> None:
    """Run every width for every user."""
    dataset = datasets.get(engine.store, options.dataset)
    loaded = engine.load(engine.registered(options.model))
    begin = time.perf_counter()
    tree = build(loaded.encoder, datasets.catalogue(engine.store, dataset.id).titles)
    print(
        f"{len(tree):,} titles, {len(tree.tokens):,} tokens, encoded in {time.perf_counter() - begin:.2f} s"
    )
    users = drawn_users(datasets.columns(engine.store, dataset.id), options.users, 0)
    room = loaded.context_length - int(tree.lengths.max())
    widths = {width: Width() for width in options.widths}
    for user in users:
        request = RunRequest(dataset.name, user, model=options.model, demos=options.demos, scoring="sum")
        prompt = prompt_of(engine, loaded, request, room)
        best = proven(loaded, prompt, tree)
        if options.check:
            alone = scored_one_by_one(loaded, prompt, tree)
            print(f"user {user}: proven {best.proven}, the list of all titles {alone == best.items}")
        for width, noted in widths.items():
            begin = time.perf_counter()
            found = search(loaded, prompt, tree, TOP, width)
            noted.seconds.append(time.perf_counter() - begin)
            noted.recall.append(len(set(found.items) & set(best.items)) / TOP)
            noted.first.append(found.items[0] == best.items[0])
            noted.proven += found.proven
    for width, noted in widths.items():
        print(
            f"width {width:4d}: search median {statistics.median(noted.seconds):.2f} s, longest "
            f"{max(noted.seconds):.2f} s; recall of the top {TOP} {statistics.mean(noted.recall):.3f} (least "
            f"{min(noted.recall):.1f}), first item found {sum(noted.first)} of {len(users)}, proven "
            f"{noted.proven} of {len(users)}"
        )
    whole(engine, options, dataset.name, users)


def whole(engine: Engine, options: argparse.Namespace, name: str, users: list[str]) -> None:
    """Time of a request: with demonstrations and without, at each width."""
    for width in options.widths:
        times: list[dict[str, float]] = []
        for user in [users[0], *users]:  # the first one encodes the titles and is not counted
            request = RunRequest(name, user, model=options.model, demos=options.demos)
            times.append(recommend(engine, request, TOP, width)["timings_ms"])
        parts = {part: statistics.median(one[part] for one in times[1:]) / 1000 for part in times[0]}
        print(f"request at width {width}: " + ", ".join(f"{part} {s:.2f} s" for part, s in parts.items()))


if __name__ == "__main__":
    main()
