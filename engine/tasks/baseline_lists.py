"""What ranks a run's own candidates without a language model: copies of its demonstrations, and conventional
recommenders for the same user, history and moment.

Boundary: a stored run in, ranked lists in the shape of the run's out, ready for JSON.
"""

from collections.abc import Sequence
from typing import Any

from db import datasets
from db.choices import COPIES, OTHER_LISTS
from db.errors import NotFound
from db.runs import Run
from engine.context import Engine
from engine.demos import copies
from engine.evaluation.metrics import order, standing
from engine.progress import Clock, Report, quiet
from engine.tasks.hints import known_to, scores_of

COPIED = "the demonstrations in the prompt"
"""What a copy knows."""


def baseline_lists(engine: Engine, run: Run, report: Report = quiet) -> dict[str, Any]:
    """`{lists: [{name, items, rank, tied, knows, seconds} or {name, missing}]}`; `missing` says why a list is
    not there. `rank`: the target's expected one, `tied`: other candidates with the target's score. Items with
    equal scores stand in the order of their ids.

    What only counts is fitted on the spot, what is trained must have been fitted. Raises NotFound where the
    data set or its items are gone.
    """
    request, listed = run.request, sorted(run.result["items"], key=lambda row: row["item"])
    dataset = datasets.get(engine.store, request.dataset)
    known = datasets.item_by_ids(engine.store, dataset.id, [row["item"] for row in listed])
    if gone := [row["item"] for row in listed if row["item"] not in known]:
        raise NotFound(f"{dataset.name} no longer holds the item {gone[0]!r} that this run ranked.")
    offered = [known[row["item"]].item for row in listed]
    target = next(place for place, row in enumerate(listed) if row["is_target"])
    lists: list[dict[str, Any]] = []
    for done, name in enumerate(OTHER_LISTS):
        report(done / len(OTHER_LISTS), OTHER_LISTS[name].label)
        clock = Clock()
        try:
            if name in COPIES:
                scores = _copied(name, run, [row["item"] for row in listed])
            else:
                scores = scores_of(engine, dataset, name, request.user, request.target, offered).tolist()
        except NotFound as error:
            lists.append({"name": name, "missing": str(error).removeprefix("hint: ")})
            continue
        items = [
            {**listed[place], "rank": rank, "score": scores[place]}
            for rank, place in enumerate(order(scores), 1)
        ]
        stands = standing(scores, target)
        counts = {"rank": stands.rank, "tied": stands.tied}
        told = COPIED if name in COPIES else known_to(engine, dataset, name, request.target)
        lists.append(
            {"name": name, "items": items, **counts, "knows": told, "seconds": round(clock.seconds, 3)}
        )
    return {"lists": lists}


def _copied(name: str, run: Run, offered: Sequence[str]) -> list[float]:
    """What a copy scores these items, from the demonstrations that the run's prompt had room for. NotFound
    where it has none."""
    dropped = {lost["index"] for lost in run.result["prompt"]["dropped"] if lost["kind"] == "demo"}
    shown = [demo for at, demo in enumerate(run.result["demonstrations"]) if at not in dropped]
    if not shown:
        raise NotFound("the prompt shows no demonstrations that could be copied.")
    items = [([row["item"] for row in demo["history"]], demo["answer"]["item"]) for demo in shown]
    return copies.scores(name, items, [demo["weight"] for demo in shown], offered)
