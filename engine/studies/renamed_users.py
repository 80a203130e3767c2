"""One user put to a model in several ways: the history in its order, in others, of somebody else; and with
every title in made-up words.

Nothing but titles is renamed: items, lists, and the demonstrations, which are chosen by real titles, stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db.datasets import Interaction
from engine.data.draws import shuffled
from engine.demos.query import PoolEntry
from engine.evaluation.metrics import standing
from engine.tasks.inputs import Inputs

if TYPE_CHECKING:
    from engine.llm.scoring.ranking import Task

ORDERS = 4
"""Shuffled orders of a history, whose likelihoods are averaged."""

PER_TOKEN = "mean"

Renaming = Callable[[str], str]


def renamed(inputs: Inputs, rename: Renaming) -> Inputs:
    """The same with the titles of history, demonstrations and candidates renamed, and brands too."""

    def row(shown: Interaction) -> Interaction:
        brand = None if shown.brand is None else rename(shown.brand)
        return replace(shown, title=rename(shown.title), brand=brand)

    def entry(one: PoolEntry) -> PoolEntry:
        return replace(one, history=[row(each) for each in one.history], answer=row(one.answer))

    query = replace(
        inputs.query, history=[row(each) for each in inputs.query.history], target=row(inputs.query.target)
    )
    return replace(
        inputs,
        query=query,
        chosen=tuple(map(entry, inputs.chosen)),
        titles=tuple(map(rename, inputs.titles)),
    )


def other_history(
    histories: Sequence[Sequence[Interaction]], number: int, target: Interaction
) -> Sequence[Interaction] | None:
    """The history, as long, of the next user in the circle who has one without the target; None: nobody."""
    length = len(histories[number])
    for other in (*histories[number + 1 :], *histories[:number]):
        shown = other[-length:]
        if len(shown) == length and target.item not in {row.item for row in shown}:
            return shown
    return None


def measured(inputs: Inputs, rename: Renaming, other: Sequence[Interaction] | None) -> dict[str, Any]:
    """`{real, shuffled, other, standing, shown}` of one user.

    The first three: log-likelihood per token (nats) of the target's title, None where it cannot be measured:
    in order the history as it is, the mean over shuffled ones, somebody else's. `standing`: by titles (real,
    twin) and demonstrations (zero_shot, demonstrations) how many candidates stand above and level with the
    target. `shown`: demonstrations that had room, by titles.
    """
    from engine.llm.scoring.ranking import rank_all

    asked = {"real": inputs.task(), "twin": renamed(inputs, rename).task()}
    likelihoods = _histories(inputs, asked["real"], other)
    told = rank_all(inputs.context.loaded, [*asked.values(), *likelihoods.values()])
    by_titles = dict(zip(asked, told, strict=False))
    found = dict(zip(likelihoods, (one.scores[0] for one in told[len(asked) :]), strict=True))
    orders = [value for name, value in found.items() if name.startswith("order")]
    return {
        "real": found.get("real"),
        "shuffled": sum(orders) / len(orders) if orders else None,
        "other": found.get("other"),
        "standing": {
            titles: {
                "zero_shot": _stands(result.scores_zero_shot, inputs),
                "demonstrations": _stands(result.scores, inputs),
            }
            for titles, result in by_titles.items()
        },
        "shown": {titles: len(result.kept) for titles, result in by_titles.items()},
    }


def _histories(inputs: Inputs, task: Task, other: Sequence[Interaction] | None) -> dict[str, Task]:
    """The target's title behind each history, without demonstrations. Empty where the template writes no
    titles."""
    if PER_TOKEN not in inputs.context.template.scorings:
        return {}
    history, context = inputs.query.history, inputs.context
    user, seed = inputs.query.user_id, inputs.request.seed
    histories = {"real": history}
    if len(history) > 1:
        draws = [shuffled(len(history), "order", user, seed, draw).tolist() for draw in range(ORDERS)]
        drawn = [[history[place] for place in draw] for draw in draws if draw != sorted(draw)]
        histories |= {f"order {n}": rows for n, rows in enumerate(drawn)}
    if other is not None:
        histories["other"] = list(other)
    bare = replace(task, demos=(), weights=None, candidates=(inputs.target.title,), target=None)
    return {
        name: replace(bare, history=context.history(rows), scoring=PER_TOKEN)
        for name, rows in histories.items()
    }


def _stands(scores: Sequence[float], inputs: Inputs) -> list[int]:
    stands = standing(scores, inputs.target_index)
    return [stands.above, stands.tied]
