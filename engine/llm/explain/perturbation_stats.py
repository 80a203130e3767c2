"""How far effects depend on chance: each demonstration's effect, and that of all, over draws of one edit.

For every draw of a perturbation the effects of the perturbed prompt are measured (engine/lrgd/effects.py);
mean, standard deviation and the robust effect `mean - kappa std` over the draws are what is reported. A
reconstruction of LRGD's perturbation of the dual model (arXiv 2504.04386).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from db.errors import BadInput
from db.requests.edits import Edit, drawn
from engine.llm.loading.load import LoadedModel
from engine.llm.scoring.gates import WeightedPrompt
from engine.llm.scoring.measures import SIGNS, Measure, reading
from engine.llm.scoring.memory import PrefillCache
from engine.llm.scoring.perturbed_prompts import Draw, draws_of
from engine.llm.scoring.ranking import Task, demo_head, kept_weights, prepare
from engine.lrgd.effects import effects
from engine.lrgd.objective import Effects, Remembered
from engine.progress import Report, counted, part, quiet

KAPPA = 1.0
DRAWS = 16


@dataclass(frozen=True)
class PerturbationStats:
    """Effects under one edit. effects [k, draws]: of each demonstration of the task, 0 where it did not fit;
    totals [draws]: of the set; values [draws]: the measure with the demonstrations."""

    edit: Edit | None
    effects: Tensor
    totals: Tensor
    values: Tensor

    @property
    def draws(self) -> int:
        """How many were made: one where chance has no part."""
        return self.totals.numel()


def perturbation_stats(
    loaded: LoadedModel,
    task: Task,
    edits: Sequence[Edit],
    draws: int = DRAWS,
    seed: int = 0,
    disliked: tuple[str, ...] = (),
    cache: PrefillCache | None = None,
    report: Report = quiet,
    measure: Measure = "margin",
) -> list[PerturbationStats]:
    """The effects as they stand (edit None) and under each edit alone, the target being the task's.

    Draw 1 to `draws` of an edit that is left to chance; one of any other. Deterministic in `seed`. Raises
    BadInput where there is no target or a number makes no sense.
    """
    if task.target is None:
        raise BadInput("Effects need a target: say which candidate is the right one.")
    if not 1 <= draws <= 256:
        raise BadInput(f"draws is {draws}: a spread is taken over 1 to 256 draws.")
    cache = cache or PrefillCache()
    stats = [_under(loaded, measure, None, draws_of(task, (), seed, [0]), cache)]
    numbers = [range(1, draws + 1) if drawn([edit]) else range(1) for edit in edits]
    total, done = sum(len(each) for each in numbers), 0
    for edit, chosen in zip(edits, numbers, strict=True):
        message = f"{edit.kind.label.lower()}: {counted(len(chosen), 'draw')}"
        drawn_tasks = draws_of(task, [edit], seed, chosen, disliked)
        share = part(report, done / total, (done + len(chosen)) / total)
        stats.append(_under(loaded, measure, edit, drawn_tasks, cache, share, message))
        done += len(chosen)
    return stats


def _under(
    loaded: LoadedModel,
    measure: Measure,
    edit: Edit | None,
    draws: Sequence[Draw],
    cache: PrefillCache,
    report: Report = quiet,
    message: str = "",
) -> PerturbationStats:
    count = len(draws[0].order)
    per_draw = torch.zeros(count, len(draws), dtype=torch.float64)
    totals, values = torch.zeros(2, len(draws), dtype=torch.float64)
    seen: dict[object, Remembered] = {}
    for number, draw in enumerate(draws):
        report(number / len(draws), message)
        measured, kept = _effects(loaded, measure, draw.task, seen, cache)
        for place, value in zip(kept, measured.effects.tolist(), strict=True):
            per_draw[draw.order[place], number] = value
        totals[number], values[number] = measured.total, SIGNS[measure] * measured.cost_on
    return PerturbationStats(edit, per_draw, totals, values)


def _effects(
    loaded: LoadedModel,
    measure: Measure,
    task: Task,
    seen: dict[object, Remembered],
    cache: PrefillCache,
) -> tuple[Effects, tuple[int, ...]]:
    """Effects of one draw. Draws of one prompt share its passes: dropout asks for the same ones again."""
    question, fitted, _, _ = prepare(loaded, task)
    key = (fitted.encoded.ids, task.edits)
    if key not in seen:
        head = demo_head(loaded, fitted, cache, task.edits)
        seen.clear()  # a prompt's keys and values: one at a time
        ask = reading(loaded, question, measure, cache)
        seen[key] = Remembered(WeightedPrompt(loaded, fitted, head, ask), ask.columns)
    dtype = torch.promote_types(loaded.dtype, torch.float32)
    weights = torch.tensor(kept_weights(task, fitted), dtype=dtype, device=loaded.device)
    return effects(seen[key], weights), fitted.kept
