"""Results as plain JSON: what a run stores, what the command line prints and what the dashboard reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from db.datasets import Interaction
from db.demonstrations import HAND_WRITTEN
from db.effect_results import FELT, NARROW, redundant
from db.requests import RunRequest, request_notes
from db.requests.strategy_spec import left_out
from db.runs import CUSTOM_SET, Effects, Run, RunSummary
from engine.demos.named import OfSet
from engine.demos.query import PoolEntry
from engine.evaluation.metrics import metrics, order, standing
from engine.progress import counted
from engine.prompts import Dropped
from engine.prompts.segments import written
from engine.tasks.answerer import Answerer
from engine.tasks.edits import described
from engine.tasks.inputs import Choice, Inputs

if TYPE_CHECKING:
    from engine.context import Context
    from engine.llm.explain.effects import EffectsResult, Estimate
    from engine.llm.explain.identity import Check
    from engine.llm.loading.load import LoadedModel
    from engine.llm.scoring.ranking import RankResult
NOTICED = 0.005  # two values that differ by less are written alike


def run_result(inputs: Inputs, loaded: Answerer, result: RankResult, prompt: str) -> dict[str, Any]:
    """The body of a run: both lists, metrics, losses in nats, and all it was made from."""
    with_demos, without = result.scores, result.scores_zero_shot
    target = inputs.target_index
    chosen = zip(inputs.chosen, inputs.weights, strict=True)
    return {
        "items": ranked(inputs, with_demos),
        "zero_shot": ranked(inputs, without),
        "metrics": {
            **metrics(standing(with_demos, target)),
            "zero_shot": metrics(standing(without, target)),
        },
        "loss": result.loss,
        "loss_zero_shot": result.loss_zero_shot,
        "margin": result.margin,
        "margin_zero_shot": result.margin_zero_shot,
        "demonstrations": [demonstration(entry, weight, inputs.context) for entry, weight in chosen],
        "history": [interaction(i) for i in inputs.query.history],
        "target": {
            **interaction(inputs.target),
            "position": inputs.query.target_position,
            "kind": inputs.request.target,
            "tie": inputs.target_tie,
        },
        "prompt": {
            "hash": prompt,
            "tokens": result.tokens,
            "dropped": [dropped.as_dict() for dropped in result.dropped],
        },
        "candidates": {
            "fingerprint": inputs.candidates.fingerprint,
            "kind": inputs.candidates.kind,
            "size": inputs.candidates.size,
            "seed": inputs.candidates.seed,
        },
        "model": model(loaded),
        "notes": notes(inputs, loaded, result),
        **({"hint": inputs.hint.as_dict()} if inputs.hint else {}),
        **({"prompts": list(inputs.prompts)} if len(inputs.prompts) > 1 else {}),
        **({"excluded": inputs.excluded} if inputs.excluded else {}),
        **({"forgotten": inputs.dataset.forgotten} if inputs.dataset.forgotten else {}),
        **({"set": used_set(inputs.of_set)} if inputs.of_set else {}),
    }


def used_set(found: OfSet) -> dict[str, Any]:
    """Which stored set, which version of it, and the ids of its demonstrations that were left out."""
    gone = {"forgotten": list(found.forgotten)} if found.forgotten else {}
    kept = found.kept
    return {
        "name": kept.name,
        "digest": kept.digest,
        "shared": kept.shared,
        "size": len(kept.members),
        "unknown": list(found.unknown),
        **gone,
    }


def ranked(inputs: Inputs, scores: list[float]) -> list[dict[str, Any]]:
    """The candidates best first; those with equal scores in the order in which they were drawn."""
    target = inputs.target_index
    return [
        {
            "item": inputs.item_ids[place],
            "title": inputs.titles[place],
            "rank": rank,
            "score": scores[place],
            "is_target": place == target,
        }
        for rank, place in enumerate(order(scores), 1)
    ]


def demonstration(entry: PoolEntry, weight: float, context: Context[RunRequest]) -> dict[str, Any]:
    """One demonstration as it stands in the prompt, and where it comes from."""
    demo = entry.demonstration
    return {
        "id": demo.id,
        "weight": weight,
        "source": demo.source,
        "user": demo.user_id,
        "text": written(context.form.demo(context.example(entry))),
        "history": [{"item": i.item_id, "title": i.title} for i in entry.history],
        "answer": {"item": entry.answer.item_id, "title": entry.answer.title},
        "timestamp": demo.timestamp,
        "similarity": entry.similarity,
        "shared": entry.shared,
    }


def interaction(purchase: Interaction) -> dict[str, Any]:
    """One purchase."""
    return {
        "item": purchase.item_id,
        "title": purchase.title,
        "timestamp": purchase.timestamp,
        "rating": purchase.rating,
        "category": purchase.category,
        "brand": purchase.brand,
    }


def model(loaded: Answerer) -> dict[str, Any]:
    """Which weights computed a run, where and how precisely."""
    return {
        "name": loaded.name,
        "source": loaded.source,
        "revision": loaded.revision,
        "architecture": loaded.architecture,
        "parameters": loaded.parameters,
        "device": str(loaded.device),
        "dtype": loaded.dtype_name,
        "libraries": loaded.identity.libraries,
        "reason": loaded.reason,
    }


def notes(inputs: Inputs, loaded: Answerer, result: RankResult) -> list[str]:
    """What a reader of the numbers should know, in sentences."""
    sentences = no_room(result.dropped, result.dropped_zero_shot)
    if inputs.target_tie:
        sentences.append("The target shares its time with the purchase before it; the file's order decided.")
    if any(e.demonstration.source == HAND_WRITTEN and not e.demonstration.places for e in inputs.chosen):
        sentences.append(
            "A demonstration was written by hand: nothing can check that what it shows was known by then."
        )
    if not loaded.encoder.exact_for(inputs.context.template):
        sentences.append(
            "The model's tokenizer forms tokens across lines, and prompts are tokenized line by line: the "
            "model reads other tokens than it would in one text, and may rank worse for it."
        )
    if loaded.encoder.dated:
        sentences.append(
            f"The model's chat template writes today's date. Every run writes {loaded.encoder.dated} "
            "instead, so that it can be repeated on any day."
        )
    if inputs.request.perturb is not None:
        sentences.append(described(inputs.request.edits))
    if inputs.control is not None:
        sentences.append(inputs.control.said)
    if inputs.of_set is not None:
        sentences += inputs.of_set.left_out(inputs.query.user_id)
    return sentences


def no_room(dropped: Sequence[Dropped], dropped_zero_shot: Sequence[Dropped]) -> list[str]:
    """What did not fit into the prompts with and without demonstrations, in at most one sentence.

    Where the list without demonstrations saw more of the history, the sentence says that their lists do not
    differ by the demonstrations alone.
    """
    history, bare = (sum(lost.kind == "history" for lost in some) for some in (dropped, dropped_zero_shot))
    demos = len(dropped) - history
    parts = [counted(history, "oldest history item")] if history else []
    parts += [counted(demos, "demonstration")] if demos else []
    if not parts:
        return []
    were = f"{' and '.join(parts)} {'was' if history + demos == 1 else 'were'} left out"
    if history == bare:
        return [f"The prompt was longer than the model's context: {were}."]
    shown = "shows them all" if not bare else f"shows {history - bare} more of them"
    return [
        f"To make room for the demonstrations, {were} of their prompt; the prompt without demonstrations "
        f"{shown}, so the change between the two lists is also the history's, and the effects, measured "
        "on the shorter history, do not add up to it."
    ]


def effects_result(inputs: Inputs, result: EffectsResult, run: Run) -> dict[str, Any]:
    """Effects in one mode (`db.effect_results` says what each field is), demonstrations in prompt order.

    run: the one whose demonstrations they explain.
    """
    from engine.lrgd.agreement import spearman

    ids = [entry.demonstration.id for entry in inputs.chosen]
    nothing = [None] * len(ids)
    second = result.effects if result.measure == "loss" else result.second or nothing
    rows = [
        {
            "id": name,
            "effect": effect,
            "interval": None if interval is None else list(interval),
            "leave_one_out": lost,
            "loss_effect": nats,
            "mass": mass,
        }
        for name, effect, interval, lost, nats, mass in zip(
            *(ids, result.effects, result.intervals or nothing, result.leave_one_out or nothing),
            *(second, result.mass or nothing),
            strict=True,
        )
    ]
    readings = {
        name: {"value_zero_shot": gain.zero_shot, "value": gain.value, "effect_total": gain.total}
        for name, gain in result.gains.items()
    }
    pairs = None
    if (found := result.interactions) is not None:
        places = combinations(range(len(ids)), 2)
        pairs = [{"first": ids[a], "second": ids[b], "interaction": found[a][b]} for a, b in places]
    return {
        "measure": result.measure,
        "mode": result.mode,
        **readings[result.measure],
        "zero_shot": result.zero_shot,
        "readings": readings,
        "estimator": result.estimator,
        "passes": result.passes,
        "arithmetic": result.arithmetic,
        "demonstrations": rows,
        "spearman_leave_one_out": (
            None if result.leave_one_out is None else spearman(result.effects, result.leave_one_out)
        ),
        "interactions": pairs,
        "redundant": redundant(rows, pairs),
        "notes": effect_notes(result, run.result.get(result.measure), inputs.weights),
        "target": inputs.request.target,
        **({} if result.costs is None else {"costs": _rounded(result.costs)}),
    }


def _rounded(costs: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Float32 in as few digits as tell it exactly."""
    return {who: [float(f"{cost:.9g}") for cost in row] for who, row in costs.items()}


