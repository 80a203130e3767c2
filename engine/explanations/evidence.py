"""What each demonstration shares with the user, in words (`db.shared_items`). No model is needed for it."""

from __future__ import annotations

from typing import Any

from db.shared_items import evidence, summary
from engine.explanations.asking import Asked
from engine.progress import Report
from engine.tasks import results


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`rows[]`: see `db.shared_items.Evidence`, with its `sentence`."""
    report(0.5, "reading histories")
    inputs = asked.inputs
    rows = evidence(
        {
            "demonstrations": [results.demonstration(entry, 1.0, asked.context) for entry in inputs.chosen],
            "history": [results.interaction(purchase) for purchase in inputs.query.history],
            "target": results.interaction(inputs.target),
        }
    )
    return {
        "rows": [{**row.as_dict(), "sentence": row.sentence} for row in rows],
        "said": summary(rows),
    }


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """A sentence per demonstration."""
    return [(["demonstration", "evidence"], [[row["number"], row["sentence"]] for row in result["rows"]])]
