"""Explanations of the fake engine: numbers made from digests, in the shapes of the real one."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from db import explanations, texts
from db.runs import Run
from db.store import Store

LAYERS, HEADS = 3, 4
WORDS = ("Bought", ":", "\n", "-", " <b>Rose</b>", " $Oil$", "\n", "Next:", " Soap")


def tokens(store: Store, run: Run) -> dict[str, Any]:
    """Every demonstration has the same nine tokens; contributions add up to 0.1 per demonstration."""
    views = run.result["demonstrations"]
    own = [0.0, 0.0, 0.0, 0.01, 0.2, -0.15, 0.0, 0.0, 0.04]
    segments: list[dict[str, Any]] = [{"kind": "prefix", "tokens": ["Purchases", " in", " order", "\n"]}]
    for at in range(len(views)):
        shares = [0.01] * len(own)
        segments.append(
            {"kind": "demo", "index": at, "tokens": list(WORDS), "effect": own, "attention": shares}
        )
    segments.append({"kind": "query", "tokens": ["Bought", ":", "\n", "Next", ":"]})
    single = np.resize(np.array(own, dtype=np.float16), (LAYERS, HEADS, len(own) * len(views)))
    with store.write() as connection:
        detail = texts.put(connection, explanations.written(explanations.Heads(single, single)))
    grid = [[0.05 * (layer - head) for head in range(HEADS)] for layer in range(LAYERS)]
    return {
        "measure": "margin",
        "segments": segments,
        "parts": [{"id": view["id"], "effect": 0.1, "attention": 0.09} for view in views],
        "heads": {"effect": grid, "attention": [[0.1] * HEADS] * LAYERS},
        "detail": detail,
        "value_zero_shot": -2.0,
        "value": -1.6,
        "error": 0.001,
        "passes": 12,
        "said": "All tokens add up to +0.40 log-share.",
    }


def orders(store: Store, run: Run) -> dict[str, Any]:
    """The run's order, its reverse, and a list of five."""
    count = len(run.result["demonstrations"])
    own = list(range(count))
    rows = [
        {"order": order, "margin": margin, "loss": 9.0, "rank": 2.0}
        for order, margin in ((own, -1.5), (own[::-1], -0.5))
    ]
    places = [{"place": at, "margin": -0.1 * at, "without": -1.0, "rank": 1.0} for at in range(1, 6)]
    return {
        "measure": "margin",
        "orders": rows,
        "all": False,
        "shown": own,
        "cells": [[0.1 * (at - demo) for at in own] for demo in own],
        "places": {"size": 5, "rows": places},
        "notes": ["A <b>note</b>."],
        "said": "Over 2 orders the margin runs from −1.50 to −0.50.",
    }


def pairs(store: Store, run: Run) -> dict[str, Any]:
    """Neighbours in the prompt teach the same."""
    ids = [view["id"] for view in run.result["demonstrations"]]
    rows = [{"first": a, "second": b, "interaction": -0.2} for a, b in pairwise(ids)]
    said = "Number 1 and number 2 teach the same most: −0.20 log-share."
    return {"measure": "margin", "interactions": rows, "of": "last", "passes": 7, "said": said}


def step(store: Store, run: Run) -> dict[str, Any]:
    """Equal shares in three layers, of which the first sees no demonstration."""
    views = run.result["demonstrations"]
    share = 1 / len(views)
    return {
        "rows": [{"id": view["id"], "share": share, "effect": 0.1} for view in views],
        "layers": [[None] * len(views), *([[share] * len(views)] * (LAYERS - 1))],
        "kept": list(range(len(views))),
        "spearman": None,
        "measure": "margin",
        "said": "25 % of the step is number 1 (x).",
    }


def build(store: Store, run: Run) -> dict[str, Any]:
    """Each addition helps by 0.2, and weights by half of themselves."""
    count = len(run.result["demonstrations"])
    added = [
        {
            "count": n,
            "place": count - n if n else None,
            "margin": -2 + 0.2 * n,
            "loss": 9 - 0.1 * n,
            "rank": 3.0,
        }
        for n in range(count + 1)
    ]
    path = [{"weight": at / 16, "margin": -2 + at / 32, "loss": 9 - at / 64} for at in range(33)]
    said = "All of them change the target's margin by +0.80 log-share."
    return {"measure": "margin", "added": added, "path": path, "said": said}


def controls(store: Store, run: Run) -> dict[str, Any]:
    """Placebos keep half of the help."""
    rows = [
        {
            "name": name,
            "label": label,
            "draws": draws,
            "gain": {"mean": mean, "low": mean - 0.1, "high": mean},
        }
        for name, label, draws, mean in (("run", "this run", 1, 1.0), ("placebo", "answers permuted", 4, 0.5))
    ]
    said = "The demonstrations change the target's margin by +1.00 log-share."
    notes = ["There is no twin with random weights: <b>x</b>"]
    return {"measure": "margin", "rows": rows, "identity": 1e-7, "notes": notes, "said": said}


def identity(store: Store, run: Run) -> dict[str, Any]:
    """Exact to float32."""
    forms = dict.fromkeys(("form_a", "form_b", "form_c"), 1e-7)
    layers = [{"layer": at, **forms, "zero_shot_gap": 0.1 * at} for at in range(LAYERS)]
    said = "In float32, attention equals the dual model in every layer."
    told = {"dtype": "float32", "tolerance": 1e-5, "ok": True, "positions": 4, "tokens": 99, "notes": []}
    return {"layers": layers, **told, "said": said}


PARTS: dict[str, Callable[[Store, Run], dict[str, Any]]] = {
    "tokens": tokens,
    "orders": orders,
    "pairs": pairs,
    "step": step,
    "build": build,
    "controls": controls,
    "identity": identity,
}


def explain(store: Store, run: Run, part: str) -> dict[str, Any]:
    """One explanation."""
    names = [view["id"] for view in run.result["demonstrations"]]
    return {"part": part, "demonstrations": names, "model": run.model, **PARTS[part](store, run)}
