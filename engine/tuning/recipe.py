"""What a tuned model's folder says of its tuning, and what the model may know by it.

Boundary: a registered model in, the tuning's request or sentences for a person out.
"""

import json
from pathlib import Path
from typing import Any

from db.datasets import DatasetInfo
from db.models import ModelInfo


def recipe(info: ModelInfo) -> dict[str, Any]:
    """The request a model of this project was tuned by; empty for any other model."""
    path = Path(info.source) / "RECIPE.json"
    try:
        request = json.loads(path.read_text())["recipe"]["request"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return request if isinstance(request, dict) else {}


def knows_later(info: ModelInfo, dataset: DatasetInfo) -> list[str]:
    """What a model tuned on this data set knows of others that its demonstrations do not, in a sentence.

    Nobody's last purchase is trained on, but training is not cut at each target's moment.
    """
    tuned = recipe(info)
    if tuned.get("dataset") != dataset.name or not dataset.has_timestamps:
        return []
    what = "all purchases but the last two of each user"
    if tuned.get("until") is not None:
        what = f"what was bought in the first {tuned['until']} of {tuned.get('periods', 10)} periods"
    return [
        f"{info.name} was tuned on {what}: of others' purchases it may know some from after a target's "
        "moment, which no demonstration and no recommender beside it does."
    ]
