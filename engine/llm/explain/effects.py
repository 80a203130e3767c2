"""What each demonstration of a prompt does to its target's margin or loss: titles in, effects out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from db.errors import BadInput
from engine.llm.explain.arithmetic import error_of_one
from engine.llm.explain.reprompt import Reprompts, reprompt_costs
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import SIGNS, Measure, Reading, reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.ranking import Task, demo_head, kept_weights, prepare
from engine.lrgd import agreement
from engine.lrgd.effects import Estimator, chosen, effects, weightings
from engine.lrgd.gradual import beside, differing, first, gradually
from engine.lrgd.objective import Effects, Remembered, Tabled
from engine.lrgd.shapley import EXACT_LIMIT
from engine.progress import Clock, plan
from engine.prompts import Dropped, Fitted

EffectMode = Literal["direct", "total", "reprompt"]
SLOW = {"cpu": 2e11}  # multiplications from which effects are told before they are exact: some seconds
SLOW_ELSEWHERE = 3e13
ROUGH = 2.23  # standard errors of a 95 % interval where FREE degrees of freedom estimate the error


@dataclass(frozen=True)
class Gain:
    """What the effects of one measure explain: its value with every demonstration at weight 0 (in this mode)
    and at their own weights. total: what the effects add up to, above 0 where they help."""

    zero_shot: float
    value: float
    total: float


@dataclass(frozen=True)
class EffectsResult:
    """Effects of demonstrations, one entry per demonstration asked for (0 where it did not fit).

    gains: of the measure and of the loss, from the same passes. zero_shot: the measure of the prompt that
    ranking calls zero-shot. intervals: 95 %, None where the estimator (aumann) knows nothing of its error.
    leave_one_out: what is lost of the measure when that one alone is left out, as the mode leaves out; None
    unless asked for. second: effects on the loss where the measure is another and they cost nothing more.
    interactions [k][k]: Shapley interactions, None where not all coalitions were taken. mass: attention of
    the answer's positions that goes to b, averaged over layers and heads, None where it is not
    seen. passes: weightings used, for aumann gradients. arithmetic: standard error of one value through the
    model's precision, 0 from float32 on. costs: of every coalition taken, as `Remembered.table` writes them,
    where dropping can be told from them (`demonstration_effects`), else None.
    """

    measure: Measure
    mode: str
    gains: dict[str, Gain]
    zero_shot: float
    effects: list[float]
    intervals: list[tuple[float, float]] | None
    leave_one_out: list[float] | None
    second: list[float] | None
    interactions: list[list[float]] | None
    estimator: str
    passes: int
    arithmetic: float
    mass: list[float] | None
    tokens: int
    kept: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    costs: dict[str, list[float]] | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """Effects before they are exact, one per demonstration asked for. estimator: gradient (one, at the
    weights themselves, without intervals), kriging or difference (from `passes` of `of` weightings, with 95 %
    intervals)."""

    effects: list[float]
    intervals: list[tuple[float, float]] | None
    estimator: str
    passes: int
    of: int


@dataclass(frozen=True)
class Known:
    """The costs of mode direct (`EffectsResult.costs`), and when effects told from them are near enough: half
    of every interval is at most `share` of the largest effect, or `least` in the measure's unit."""

    costs: Mapping[str, Sequence[float]]
    share: float
    least: float

    def narrow(self, found: Effects) -> bool:
        """Whether they are."""
        assert found.reach is not None
        return float(found.reach.max()) <= max(self.share * float(found.effects.abs().max()), self.least)


