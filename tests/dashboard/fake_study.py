"""Answers to `study` jobs: results of the real shapes with numbers made from digests, told bit by bit."""

import time
from collections.abc import Sequence
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
                m: {**estimate(number(-0.1, 0.2, row, m), asked["users"]), "p": 0.01}
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
        "claim": f"RecICL's claim holds on {asked['dataset']}: it is made up.",
        "claim_holds": {"ndcg10": True},
    }


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
            {"better": "llm_fresh", "than": "llm_stale", "ndcg10": {**estimate(0.06, 30), "p": 0.0004}},
            {"better": "llm_fresh", "than": "sasrec_retrained", "ndcg10": {**estimate(-0.01, 30), "p": 0.6}},
        ],
    }


def so_far(asked: dict[str, Any], done: int) -> dict[str, Any]:
    """What a running study tells."""
    rows: Sequence[str] = list(rows_of(asked))
    cells = {row: {c: {"mean": number(0.4, 0.8, row, c, done), "n": done} for c in COLUMNS} for row in rows}
    flat = {name: {"mean": number(0.4, 0.8, name, done), "n": done} for name in SERIES}
    return {"so_far": {"ndcg10": cells if asked["study"] == "recicl" else flat}, "measured": {"k": 1}}


def study(store: Store, job: Job, owner: str, step_s: float) -> dict[str, Any] | None:
    """Tell three bits, `step_s` seconds apart, then answer; None where it was stopped meanwhile."""
    asked = job.payload
    for done in (1, 2, 3):
        if not jobs.heartbeat(
            store, job.id, owner, done / 4, f"user {done} of 4", partial=so_far(asked, done)
        ):
            jobs.release(store, job.id, owner)
            return None
        time.sleep(step_s)
    result = {"recicl": recicl, "drift": drift}[asked["study"]](asked)
    split = {"kind": "periods", "periods": asked["periods"], "cut": asked["cut"], "date": "2021-03-04"}
    told = {"study": asked["study"], "dataset": asked["dataset"], "request": {**asked, "candidates": 20}}
    return {
        **told,
        "split": split,
        **result,
        "notes": ["Simulated data: no real <b>shopper</b>."],
        "seconds": 4.2,
    }
