"""Policy files made of what was tried: of a request, or of a stored run's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from db import optimizations, policies
from db.datasets import Interaction
from db.endpoints import IN_CHAT
from db.errors import BadInput
from db.policies import (
    FIXED,
    CandidateSettings,
    Data,
    Guard,
    Model,
    Policy,
    Purchase,
    RatingScale,
    Shown,
    TemplateText,
    snippet,
)
from db.requests import RunRequest
from db.requests.strategy_spec import MOST
from db.version import VERSION
from engine.context import EMBEDDED, Context, Engine, resolve
from engine.demos.named import of_set
from engine.demos.windows import entries
from engine.policy import deployed, workspace
from engine.policy.paper import EMBEDDED as SHIPPED
from engine.policy.paper import digest_of
from engine.tasks.inputs import Inputs, gather
from engine.tasks.templates import ranking, text_of

if TYPE_CHECKING:
    from db.models import ModelInfo

# Field of a request -> its value in a policy, and why there is no other.
NEUTRAL: dict[str, tuple[Any, str]] = {
    "perturb": (None, "edits act inside the engine, not in a prompt"),
    "forward": (0, "forward tuning acts inside the engine, not in a prompt"),
    "prompts": (1, "a policy writes one prompt, not several to be averaged"),
    "hint": (None, "a hint comes from a fitted recommender, which a policy does not hold"),
    "prescore": (None, "pre-scoring runs a second model for each user"),
    "history_by": ("recent", "choosing items of the history by their meaning runs a model for each user"),
}


def policy_of(engine: Engine, request: RunRequest, fixed: bool | None = None) -> Policy:
    """The policy that writes a request's prompts for all users.

    fixed: its demonstrations as they are for this user, in full text; False: the strategy, which chooses for
    each user; None: fixed where the request names demonstrations or a strategy that optimizes. Raises
    BadInput for what no prompt can carry, and what `rank` raises.
    """
    context = resolve(engine, request)
    request = context.request
    for name, (neutral, why) in NEUTRAL.items():
        if getattr(request, name) != neutral:
            raise BadInput(f"{name}: {why}. Set it to {'none' if neutral is None else neutral}, then export.")
    settled = _for_all(request)
    if fixed is False and settled:
        raise BadInput(f"{settled}, so the policy is a fixed set. Export it as one.")
    fixed = bool(settled) or request.spec.size == 0 if fixed is None else fixed
    inputs = gather(context) if fixed else None
    whole = _whole_set(context, inputs) if inputs else None
    notes, demonstrations = _shown(whole) if whole else ([], None)
    if whole and whole.of_set:
        notes += whole.of_set.left_out(request.user)
    if demonstrations is not None and len(demonstrations) > MOST:
        raise BadInput(f"A policy has at most {MOST} demonstrations, not {len(demonstrations)}. Take fewer.")
    if request.exclude_target_item:
        notes.append("Those that show the item to predict were left out; a service does not know it.")
    return Policy(
        dualens=VERSION,
        strategy=FIXED if fixed else str(request.spec),
        k=len(demonstrations) if demonstrations is not None else min(MOST, request.spec.size),
        demonstrations=demonstrations,
        control_of=request.control_of,
        embedding=request.embedding,
        template=TemplateText(
            reference=context.template.reference, text=text_of(engine.store, request.template)
        ),
        scoring=request.scoring,
        turns=request.turns,  # type: ignore[arg-type]  # settled
        history=request.history,
        seed=request.choice_seed,
        candidates=CandidateSettings(
            count=request.candidates, kind=request.candidate_kind, seed=request.seed
        ),
        guard=_guard(context, inputs),
        model=model_of(context),
        data=Data(
            name=context.dataset.name,
            fingerprint=context.dataset.fingerprint,
            scale=RatingScale(**context.dataset.scale.to_json()),
        ),
        notes=tuple(notes),
    )


def _for_all(request: RunRequest) -> str:
    """Why a strategy cannot choose anew for each user; "" where it can."""
    if request.demonstrations is not None:
        return "The request names its demonstrations"
    if request.spec.reference is not None:
        return "A stored set is the same for all users"
    if request.spec.choice.optimized:
        return f"{request.spec.choice.label.capitalize()} runs the model for each user"
    if request.keep is not None:
        return "The request keeps demonstrations beside those that are chosen"
    return "The request has weights for its demonstrations" if request.weights is not None else ""


def _whole_set(context: Context[RunRequest], inputs: Inputs) -> Inputs:
    """With all of a stored set, where the demonstrations are one: the request's user may not know some of it
    yet, and the users to come know all."""
    if inputs.of_set is None:
        return inputs
    store, dataset = context.store, context.dataset
    nobody = workspace.anonymous(dataset, context.request.history, inputs.query.history)
    found = of_set(store, dataset, nobody, context.request.spec.reference or "")
    whole = tuple(entries(store, dataset, nobody, found.offers))
    return replace(inputs, chosen=whole, weights=found.weights, of_set=found)


def export(engine: Engine, request: RunRequest, fixed: bool | None = None) -> dict[str, Any]:
    """What Export shows, as JSON: `prompts` as the model reads them for this request's user, and `policy`,
    the text of the file, with `snippet`, Python that reads it. Where there is no policy for the request,
    `policy` is None and `why` says so."""
    try:
        policy = policy_of(engine, request, fixed)
    except BadInput as error:
        return {"prompts": [], "policy": None, "snippet": None, "why": str(error)}
    policies.note(engine.store, policy)
    return {
        "prompts": [prompt.to_json(tokens=not prompt.served) for prompt in _of_user(engine, request, policy)],
        "policy": policy.text(),
        "snippet": snippet(policy),
        "strategy": policy.strategy,
        "notes": list(policy.notes),
        "why": None,
    }


def _of_user(engine: Engine, request: RunRequest, policy: Policy) -> list[deployed.Prompt]:
    """The prompts of the request itself, its target among the candidates."""
    inputs = gather(resolve(engine, request))
    loaded = deployed.Policy(policy, lambda: engine)
    history = [_purchase(row).model_dump() for row in inputs.query.history]
    user = None if policy.fixed else request.user
    return loaded.prompts(history, inputs.titles, user=user)


def model_of(context: Context[RunRequest]) -> Model:
    """What a policy says of the request's model. Raises ModelError."""
    info, template, scoring = context.model, context.template, context.request.scoring
    common: dict[str, Any] = {"name": info.name, "revision": info.revision}
    if info.endpoint is not None:
        return Model(**common, **_served(info, scoring, template.turns), system=_system(context))
    wording = context.engine.models.wording(info.source, info.revision)
    encoder = wording.encoder
    head, tail = encoder.header
    return Model(
        **common,
        source=SHIPPED if info.source == str(EMBEDDED) else info.source,
        unit="tokens",
        context_length=wording.context_length,
        cut=encoder.cut,
        header=(head, tail),
        turns=encoder.turns if template.turns else None,
        tokenizer=digest_of(encoder),
    )


