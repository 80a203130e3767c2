"""What each demonstration of a prompt does to the loss of its target, in nats: titles in, effects out."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from db.errors import BadInput
from engine.llm.explain.reprompt import Reprompts, reprompt_loss
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import DemonstrationLoss
from engine.llm.scoring.log_probs import Prefix
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.modes import Question, loss_rows
from engine.llm.scoring.ranking import Task, demo_head, kept_weights, prepare
from engine.lrgd import agreement
from engine.lrgd.effects import Estimator, effects, weightings
from engine.lrgd.objective import Effects, Remembered
from engine.lrgd.shapley import EXACT_LIMIT, FLOOR, TOLERANCE
from engine.progress import Clock, plan
from engine.prompts import Dropped, Fitted, fit

EffectMode = Literal["direct", "total", "reprompt"]


@dataclass(frozen=True)
class EffectsResult:
    """Effects of demonstrations on the loss, one entry per demonstration asked for (0 where it did not fit).

    loss_zero_shot: loss with every weight at 0 (positions kept), the start the effects explain:
    sum(effects) = effect_total = loss_zero_shot - loss, up to completeness_error nats (completeness_relative
    is its share of |effect_total|, or of 0.05 nats where that is less). loss_reprompt_zero_shot: loss of
    the prompt written without demonstrations (what ranking calls zero-shot), whose positions differ.
    removal, reprompt: rise of the loss when b's weight goes to 0, or when the prompt is written without b;
    None unless leave-one-out was asked for. mass: attention of the answer's positions that goes to b,
    averaged over layers and heads. nodes: weightings used, for aumann gradients;
    certified_error: nats by which an effect may be off (engine/lrgd/objective.py).
    """

    loss: float
    loss_zero_shot: float
    loss_reprompt_zero_shot: float
    effect_total: float
    effects: list[float]
    estimator: str
    mode: str
    nodes: int
    completeness_error: float
    completeness_relative: float
    certified_error: float
    removal: list[float] | None
    reprompt: list[float] | None
    mass: list[float]
    spearman_removal: float | None
    spearman_reprompt: float | None
    tokens: int
    kept: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    timings_ms: dict[str, float] = field(default_factory=dict)


def demonstration_effects(
    loaded: LoadedModel,
    task: Task,
    estimator: Estimator = "auto",
    leave_one_out: bool = False,
    mode: EffectMode = "direct",
    cache: PrefillCache | None = None,
) -> EffectsResult:
    """The effect of each demonstration on the target's loss at the task's weights (engine/lrgd/effects.py).

    mode `direct` gates what query and answer see of a demonstration; `total` also what later demonstrations
    see of it; `reprompt` writes the prompt anew without those left out. Raises BadInput where there is no
    target, exact is asked for more than 8 demonstrations, or a mode cannot be had of this estimator or task.
    """
    cache = cache or PrefillCache()
    clock = Clock()
    question, fitted, zero, _ = prepare(loaded, task)
    _check_effects(task, len(fitted.kept), estimator, mode)
    plan(loaded.layers * _tokens(loaded, fitted, zero, question, estimator, mode, leave_one_out))
    with clock("prefill"):
        head = demo_head(loaded, fitted, cache, task.edits)
    loss = DemonstrationLoss(loaded, fitted, head, question, "total" if mode == "total" else "direct")
    objective = Remembered(loss)
    played = Remembered(Reprompts(loaded, fitted, head, question)) if mode == "reprompt" else objective
    weights = torch.tensor(kept_weights(task, fitted), dtype=loss.dtype, device=loaded.device)
    with clock("effects"):
        measured = effects(played, weights, estimator)
        mass = loss.attention_mass(weights)
    with clock("zero_shot"):
        zero_shot = measured.loss_on if not fitted.kept else reprompt_loss(loaded, zero, question, [], head)
    removal = reprompt = None
    if leave_one_out:
        with clock("leave_one_out"):
            removal = agreement.removal(objective, weights).tolist()
            reprompt = _reprompts(loaded, task, fitted, head, question, measured.loss_on, cache)
    return _effects_result(task, fitted, measured, mode, zero_shot, mass, removal, reprompt, clock.read())


def _tokens(
    loaded: LoadedModel,
    fitted: Fitted,
    zero: Fitted,
    question: Question,
    estimator: Estimator,
    mode: EffectMode,
    leave_one_out: bool,
) -> int:
    """About how many tokens are computed for these effects."""
    whole, before_query = len(fitted.encoded), len(fitted.encoded.before("query"))
    rows, count = loss_rows(loaded.encoder, question), len(fitted.kept)
    demonstrations = before_query - len(fitted.encoded.before("demo"))
    one = sum(whole - before_query + len(row.ids) - 1 for row in rows)  # a weighting: query and answers
    again = {"direct": 0, "total": len(rows) * demonstrations, "reprompt": demonstrations // max(count, 1)}
    tokens = before_query + len(zero.encoded) + 2 * one + weightings(count, estimator) * (one + again[mode])
    # Leaving out each in turn writes what comes behind it anew: half of the demonstrations on average.
    return tokens + (count * (demonstrations // 2 + one) if leave_one_out else 0)


def _check_effects(task: Task, count: int, estimator: Estimator, mode: EffectMode) -> None:
    if task.target is None:
        raise BadInput("Effects need a target: say which candidate is the right one.")
    if mode != "direct" and task.edits:
        raise BadInput(f"Mode {mode} reads the demonstrations anew, which undoes what was edited in them.")
    if mode == "reprompt" and estimator == "aumann":
        raise BadInput("A prompt written anew has no gradient: use exact, strata or path with mode reprompt.")
    if estimator == "exact" and count > EXACT_LIMIT:
        raise BadInput(
            f"Exact effects take 2^k losses and are offered for at most {EXACT_LIMIT} demonstrations; this "
            f"prompt has {count}. Use strata or path."
        )


def _reprompts(
    loaded: LoadedModel,
    task: Task,
    fitted: Fitted,
    head: Prefix,
    question: Question,
    loss: float,
    cache: PrefillCache,
) -> list[float]:
    """What the loss rises by when the prompt is written without demonstration b, for each b."""
    weights = kept_weights(task, fitted)
    demos = [task.demos[b] for b in fitted.kept]
    rises = []
    for b in range(len(demos)):
        others = demos[:b] + demos[b + 1 :]
        shorter = fit(
            loaded.encoder,
            task.template,
            task.scoring,
            others,
            fitted.history,
            loaded.context_length,
            task.hint,
        )
        # Nothing can be built on edited keys and values: they are edited again for the shorter prompt.
        full = demo_head(loaded, shorter, cache, task.edits) if task.edits else head
        rises.append(reprompt_loss(loaded, shorter, question, weights[:b] + weights[b + 1 :], full) - loss)
    return rises


def _effects_result(
    task: Task,
    fitted: Fitted,
    measured: Effects,
    mode: str,
    zero_shot: float,
    mass: Tensor,
    removal: list[float] | None,
    reprompt: list[float] | None,
    timings: dict[str, float],
) -> EffectsResult:
    values = measured.effects.tolist()
    rank = agreement.spearman

    def per_demonstration(kept: list[float]) -> list[float]:
        values = dict(zip(fitted.kept, kept, strict=True))
        return [values.get(b, 0.0) for b in range(len(task.demos))]

    return EffectsResult(
        loss=measured.loss_on,
        loss_zero_shot=measured.loss_off,
        loss_reprompt_zero_shot=zero_shot,
        effect_total=measured.total,
        effects=per_demonstration(values),
        estimator=measured.estimator,
        mode=mode,
        nodes=measured.nodes,
        completeness_error=measured.completeness_error,
        completeness_relative=measured.completeness_error / max(abs(measured.total), FLOOR / TOLERANCE),
        certified_error=measured.certified_error,
        removal=None if removal is None else per_demonstration(removal),
        reprompt=None if reprompt is None else per_demonstration(reprompt),
        mass=per_demonstration(mass.tolist()),
        spearman_removal=None if removal is None else rank(values, removal),
        spearman_reprompt=None if reprompt is None else rank(values, reprompt),
        tokens=len(fitted.encoded),
        kept=fitted.kept,
        dropped=fitted.dropped,
        timings_ms=timings,
    )
