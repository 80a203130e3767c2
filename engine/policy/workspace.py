"""What a policy reads of a workspace: its data set, a user's moment, demonstrations that are chosen for each
user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from db import datasets
from db.datasets import DatasetInfo, Interaction
from db.errors import DualensError, NotFound
from db.policies import Policy
from db.requests import RunRequest
from db.requests.strategy_spec import parse_spec
from db.store import Store
from engine.context import Engine, resolve
from engine.data.candidates import candidate_list
from engine.demos import query as queries
from engine.demos import selection
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Reader
from engine.prompts import Template

NOBODY = -1
"""The user number of somebody who is not in the data set."""

NOW = 2**62
"""A moment (unix seconds) by which everything of a data set is known."""


def dataset_of(store: Store, policy: Policy) -> DatasetInfo:
    """The data set of a policy. Raises NotFound where the workspace has none of this content."""
    wanted = policy.data
    try:
        found = datasets.get(store, wanted.name)
        holds = f"holds {wanted.name!r} with other content ({found.fingerprint[:12]})"
    except NotFound:
        found, holds = None, f"has no data set {wanted.name!r}"
    if found is None or found.fingerprint != wanted.fingerprint:
        raise NotFound(
            f"This policy reads the data set {wanted.name!r} (content {wanted.fingerprint[:12]}), and the "
            f"workspace {str(store.settings.home)!r} {holds}. Open the workspace where the policy was "
            "written, import the same data, or write a policy with fixed demonstrations."
        )
    return found


def of_user(store: Store, dataset: DatasetInfo, user: str, history: int) -> Query:
    """The moment before the last purchase of a user, as the engine ranks it. Raises NotFound."""
    return queries.build(store, dataset, user, "test", history)


def anonymous(dataset: DatasetInfo, history: int, purchases: Sequence[Interaction]) -> Query:
    """The moment after these purchases, for somebody who is not in the data set: all of it is known.

    history: how many of them a prompt shows.
    """
    return Query(
        user=NOBODY,
        user_id="",
        target_position=len(purchases),
        target_timestamp=NOW if dataset.has_timestamps else None,
        history=list(purchases[-history:]),
        held_out=0,
        target=None,  # type: ignore[arg-type]  # nothing that chooses demonstrations reads it
    )


def listed(store: Store, dataset: DatasetInfo, policy: Policy, query: Query) -> tuple[str, ...]:
    """Titles of the user's candidate list, as the engine draws it."""
    settings = policy.candidates
    drawn = candidate_list(
        store, dataset, query.user, query.target_position, settings.kind, settings.count, settings.seed
    )
    found = datasets.items(store, dataset.id, drawn.items)
    return tuple(found[item].title for item in drawn.items)


def items(store: Store, dataset: DatasetInfo, named: Sequence[str]) -> dict[str, Interaction]:
    """The items of these ids, else of these titles; what is neither is left out."""
    found = {name: item.item for name, item in datasets.item_by_ids(store, dataset.id, named).items()}
    if rest := {_plain(name): name for name in named if name not in found}:
        for number, title in enumerate(datasets.catalogue(store, dataset.id).titles):
            if (name := rest.pop(_plain(title), None)) is not None:
                found[name] = number
    rows = datasets.items(store, dataset.id, found.values())
    return {
        name: Interaction(0, n, rows[n].item_id, rows[n].title, None, None, rows[n].category, rows[n].brand)
        for name, n in found.items()
    }


def chosen(
    engine: Engine, dataset: DatasetInfo, policy: Policy, template: Template, query: Query
) -> list[PoolEntry]:
    """The demonstrations that the policy's strategy chooses, in prompt order."""
    return selection.choose(
        engine.store,
        dataset,
        query,
        parse_spec(policy.strategy),
        policy.seed,
        _reader(engine, dataset, policy, template, query),
        policy.control_of,
    )


def _reader(engine: Engine, dataset: DatasetInfo, policy: Policy, template: Template, query: Query) -> Reader:
    """Vectors and lengths by the policy's model, which is looked up when a strategy asks for them."""

    def reader() -> Reader:
        request = RunRequest(
            dataset=dataset.name,
            user=query.user_id or "-",
            model=policy.model.name,
            demos=policy.strategy,
            embedding=policy.embedding,
            scoring=policy.scoring,
            turns=policy.turns,
        )
        try:
            context = replace(resolve(engine, request, template), moment=query)
        except DualensError as error:
            raise type(error)(
                f"{policy.strategy} compares titles or counts tokens with the policy's model: {error}"
            ) from error
        return context.reader

    return Reader(lambda titles: reader().embed(titles), lambda entry: reader().tokens(entry))


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()