def _served(info: ModelInfo, scoring: str, turns: bool) -> dict[str, Any]:
    from engine.endpoint.scoring import layout

    paper = layout(info, writes=scoring == "free")
    return {
        "source": info.source,
        "unit": "bytes",
        "context_length": paper.context_length,
        "cut": paper.encoder.cut,
        "header": ("", ""),
        "turns": ("", "") if turns else None,
        "writes": scoring == "free",
    }


def _system(context: Context[RunRequest]) -> str:
    from engine.endpoint.answers import system_of
    from engine.endpoint.scoring import way_of

    info, template, scoring = context.model, context.template, context.request.scoring
    assert info.endpoint is not None
    if scoring == "free" or scoring not in ranking(template):
        return ""
    way = way_of(info.endpoint, info.name, scoring, template.turns)
    return system_of(template, scoring) if way in IN_CHAT else ""


def _shown(inputs: Inputs) -> tuple[list[str], tuple[Shown, ...]]:
    """The demonstrations in full, those of weight 0 left out: nothing but the engine can read past them."""
    pairs = [pair for pair in zip(inputs.chosen, inputs.weights, strict=True) if pair[1] > 0]
    notes = []
    if left := len(inputs.chosen) - len(pairs):
        notes.append(f"Demonstrations of weight 0 are not in the policy: {left}.")
    if any(weight != 1 for _, weight in pairs):
        notes.append("Weights other than 1 act inside the engine; a server reads each demonstration plainly.")
    return notes, tuple(
        Shown(
            id=entry.demonstration.id,
            weight=weight,
            history=tuple(map(_purchase, entry.history)),
            answer=_purchase(entry.answer),
        )
        for entry, weight in pairs
    )


def _purchase(row: Interaction) -> Purchase:
    return Purchase(
        title=row.title,
        item=row.item_id,
        rating=row.rating,
        timestamp=row.timestamp,
        category=row.category,
        brand=row.brand,
    )


def _guard(context: Context[RunRequest], inputs: Inputs | None) -> Guard | None:
    """The verdict of the optimization that chose these demonstrations, if one did."""
    if inputs is None:
        return None
    chosen = [entry.demonstration.id for entry in inputs.chosen]
    stored = optimizations.listing(context.store, context.dataset.id, inputs.query.user_id)
    results = [inputs.optimization, *(each.result for each in stored if each.model == context.model.name)]
    for result in results:
        if result and "guard" in result and [row["id"] for row in result["chosen"]] == chosen:
            return Guard(verdict=result["guard"]["verdict"], reason=result["guard"]["reason"])
    return None
