"""Answers to `study` jobs: results of the real shapes with numbers made from digests, told bit by bit."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from db import jobs
from db.canonical import digest
from db.jobs import Job
from db.store import Store

COLUMNS = ("zero_shot", "stale", "fresh")
SERIES = {
    "llm_fresh": "LLM, fresh demonstrations",
    "llm_stale": "LLM, stale demonstrations",
    "llm_zero_shot": "LLM, no demonstrations",
    "sasrec_frozen": "SASRec, frozen",
    "sasrec_retrained": "SASRec, retrained each period",
}


def number(low: float, high: float, *parts: Any) -> float:
    """A fixed number between `low` and `high` for these parts."""
    return low + (high - low) * int(digest([str(part) for part in parts])[:8], 16) / 0xFFFFFFFF


def estimate(mean: float, n: int) -> dict[str, Any]:
    """A mean with an interval."""
    return {"mean": mean, "low": mean - 0.04, "high": mean + 0.05, "n": n}


def rows_of(asked: dict[str, Any]) -> dict[str, str]:
    """The models of a RecICL study by row."""
    rows = {"base": asked["model"], "single": asked.get("single"), "recicl": asked.get("recicl")}
    return {row: name for row, name in rows.items() if name}


def recicl(asked: dict[str, Any]) -> dict[str, Any]:
    """The table, its tests and its sentence."""
    rows = rows_of(asked)
    cells = [
        {
            "row": row,
            "column": column,
            "n": asked["users"],
            **{
                m: estimate(number(0.4, 0.8, row, column, m), asked["users"])
                for m in ("auc", "uauc", "ndcg10")
            },
        }
        for row in rows
        for column in COLUMNS
    ]
    tested = [
        {
            "better": [row, "fresh"],
            "than": [row, "zero_shot"],
            **{
                m: {**estimate(number(-0.1, 0.2, row, m), asked["users"]), "p": 0.01, "p_holm": 0.03}
                for m in ("auc", "ndcg10")
            },
        }
        for row in rows
    ]
    return {
        "rows": {row: {"model": name} for row, name in rows.items()},
        "columns": list(COLUMNS),
        "cells": cells,
        "tests": tested,
        "claim": f"On {asked['dataset']} it is better than both: it is made up.",
        "claim_holds": {"ndcg10": True},
    }


def tested(mean: float, p: float, corrected: float) -> dict[str, Any]:
    """A paired difference over 30 users."""
    return {**estimate(mean, 30), "p": p, "p_holm": corrected}


def drift(asked: dict[str, Any]) -> dict[str, Any]:
    """Series over periods and their tests."""
    elapsed = range(1, asked["periods"] - asked["cut"] + 1)
    return {
        "metric": "ndcg10",
        "users": asked["users"],
        "series": [
            {
                "name": name,
                "label": label,
                "points": [
                    {
                        "period": asked["cut"] + at - 1,
                        "elapsed": at,
                        **estimate(number(0.4, 0.8, name, at), 30),
                    }
                    for at in elapsed
                ],
            }
            for name, label in SERIES.items()
        ],
        "tests": [
            {"better": "llm_fresh", "than": "llm_stale", "ndcg10": tested(0.06, 0.0004, 0.0008)},
            {"better": "llm_fresh", "than": "sasrec_retrained", "ndcg10": tested(-0.01, 0.6, 0.6)},
        ],
    }


STRATEGIES = ("none", "random", "bm25", "neighbours", "greedy", "twostage", "placebo", "copy")
CONTROLS = ("placebo", "copy")
SCORES = {
    "effect": ("effects <b>(kriging)</b>", "effect", 0.95),
    "mass": ("attention mass", "rival", 0.4),
    "gradient": ("one gradient at weight 1", "rival", 0.6),
    "recency": ("recency", "rival", -0.1),
    "removal": ("leave-one-out by removal", "truth", 0.9),
}


def controls(asked: dict[str, Any]) -> dict[str, Any]:
    """What the model adds to its controls."""
    test = {**estimate(0.1, asked["users"]), "p": 0.001, "p_holm": 0.002}
    return {
        "of": "neighbours",
        "tests": [{"better": "neighbours", "than": name, "ndcg10": test, "hr1": test} for name in CONTROLS],
        "said": ["The model adds <b>much</b> to copying: it is made up.", "The placebo is made up, too."],
    }


def strategies(asked: dict[str, Any]) -> dict[str, Any]:
    """Every strategy with its tests."""
    names = [name for name in STRATEGIES if name in (asked.get("only") or STRATEGIES)]
    worth = {name: number(0.4, 0.8, name) for name in names}
    found = {
        name: {
            "label": f"{name} <i>x</i>",
            "ndcg10": estimate(worth[name], asked["users"]),
            "hr1": estimate(worth[name] - 0.2, asked["users"]),
            "p_random": None if name == "random" else 0.0004,
            "p_random_holm": None if name == "random" else 0.004,
            "p_bm25": 0.2,
            "p_bm25_holm": 1.0,
            "p_zero_shot": None if name == "none" else 0.01,
            "p_zero_shot_holm": None if name == "none" else 0.04,
            "p_best": 0.3,
            "p_best_holm": 1.0,
            "shown": 0.0 if name == "none" else 3.6,
            "target_shown": 0.0 if name == "none" else 0.25,
            "seconds": 0.02,
        }
        for name in names
    }
    tested = [
        {
            "better": name,
            "than": other,
            "ndcg10": {**estimate(worth[name] - worth[other], asked["users"]), "p": 0.01, "p_holm": 0.04},
        }
        for name in names
        for other in ("none", "random", "bm25")
        if name != other and name not in CONTROLS
    ]
    return {
        "users": asked["users"],
        "k": asked.get("k", 4),
        "strategies": dict(sorted(found.items())),
        "best": max(worth, key=lambda name: worth[name]),
        "turned": {name: ("+-=+" * asked["users"])[: asked["users"]] for name in names if name != "none"},
        "tests": tested,
        "guard": {"two-stage": 12, "zero-shot": 6, "stage 1": 2},
        "controls": controls(asked),
        "claim": f"Two-stage is not inferior on {asked['dataset']}: it is made up.",
    }


def faithfulness(asked: dict[str, Any]) -> dict[str, Any]:
    """Every score against two truths."""
    users = asked["users"]

    def agreement(value: float, truth: str) -> dict[str, Any]:
        shift = 0.0 if truth == "exact" else 0.1
        return {m: estimate(value - shift, users) for m in ("spearman", "pearson", "top1", "spearman_ties")}

    scores = {
        name: {
            "label": label,
            "kind": kind,
            **{truth: agreement(value, truth) for truth in ("exact", "reprompt") if truth != name},
        }
        for name, (label, kind, value) in SCORES.items()
    }
    return {
        "users": users,
        "measured": users - 2,
        "short": 2,
        "k": 8,
        "gain": {**estimate(1.2, users)},
        "truths": {
            "exact": {"label": "Shapley value by removal"},
            "reprompt": {"label": "Shapley by reprompt"},
        },
        "scores": scores,
        "measure": "margin",
        "estimators": {
            "kriging": {
                "passes": {"mean": 80.0, "max": 80},
                "error": {"median": 0.02, "p95": 0.06, "max": 0.1},
                "covered": estimate(0.96, users),
            }
        },
        "bars": [
            {
                "what": "Effects with exact Shapley",
                "bar": 0.93,
                "found": estimate(0.95, users),
                "verdict": "holds",
            },
            {
                "what": "Effects with reprompt",
                "bar": 0.8,
                "found": estimate(0.7, users),
                "verdict": "does not hold",
            },
        ],
        "claim": f"Effects can be trusted on {asked['dataset']}: it is made up.",
    }


def contamination(asked: dict[str, Any]) -> dict[str, Any]:
    """Evidence beside controls, rankings by titles, and the verdict."""
    known = [("completion", "titles completed exactly", "yes", 0.001), ("order", "next title", "no", 0.8)]
    known += [("names", "NDCG@10 without demonstrations", "unsure", 0.3)]
    names = tested(0.12, 0.1, 0.3)
    return {
        "evidence": [
            {
                "name": name,
                "label": label,
                "real_label": "real <b>ones</b>",
                "control_label": "others",
                "unit": "share",
                "bound": 0.05,
                "real": estimate(0.4, asked["users"]),
                "control": estimate(0.2, asked["users"]),
                "difference": tested(0.2, p, p),
                "state": state,
            }
            for name, label, state, p in known
        ],
        "cells": [
            {
                "row": titles,
                "column": column,
                "n": asked["users"],
                "ndcg10": estimate(number(0.4, 0.8, titles, column), asked["users"]),
            }
            for titles in ("real", "twin")
            for column in ("zero_shot", "demonstrations")
        ],
        "tests": [{"better": ["real", "zero_shot"], "than": ["twin", "zero_shot"], "ndcg10": names}],
        "model": {"model": asked.get("model", "embedded"), "revision": "embedded"},
        "verdict": "titles",
        "claim": f"embedded knows titles of {asked['dataset']}: it completes 40.0% of them.",
    }


def so_far(asked: dict[str, Any], done: int) -> dict[str, Any]:
    """What a running study tells."""

    def mean(*parts: Any) -> dict[str, Any]:
        return estimate(number(0.4, 0.8, *parts, done), done)

    if asked["study"] == "faithfulness":
        return {"so_far": {"spearman": {name: {**mean(name), "label": SCORES[name][0]} for name in SCORES}}}
    if asked["study"] == "strategies":
        return {"so_far": {"ndcg10": {name: mean(name) for name in STRATEGIES}}}
    rows: Sequence[str] = list(rows_of(asked))
    cells = {row: {column: mean(row, column) for column in COLUMNS} for row in rows}
    flat = {name: mean(name) for name in SERIES}
    return {"so_far": {"ndcg10": cells if asked["study"] == "recicl" else flat}, "measured": {"k": 1}}


def study(store: Store, job: Job, owner: str, pace_s: Callable[[], float]) -> dict[str, Any] | None:
    """Report three times, `pace_s()` seconds apart, then answer; None where it was stopped meanwhile."""
    asked = job.payload
    for done in (1, 2, 3):
        began = time.monotonic()
        while True:
            report = so_far(asked, done)
            if not jobs.heartbeat(store, job.id, owner, done / 4, f"user {done} of 4", partial=report):
                jobs.release(store, job.id, owner)
                return None
            if time.monotonic() - began >= pace_s():
                break
            time.sleep(0.05)
    made = {"recicl": recicl, "drift": drift, "strategies": strategies, "faithfulness": faithfulness}
    made |= {"contamination": contamination}
    result = made[asked["study"]](asked)
    split: dict[str, Any] = {"kind": "leave-one-out"}
    if "periods" in asked:
        split = {"kind": "periods", "periods": asked["periods"], "cut": asked["cut"], "date": "2021-03-04"}
    told = {"study": asked["study"], "dataset": asked["dataset"], "request": {**asked, "candidates": 20}}
    return {
        **told,
        "split": split,
        **result,
        "notes": ["Simulated data: no real <b>shopper</b>."],
        "seconds": 4.2,
    }
