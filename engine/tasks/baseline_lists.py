"""What conventional recommenders make of a run's own candidates: the same user, history and moment.

Boundary: a stored run in, ranked lists in the shape of the run's out, ready for JSON. No language model.
"""

from typing import Any

from db import datasets
from db.choices import BASELINES
from db.errors import NotFound
from db.runs import Run
from engine.context import Engine
from engine.evaluation.metrics import order, standing
from engine.progress import Clock, Report, quiet
from engine.tasks.hints import scores_of

KINDS = ("itemknn", "bm25", "popularity", "sasrec")


def baseline_lists(engine: Engine, run: Run, report: Report = quiet) -> dict[str, Any]:
    """`{lists: [{name, items, rank, tied, seconds} or {name, missing}]}`; `missing` says why a list is not
    there. `rank`: the target's expected one, `tied`: other candidates with the target's score. Items with
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
    for done, name in enumerate(KINDS):
        report(done / len(KINDS), BASELINES[name].label)
        clock = Clock()
        try:
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
        lists.append({"name": name, "items": items, **counts, "seconds": round(clock.seconds, 3)})
    return {"lists": lists}