def estimate(inputs: Inputs, found: Estimate, options: Mapping[str, Any]) -> dict[str, Any]:
    """Effects that are not exact yet, as `effects_result` would write them, less what only the end knows."""
    ids = [entry.demonstration.id for entry in inputs.chosen]
    ends = found.intervals or [None] * len(ids)
    return {
        "measure": options["measure"],
        "mode": options["mode"],
        "estimator": found.estimator,
        "passes": found.passes,
        "of": found.of,
        "demonstrations": [
            {"id": name, "effect": effect, "interval": None if interval is None else list(interval)}
            for name, effect, interval in zip(ids, found.effects, ends, strict=True)
        ],
    }


def so_far(found: Estimate, mode: str) -> str:
    """What an estimate comes from, in a few words."""
    if mode == "reprompt":
        return f"{found.passes} of {found.of} prompts read"
    if found.estimator == "gradient":
        return f"one gradient so far, then {found.of} passes"
    return f"{found.passes} of {found.of} passes so far, with 95 % intervals"


def choice_notes(request: RunRequest, choice: Choice, before: Sequence[str] = ()) -> dict[str, list[str]]:
    """`{notes}` of a choice whose result keeps none of its own: `before`, placebos, and what was left out."""
    notes = [*before, *([choice.control.said] if choice.control else [])]
    if request.exclude_target_item:
        notes.append(left_out(choice.excluded, len(choice.entries) + choice.excluded))
    return {"notes": notes} if notes else {}


