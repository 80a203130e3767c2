"""Which difference did it: how much of the change between two runs each differing input is answerable for.

Runs between the two have some inputs of the first and the others of the second. They are stored like any
other, so a job that was stopped resumes with those that are missing. Up to `MOST` inputs take all subsets and
Shapley's division (Shapley 1953), which sums to the whole change; more are swapped one at a time from both
ends, and what they do together is not divided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from db import runs
from db.comparable import lists_obstacle
from db.errors import BadInput
from db.requests import RunRequest
from db.requests.swapping import MOST, Input, mixed, separable, subsets
from db.runs import Run
from engine.context import Engine, resolve
from engine.progress import Report, counted, part, quiet
from engine.tasks.rank import rank
from engine.tasks.remote import refuse

READINGS: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    "rank": lambda result: result["metrics"]["rank"],
    "margin": lambda result: result.get("margin"),
    "ndcg10": lambda result: result["metrics"]["ndcg10"],
}
"""What is divided: the target's expected rank, its log-share, NDCG@10."""


def attribution(engine: Engine, a: str, b: str, report: Report = quiet) -> dict[str, Any]:
    """How the change of rank, margin and NDCG@10 from run A to run B divides over their inputs, as JSON.

    a, b: keys or their beginnings. `inputs[]`: `label`, `fields` and `parts` of the request, `alone` (what
    swapping it in A changes), `last` (what it changes where all others are swapped) and `shapley` (its part
    of the whole change; None for more than `MOST` inputs), each by reading. Raises NotFound, and BadInput
    where nothing lies between the two runs.
    """
    ends = [runs.get(engine.store, key) for key in (a, b)]
    _refuse(*ends)
    report(None, "reading both runs")
    for run in ends:
        _check_repeatable(engine, run, report)
    first, second = (run.request for run in ends)
    inputs = separable(first, second, lambda request: _check(engine, request))
    needed = subsets(inputs)
    found = _rank_all(engine, ends, needed, report)
    numbers = _numbers(found)
    return {
        "a": ends[0].key,
        "b": ends[1].key,
        "readings": {name: {"a": v[0], "b": v[-1], "change": v[-1] - v[0]} for name, v in numbers.items()},
        "inputs": _divided(inputs, numbers),
        "runs": [
            {"swapped": [each.label for each in swapped], "run": run.key}
            for swapped, run in zip(needed, found, strict=True)
        ],
        "notes": _notes(inputs, numbers),
    }


def _refuse(a: Run, b: Run) -> None:
    """Raises BadInput where no run lies between the two."""
    if (reason := lists_obstacle(a, b)) is not None:
        lists = [run.result["candidates"] for run in (a, b)]
        parts = [name for name in ("kind", "size", "seed") if lists[0].get(name) != lists[1].get(name)]
        of = f" (by {' and '.join(parts)})" if parts else ""
        raise BadInput(
            f"{reason} No run lies between them: users, targets and candidate lists{of} cannot be swapped. "
            "Compare runs of one user on one list."
        )
    if a.request == b.request:
        raise BadInput("The two runs have the same inputs: there is no difference to divide.")


def _check_repeatable(engine: Engine, run: Run, report: Report) -> None:
    """Raises BadInput where this engine would not come to this run again: new ones would not compare."""
    if rank(engine, run.request, report).key != run.key:
        raise BadInput(
            f"Run {run.key[:12]} was computed with other data, files, libraries or on another device than "
            "here, so runs made now would not compare with it. Its request was run again: compare that run."
        )


def _check(engine: Engine, request: RunRequest) -> None:
    """Raises what says that a request cannot be answered, as far as that is known without the model."""
    context = resolve(engine, request)
    refuse(context.model, context.request)
    _ = context.form


def _rank_all(
    engine: Engine, ends: Sequence[Run], needed: Sequence[tuple[Input, ...]], report: Report
) -> list[Run]:
    """The run of each subset. Those of one model follow each other, so that each is loaded once."""
    first, second = (run.request for run in ends)
    requests = {at: mixed(first, second, swapped) for at, swapped in enumerate(needed)}
    found = {0: ends[0], len(needed) - 1: ends[1]}
    order = sorted(requests.keys() - found.keys(), key=lambda at: (requests[at].model, at))
    for number, at in enumerate(order):
        share = part(report, number / len(order), (number + 1) / len(order))
        share(
            0.0, f"run {number + 1} of {len(order)}: {', '.join(each.label for each in needed[at])} swapped"
        )
        found[at] = rank(engine, requests[at], share)
    return [found[at] for at in range(len(needed))]


def _numbers(found: Sequence[Run]) -> dict[str, list[float]]:
    """By reading: its value in each run; readings that some run lacks are left out."""
    values = {name: [read(run.result) for run in found] for name, read in READINGS.items()}
    return {name: [v for v in row if v is not None] for name, row in values.items() if None not in row}


def _divided(inputs: Sequence[Input], numbers: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    shares = {name: shapley(values) for name, values in numbers.items()} if len(inputs) <= MOST else {}
    rows = []
    for at, each in enumerate(inputs):
        alone, last = _places(len(inputs), at)
        rows.append(
            {
                "label": each.label,
                "fields": list(each.fields),
                "parts": list(each.parts),
                "alone": {name: values[alone] - values[0] for name, values in numbers.items()},
                "last": {name: values[-1] - values[last] for name, values in numbers.items()},
                "shapley": {name: row[at] for name, row in shares.items()} or None,
            }
        )
    return rows


def _places(count: int, at: int) -> tuple[int, int]:
    """Where among the subsets input number `at` is swapped alone, and where all but it are."""
    if count <= MOST:
        return 2**at, 2**count - 1 - 2**at
    return 1 + at, 1 + count + at


def shapley(values: Sequence[float]) -> list[float]:
    """The part of the change from `values[0]` to `values[-1]` of each of k inputs.

    values [2^k]: by the bits of the subset that is swapped.
    """
    import torch

    from engine.lrgd.shapley import shapley as of_costs

    return of_costs(-torch.tensor(values, dtype=torch.float64)).tolist()


def _notes(inputs: Sequence[Input], numbers: Mapping[str, Sequence[float]]) -> list[str]:
    sentences = []
    if len(inputs) > MOST:
        sentences.append(
            f"The runs differ in {counted(len(inputs), 'input')}. More than {MOST} are swapped one at a "
            "time, in A and back in B. What inputs do together (interactions) is not divided, so the "
            "parts need not sum to the whole change."
        )
    if joined := [each.label for each in inputs if len(each.fields) + bool(each.parts) > 1]:
        sentences.append(
            f"Swapped only together, as one makes no sense without the other: {'; '.join(joined)}."
        )
    if missing := [name for name in READINGS if name not in numbers]:
        sentences.append(f"Not every run has {', '.join(missing)}.")
    return sentences
