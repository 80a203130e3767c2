"""The equivalence meter: attention against the dual model, layer by layer, on this run's own prompt.

Checked where the answer is predicted. That attention is one gradient step of a dual model is bookkeeping: it
holds for random weights too (the controls measure that) and says nothing of learning (arXiv 2310.08540).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.explanations.asking import Asked
from engine.progress import Report
from engine.prompts import Encoded, Span

MOST = 4  # positions: what is rebuilt for each holds as many numbers as its keys and values


def explained(asked: Asked, report: Report) -> dict[str, Any]:
    """`layers[]`: relative errors of forms A, B and C, and `zero_shot_gap`, how far the layer's own output
    without demonstrations is from that of a run which never saw them."""
    report(0.2, "rebuilding each layer")
    check, positions = checked(asked)
    notes = ["Edits of keys and values are left out of this check."] if asked.task.edits else []
    result = {
        "layers": [
            {
                "layer": layer.layer,
                "form_a": layer.form_a,
                "form_b": layer.form_b,
                "form_c": layer.form_c,
                "zero_shot_gap": layer.zero_shot_gap,
            }
            for layer in check.layers
        ],
        "dtype": check.dtype,
        "tolerance": check.tolerance,
        "ok": check.ok,
        "positions": positions,
        "tokens": check.tokens,
        "notes": notes,
    }
    return {**result, "said": said(result)}


def checked(asked: Asked, loaded: Any = None) -> tuple[Any, int]:
    """The check (engine/llm/explain/identity.py) of a run's prompt with its target's answer, and at how many
    positions. loaded: another model to read it."""
    from engine.llm.explain.identity import check_prompt
    from engine.llm.scoring.modes import loss_rows
    from engine.llm.scoring.ranking import kept_weights, prepare

    loaded = loaded or asked.loaded
    question, fitted, _, _ = prepare(loaded, asked.task)
    row = loss_rows(loaded.encoder, question)[0]
    ids, length = (*fitted.encoded.ids, *row.ids[:-1]), len(fitted.encoded)
    prompt = Encoded(ids, (*fitted.encoded.spans, Span("answer", 0, length, len(ids))))
    start = len(ids) - row.scored
    prompt = Encoded(ids[: start + MOST], _cut(prompt.spans, start + MOST))
    weights = kept_weights(asked.task, fitted)
    return check_prompt(loaded, prompt, len(fitted.kept), start, weights), len(prompt) - start


def said(result: dict[str, Any]) -> str:
    """How exact it is, and what it is not."""
    worst = max(max(layer["form_a"], layer["form_b"], layer["form_c"]) for layer in result["layers"])
    gap = max(result["layers"], key=lambda layer: layer["zero_shot_gap"])
    verb = "equals" if result["ok"] else "does not equal"
    return (
        f"In {result['dtype']}, attention {verb} the dual model in every layer: the largest relative error "
        f"is {worst:.1e} (allowed {result['tolerance']:.0e}). What a layer would give without demonstrations "
        f"differs from a run that never saw them by up to {100 * gap['zero_shot_gap']:.0f} % (layer "
        f"{gap['layer'] + 1}), as later layers read inputs that have seen them."
    )


def tables(result: dict[str, Any]) -> list[tuple[list[str], list[list[Any]]]]:
    """A row per layer."""
    rows = [
        [row["layer"] + 1, row["form_a"], row["form_b"], row["form_c"], row["zero_shot_gap"]]
        for row in result["layers"]
    ]
    return [(["layer", "form A", "form B", "form C", "layer-local against true zero-shot"], rows)]


def _cut(spans: Any, stop: int) -> tuple[Any, ...]:
    return tuple(replace(span, stop=min(span.stop, stop)) for span in spans if span.start < stop)