def effect_notes(result: EffectsResult, listed: float | None, weights: Sequence[float]) -> list[str]:
    """What a reader of effects should know, in sentences. listed: the measure of the run's list with the
    demonstrations, at these weights."""
    gain, count = result.gains[result.measure], len(result.effects)
    sentences = []
    if abs(gain.zero_shot - result.zero_shot) >= NOTICED:
        kept = "turned down, every token keeps its place" if result.mode != "reprompt" else "the same history"
        sentences.append(
            f"The effects start at {gain.zero_shot:.2f}, where all demonstrations are left out ({kept}); the "
            f"list without demonstrations is at {result.zero_shot:.2f}. So they do not add up to the change "
            "between the two lists."
        )
    if listed is not None and abs(gain.value - listed) >= NOTICED:
        why = "this precision rounds otherwise where the same is computed in another way"
        if result.mode == "reprompt" and 0 in weights:
            why = "dropped, a demonstration of weight 0 is not in the prompt; turned down, it keeps its place"
        elif result.mode == "total" and any(weight != 1 for weight in weights):
            why = "weights count for what later demonstrations read, too; in the list they do not"
        sentences.append(
            f"The effects end at {gain.value:.2f}, the list with demonstrations is at {listed:.2f} ({why}). "
            "So they do not add up to the change between the two lists."
        )
    if result.intervals is None:
        sentences.append("This estimator knows nothing of its error: do not rank demonstrations by it.")
    elif result.estimator == "leave_one_out":
        sentences.append(
            f"Each of the {count} effects is what is lost when that one alone is left out: all subsets of so "
            "many would take too many calls. They do not add up to the change between the two lists."
        )
    elif result.estimator == "difference":
        sentences.append(
            f"{result.passes} of {2**count:,} prompts were read, until every effect was known to within "
            f"{NARROW:.0%} of the largest or {FELT:g}: what dropping does was told from what turning down "
            "does and how the two differ. Interactions of pairs take all prompts and are not given."
        )
    elif result.estimator != "exact":
        sentences.append(
            f"The effects of {count} demonstrations are estimated from {result.passes} of {2**count:,} "
            "coalitions; interactions of pairs take all of them and are not given."
        )
    if result.arithmetic:
        sentences.append(
            f"In this precision one value is off by about {result.arithmetic:.2g}; the intervals include it."
        )
    return sentences