def demonstration_effects(
    loaded: LoadedModel,
    task: Task,
    estimator: Estimator = "auto",
    leave_one_out: bool = False,
    mode: EffectMode = "direct",
    measure: Measure = "margin",
    cache: PrefillCache | None = None,
    told: Callable[[Estimate], None] | None = None,
    known: Known | None = None,
) -> EffectsResult:
    """The effect of each demonstration on the target at the task's weights (engine/lrgd/effects.py).

    mode `direct` gates what query and answer see of a demonstration; `total` also what later demonstrations
    see of it; `reprompt` rewrites the prompt without those left out. `told` hears estimates where the work
    takes seconds: of one gradient, where the mode has one, then after every few weightings. `known`: what
    was measured of this task in mode direct. With it `difference` measures mode reprompt, and so does `auto`
    where the work takes seconds. Raises BadInput where there is no target, exact is asked for
    more than 8 demonstrations, or a mode cannot be had of this estimator or task.
    """
    cache = cache or PrefillCache()
    clock = Clock()
    question, fitted, zero, _ = prepare(loaded, task)
    check_effects(task, len(fitted.kept), estimator, mode)
    ask = reading(loaded, question, measure, cache)
    asked, estimator = estimator, "auto" if estimator == "difference" else estimator
    tokens = _tokens(fitted, zero, ask, estimator, mode)
    plan(loaded.layers * tokens)
    slow = tokens * loaded.parameters > SLOW.get(loaded.device.type, SLOW_ELSEWHERE)
    apart = asked == "difference" or (asked == "auto" and slow)
    with clock("prefill"):
        head = demo_head(loaded, fitted, cache, task.edits)
    gated = WeightedPrompt(loaded, fitted, head, ask, "total" if mode == "total" else "direct")
    played = Reprompts(loaded, fitted, head, ask, task.edits, cache) if mode == "reprompt" else gated
    objective = Remembered(played, ask.columns)
    weights = torch.tensor(kept_weights(task, fitted), dtype=gated.dtype, device=loaded.device)
    with clock("effects"):
        told = told if slow and fitted.kept else None
        if apart and mode == "reprompt" and known is not None:
            measured, losses = _from_difference(objective, ask, weights, known, told, task, fitted)
        else:
            measured = _told(objective, weights, estimator, mode, told, task, fitted)
            losses = _losses(objective, ask, weights, estimator)
        noise = error_of_one(played, weights) if loaded.dtype.itemsize < 4 else 0.0
        mass = gated.attention_mass(weights)
    with clock("zero_shot"):
        bare = measured.cost_on
        if fitted.kept:
            bare = float(reprompt_costs(loaded, zero, ask, [], head)[0])
    lost = None
    if leave_one_out:
        with clock("leave_one_out"):
            lost = agreement.removal(objective, weights).tolist()
    found = result_of(task, fitted, ask, mode, measured, losses, noise, bare, mass, lost, clock.read())
    return replace(found, costs=objective.table() if apart and mode == "direct" else None)


def _told(
    objective: Remembered,
    weights: Tensor,
    estimator: Estimator,
    mode: EffectMode,
    told: Callable[[Estimate], None] | None,
    task: Task,
    fitted: Fitted,
) -> Effects:
    """The effects, and every estimate before them told."""
    if told is None:
        return effects(objective, weights, estimator)
    tell = _teller(told, task, fitted)
    if mode != "reprompt" and chosen(weights.numel(), estimator) != "aumann":
        tell(first(objective, weights), weightings(weights.numel(), estimator))
    return gradually(objective, weights, estimator, tell)


def _from_difference(
    objective: Remembered,
    ask: Reading,
    weights: Tensor,
    known: Known,
    told: Callable[[Estimate], None] | None,
    task: Task,
    fitted: Fitted,
) -> tuple[Effects, Effects]:
    """The effects of dropping and those on the loss, from the costs of turning down; every estimate told."""
    tell = (lambda *_: None) if told is None else _teller(told, task, fitted)
    measured = beside(objective, Tabled(known.costs), weights, known.narrow, tell)
    last, loss = ask.columns - 1, objective.column(ask.columns - 1)
    if measured.estimator != "difference":
        return measured, effects(loss, weights)
    return measured, differing(loss, Tabled(known.costs, last), weights, measured.passes)


def _teller(told: Callable[[Estimate], None], task: Task, fitted: Fitted) -> Callable[[Effects, int], None]:
    """Tells effects of the demonstrations in the prompt as those of all asked for."""
    count = len(task.demos)

    def tell(found: Effects, of: int) -> None:
        values, reach = _spread(found.effects.tolist(), fitted, count), found.reach
        ends = None
        if reach is not None:
            halves = _spread(reach.tolist(), fitted, count)
            ends = [(value - half, value + half) for value, half in zip(values, halves, strict=True)]
        told(Estimate(values, ends, found.estimator, found.passes, of))

    return tell


def _spread(kept: list[float], fitted: Fitted, count: int) -> list[float]:
    """Values of the demonstrations in the prompt as values of all `count`, 0 for those that did not fit."""
    values = dict(zip(fitted.kept, kept, strict=True))
    return [values.get(b, 0.0) for b in range(count)]


