"""What a request leaves open, settled: its scoring, the text of its template, how its demonstrations stand,
the version of a stored set, the encoder of its titles.

A run stores the settled request, so that it says what was done whatever is the default later.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from db import datasets, sets, templates
from db.choices import STRATEGIES
from db.models import ModelInfo
from db.requests.strategy_spec import parse_spec, reference_of
from db.store import Store

Asked = TypeVar("Asked", bound=Any)

ENCODER = "minilm"  # of `db.public`: the default where it was fetched
STATES = "states"  # instead of an encoder: the ranking model's own hidden states


def settled(store: Store, request: Asked, model: ModelInfo) -> Asked:
    """A run's or an optimization's request with its template and its stored set named by their references,
    its scoring and turns no longer auto, and its sentence encoder, where it needs one.

    Raises NotFound for a template or a set that is not there, BadInput for a scoring that the model has not.
    """
    reference, scorings = templates.named(store, request.template)
    scoring = model.scoring_for(request.scoring)
    if request.scoring == "auto":
        scoring = automatic(model, scorings, request.turns)
    turns = model.turns_for(request.turns)
    request = replace(request, template=reference, scoring=scoring, turns=turns)
    if getattr(request, "demonstrations", ()) is None:
        request = replace(request, demos=settled_demos(store, request.dataset, request.demos))
    if getattr(request, "embedding", STATES) is None and compares_titles(request):
        request = replace(request, embedding=default_encoder(store))
    return request


def settled_demos(store: Store, dataset: str, written: str) -> str:
    """A written strategy, a stored set in it named by the version that is its newest now. Raises NotFound."""
    reference = reference_of(written)
    if reference is None:
        return written
    return f"set:{sets.get(store, datasets.get(store, dataset).id, reference).reference}"


def automatic(model: ModelInfo, scorings: Sequence[str], turns: str) -> str:
    """The scoring that auto means with a template of these scorings: the model's own, else the first of them
    that the model can be ranked by, which its server decides for one behind an endpoint. Where there is none
    it stays the model's own, and is refused."""
    possible = [each for each in scorings if each in model.scorings_in(model.turns_for(turns))]
    return model.scoring if model.scoring in possible else next(iter(possible), model.scoring)


def default_encoder(store: Store) -> str | None:
    """The sentence encoder that is used where none is named; None: the ranking model's own states."""
    return ENCODER if (store.settings.models / ENCODER).is_dir() else None


def compares_titles(request: Any) -> bool:
    """Whether a run's request asks for vectors of titles."""
    if request.history_by == "semantic":
        return True
    if request.demonstrations is not None:
        return False
    choice = parse_spec(request.demos).choice
    return choice.embeds or (choice.derived and STRATEGIES[request.control_of].embeds)
