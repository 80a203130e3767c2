"""Whether a tuned model may be asked what it is asked: what its recipe says it has seen, against the cut.

Boundary: a registered model in, sentences for a person out. A model without a recipe of this project (made
elsewhere, or not tuned) is not judged.
"""

from typing import Any

from db.datasets import DatasetInfo
from db.models import ModelInfo
from db.requests import StudyRequest
from engine.tuning.recipe import knows_later, recipe


def doubts(row: str, info: ModelInfo, dataset: DatasetInfo, request: StudyRequest, timed: bool) -> list[str]:
    """Why the numbers of this row may not mean what its name says; empty where nothing speaks against them.

    timed: the study cuts time into periods.
    """
    tuned = recipe(info)
    if not tuned:
        return []
    sentences = []
    if row in ("single", "recicl") and tuned.get("layout") != row:
        sentences.append(f"{info.name} stands for {row}, but was tuned in the {tuned.get('layout')} layout.")
    if tuned.get("dataset") != dataset.name:
        sentences.append(f"{info.name} was tuned on {tuned.get('dataset')}, not on {dataset.name}.")
    elif not timed:
        sentences += knows_later(info, dataset)
    elif _share(tuned) > request.cut / request.periods:
        sentences.append(
            f"{info.name} was tuned on purchases after the cut: it may have seen what it is asked. Tune it "
            f"with --periods {request.periods} --until {request.cut}."
        )
    return sentences


def _share(tuned: dict[str, Any]) -> float:
    """The part of the data set, from its beginning, that a model was tuned on."""
    until = tuned.get("until")
    return 1.0 if until is None else until / tuned.get("periods", 10)