def _losses(objective: Remembered, ask: Reading, weights: Tensor, estimator: Estimator) -> Effects:
    """The effects on the loss, or of `aumann`, which would take other gradients, the loss at both ends."""
    loss = objective.column(ask.columns - 1)
    if chosen(weights.numel(), estimator) == "aumann":
        ends = loss.value(torch.stack([0 * weights, weights])).tolist()
        return Effects(weights, ends[0], ends[1], "", 2, None, None)
    return effects(loss, weights, estimator)


def _tokens(fitted: Fitted, zero: Fitted, ask: Reading, estimator: Estimator, mode: EffectMode) -> int:
    """About how many tokens are computed for these effects."""
    whole, before_query = len(fitted.encoded), len(fitted.encoded.before("query"))
    count, demonstrations = len(fitted.kept), before_query - len(fitted.encoded.before("demo"))
    one = whole - before_query + sum(len(row.ids) - 1 for row in ask.rows)  # a weighting: query and answers
    again = {"direct": 0, "total": demonstrations, "reprompt": demonstrations // max(count, 1)}
    return before_query + len(zero.encoded) + 2 * one + weightings(count, estimator) * (one + again[mode])


def check_effects(task: Task, count: int, estimator: Estimator, mode: EffectMode) -> None:
    if task.target is None:
        raise BadInput("Effects need a target: say which candidate is the right one.")
    if mode == "total" and task.edits:
        raise BadInput(f"Mode {mode} computes the demonstrations again, which would undo their edits.")
    if mode == "total" and estimator == "difference":
        raise BadInput("Estimator difference is of dropping demonstrations. Use mode auto with it.")
    if mode == "reprompt" and estimator == "aumann":
        raise BadInput("Mode reprompt has no gradient. Use exact or kriging with it.")
    if estimator == "exact" and count > EXACT_LIMIT:
        raise BadInput(
            f"Exact effects take 2^k passes and are offered for at most {EXACT_LIMIT} demonstrations; this "
            f"prompt has {count}. Use kriging."
        )


def result_of(
    task: Task,
    fitted: Fitted,
    ask: Reading,
    mode: str,
    measured: Effects,
    losses: Effects,
    noise: float,
    bare: float,
    mass: Tensor | None,
    lost: list[float] | None,
    timings: dict[str, float],
) -> EffectsResult:
    def spread(kept: list[float]) -> list[float]:
        return _spread(kept, fitted, len(task.demos))

    values, sign = spread(measured.effects.tolist()), SIGNS[ask.measure]
    gains = {
        name: Gain(SIGNS[name] * found.cost_off, SIGNS[name] * found.cost_on, found.total)
        for name, found in (("loss", losses), (ask.measure, measured))
    }
    intervals = None
    if measured.reach is not None and measured.noisy is not None:
        # The design's error and the arithmetic's are independent.
        reach = spread(torch.hypot(measured.reach, ROUGH * noise * measured.noisy).tolist())
        intervals = [(value - half, value + half) for value, half in zip(values, reach, strict=True)]
    free = ask.measure != "loss" and measured.estimator != "aumann"
    pairs = None
    if measured.interactions is not None:
        pairs = [spread(row) for row in _grown(measured.interactions, fitted, len(task.demos))]
    return EffectsResult(
        measure=ask.measure,
        mode=mode,
        gains=gains,
        zero_shot=sign * bare,
        effects=values,
        intervals=intervals,
        leave_one_out=None if lost is None else spread(lost),
        second=spread(losses.effects.tolist()) if free else None,
        interactions=pairs,
        estimator=measured.estimator,
        passes=measured.passes,
        arithmetic=noise,
        mass=None if mass is None else spread(mass.tolist()),
        tokens=len(fitted.encoded),
        kept=fitted.kept,
        dropped=fitted.dropped,
        timings_ms=timings,
    )


def _grown(pairs: Tensor, fitted: Fitted, count: int) -> list[list[float]]:
    """Rows of interactions for each demonstration asked for, 0 for those that did not fit."""
    rows = dict(zip(fitted.kept, pairs.tolist(), strict=True))
    return [rows.get(b, [0.0] * len(fitted.kept)) for b in range(count)]
