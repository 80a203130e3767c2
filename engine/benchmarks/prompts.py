"""Requests to measure with: shoppers of the simulated store with their neighbours as demonstrations."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from db import datasets
from db.requests import RunRequest
from db.settings import Settings
from db.store import Store
from engine.context import Engine, resolve
from engine.llm.scoring.ranking import Task
from engine.prompts import Example
from engine.tasks.inputs import gather
from engine.tasks.setup import (
    DATASET,
    MODEL,
    register_embedded,
    store_simulated,
)

_LONG = 12  # purchases a shopper has at least, so that every history asked for is full


@contextmanager
def shop() -> Iterator[Engine]:
    """The simulated store in a workspace of its own, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Settings(home=Path(folder), database_url=f"sqlite:///{folder}/dualens.db"))
        try:
            engine = Engine(store, Settings(home=Path(folder)))
            register_embedded(engine)
            store_simulated(engine)
            yield engine
        finally:
            store.close()


def tasks(
    engine: Engine, users: int, demos: int, candidates: int = 20, items: int = 10, seed: int = 0
) -> list[Task]:
    """One request for each of so many users: `demos` neighbours before a history of at most `items`.

    Demonstrations keep at most `items` purchases and their answer too.
    """
    dataset = datasets.get(engine.store, DATASET)
    chosen: list[Task] = []
    draw = seed
    while len(chosen) < users:
        user = datasets.random_user(engine.store, dataset.id, draw, _LONG)
        draw += 1
        request = RunRequest(
            dataset=DATASET,
            user=user.user_id,
            model=MODEL,
            demos=f"neighbours:{demos}",
            candidates=candidates,
            scoring="sum",
            history=items,
            seed=seed,
        )
        task = gather(resolve(engine, request)).task()
        if len(task.demos) == demos:
            chosen.append(
                replace(task, demos=tuple(Example(d.history[-items:], d.answer) for d in task.demos))
            )
    return chosen
