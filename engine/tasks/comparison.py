"""Stored runs beside the first of them, as plain JSON."""

from collections.abc import Sequence
from typing import Any

from db.comparable import changed, lists_obstacle, losses_obstacle
from db.runs import Run, summary
from engine.tasks.results import run_row


def comparison(chosen: Sequence[Run]) -> dict[str, Any]:
    """Runs beside the first of them, as the command line prints them: `runs`, the fields that differ, and why
    numbers may not compare."""
    first, *others = chosen
    fields = changed([run.request for run in chosen])
    requests = [run.request.to_json() for run in chosen]
    notes = [
        f"{run.key[:12]}: {reason}"
        for run in others
        for reason in (lists_obstacle(first, run), losses_obstacle(first, run))
        if reason
    ]
    return {
        "runs": [run_row(summary(run)) for run in chosen],
        "changed": [
            {
                "field": field.name,
                "label": field.asked.label,
                "values": [each.get(field.name) for each in requests],
            }
            for field in fields
        ],
        "notes": notes,
    }
