"""Tunings for tests: a curve that falls, reported as it grows, and a model registered at the end."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from db import jobs, models
from db.errors import ModelError
from db.jobs import Job
from db.models import ModelInfo
from db.store import Store

POINTS = 8


def curve(upto: int = POINTS, *, ranks: bool = False) -> list[dict[str, Any]]:
    """Points as the engine writes them: the first one is from before the training, so it has no loss."""
    points = []
    for at in range(upto):
        point: dict[str, Any] = {"step": 40 * at, "tokens": 160_000 * at, "seconds": 15.0 * at}
        if ranks:
            point |= {"epoch": at, "loss": 6 - 0.3 * at, "validation": 0.2 + 0.02 * at}
        else:
            point |= {"validation": 3.2 + 2.1 / (1 + at)} | ({"loss": 3.0 + 2.0 / at} if at else {})
        points.append(point)
    return points


def so_far(payload: dict[str, Any], upto: int = POINTS) -> dict[str, Any]:
    """What a tuning of a language model has after so many points."""
    points = curve(upto)
    last = points[-1]
    return {
        "model": payload.get("name") or f"{payload['dataset']}-{payload.get('layout', 'recicl')}",
        "samples": 4321,
        "steps": last["step"],
        "tokens": last["tokens"],
        "seconds": last["seconds"],
        "tokens_per_second": 10_666.7 if last["tokens"] else None,
        "best": last["validation"],
        "curve": points,
        "stopped_because": None,
    }


def result(payload: dict[str, Any]) -> dict[str, Any]:
    """What a finished tuning has, whatever its kind."""
    recipe = {"request": payload, "method": "full", "learning_rate": 3e-4}
    kind = payload.get("kind", "llm")
    if kind == "llm":
        done = so_far(payload) | {"stopped_because": "the time was up", "flop_floor_ratio": 2.4}
        return done | {"recipe": recipe, "data_fingerprint": "feed" * 16}
    report = {"curve": curve(ranks=True), "seconds": 105.0} if kind.startswith("sasrec") else None
    return {
        "model": None,
        "kind": kind,
        "fitted_on": "interactions before each target's moment",
        "loaded": False,
        "seconds": 0.42,
        "report": report,
        "recipe": recipe,
    }


def tune(store: Store, job: Job, owner: str, pace_s: Callable[[], float]) -> dict[str, Any] | None:
    """Do a tuning point by point, one each `pace_s()` seconds; None where its stop was asked for."""
    payload = job.payload
    if payload.get("base") == "broken":
        raise ModelError("The model <b>broken</b> has no weights: :smile: $x$. Nothing was registered.")
    for told in _points(payload):
        share = len(told["curve"]) / POINTS
        began = time.monotonic()
        while True:
            if not jobs.heartbeat(store, job.id, owner, share, f"step {told['steps']}", partial=told):
                jobs.release(store, job.id, owner, told)
                return None
            if time.monotonic() - began >= pace_s():
                break
            time.sleep(0.05)
    done = result(payload)
    if done["model"]:
        models.register(
            store, ModelInfo(done["model"], "tunings/x", "r1", "LlamaForCausalLM", 6_700_000, 2048)
        )
    return done


def _points(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if payload.get("kind", "llm") == "llm":
        yield from (so_far(payload, upto) for upto in range(1, POINTS + 1))