def run_view(run: Run, request: RunRequest) -> dict[str, Any]:
    """A run as the command line prints it: the answer to `request`. Another one may have made it."""
    notes = [*run.result["notes"], *request_notes(request, run.result)]
    return {"run": run.key, "cached": run.cached, **run.result, "notes": notes, "timings_ms": run.timings_ms}


def effects_view(run: Run, effects: Effects) -> dict[str, Any]:
    """Effects as the command line prints them."""
    return {
        "run": run.key,
        "effects": effects.effects_key,
        **effects.result,
        "timings_ms": effects.timings_ms,
    }


def run_row(summary: RunSummary) -> dict[str, Any]:
    """One line of the list of runs."""
    return {
        "run": summary.key,
        "dataset": summary.dataset,
        "user": summary.user_id,
        "model": summary.model,
        "target": summary.title,
        "rank": summary.metrics.get("rank"),
        "rank_zero_shot": (summary.metrics.get("zero_shot") or {}).get("rank"),
        "loss": summary.loss,
        "loss_zero_shot": summary.loss_zero_shot,
        "demonstrations": summary.demonstrations,
        "margin": summary.margin,
        "ndcg10": summary.metrics.get("ndcg10"),
        "strategy": summary.strategy or CUSTOM_SET,
        "scoring": summary.request.scoring,
        "template": summary.request.template,
        "seconds": None if (total := summary.timings_ms.get("total")) is None else total / 1000,
        "created_at": summary.created_at,
        "note": summary.note,
        "tags": summary.tags,
        "starred": summary.starred,
    }


def verification(loaded: LoadedModel, check: Check) -> dict[str, Any]:
    """The identity check: per layer the relative error of both forms against the layer's own output.

    `zero_shot_gap`: how far the layer-local zero-shot output (form B's W0 phi(q)) is from the true zero-shot
    run; 0 in the first layer, and not an error in later ones.
    """
    return {
        "model": loaded.name,
        "architecture": loaded.architecture,
        "device": str(loaded.device),
        "dtype": check.dtype,
        "tolerance": check.tolerance,
        "ok": check.ok,
        "tokens": check.tokens,
        "demonstrations": check.demonstrations,
        "layers": [
            {
                "layer": layer.layer,
                "relative_error": {"B": layer.form_b, "C": layer.form_c},
                "zero_shot_gap": layer.zero_shot_gap,
            }
            for layer in check.layers
        ],
    }
