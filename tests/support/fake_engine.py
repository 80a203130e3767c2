"""An engine for tests: answers the dashboard's jobs with numbers made from digests.

The shapes are those of the real one.

The numbers are consistent (a demonstration's effect times its weight is taken off the loss and added to the
target's score), so that a changed weight changes the list; no model is involved.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from db import datasets, demonstrations, forgotten, jobs, models, runs, sets, workers
from db.canonical import digest
from db.demonstrations import Demonstration, demonstration_id
from db.errors import DataError, DualensError
from db.jobs import Job
from db.requests import ExperimentRequest, RunRequest, request_digest
from db.requests.keep import around, read_kept
from db.requests.strategy_spec import reference_of
from db.runs import Run
from db.sets import NamedSet
from db.store import Store
from db.workers import Worker
from engine.studies.experiments.pair import pair
from tests.support import (
    fake_experiment,
    fake_explain,
    fake_export,
    fake_optimize,
    fake_study,
    fake_template,
    fake_tuning,
    shop,
)

OWNER = "fake engine"
HELD = 1e9  # seconds: a job that waits until the test lets it go


def number(low: float, high: float, *parts: Any) -> float:
    """A fixed number between `low` and `high` for these parts."""
    return low + (high - low) * int(digest([str(part) for part in parts])[:8], 16) / 0xFFFFFFFF


def demo_view(
    store: Store, info: datasets.DatasetInfo, user_id: str, source: str, position: int
) -> dict[str, Any]:
    """One window of a user as a stored demonstration and as the JSON that pages read."""
    past = datasets.history(store, info.id, datasets.user(store, info.id, user_id).user)
    position = min(position, len(past) - 2)
    window, answer = past[max(0, position - 3) : position], past[position]
    ids = [entry.item_id for entry in window]
    name = demonstration_id(info.fingerprint, user_id, ids, answer.item_id, position)
    demonstrations.save_many(
        store,
        [
            Demonstration(
                name, info.id, source, user_id, tuple(ids), answer.item_id, position, answer.timestamp
            )
        ],
    )
    return {
        "id": name,
        "weight": 1.0,
        "source": source,
        "user": user_id,
        "text": "",
        "history": [{"item": entry.item_id, "title": entry.title} for entry in window],
        "answer": {"item": answer.item_id, "title": answer.title},
        "timestamp": answer.timestamp,
        "similarity": round(number(0, 1, name), 3),
        "shared": int(number(0, 4, name)),
    }


def pool(store: Store, request: RunRequest, size: int = 12) -> list[dict[str, Any]]:
    """Windows of other users and of the user's own past."""
    info = datasets.get(store, request.dataset)
    others = [
        each.user_id for each in datasets.users(store, info.id, limit=200) if each.user_id != request.user
    ]
    random.Random(request.user).shuffle(others)
    views = [demo_view(store, info, other, "neighbours", 4) for other in others[:size]]
    views += [demo_view(store, info, request.user, "proximal", position) for position in (2, 3)]
    unique = {view["id"]: view for view in views}
    return list(unique.values())


def predicted(store: Store, request: RunRequest, ids: list[str]) -> dict[str, Any]:
    """Effects of adding these, in which the last of them is the best and the first has no room."""
    effects: dict[str, float | None] = {name: place / 10 - 0.25 for place, name in enumerate(ids)}
    effects[ids[0]] = None
    run = rank(store, request)
    shown = len(run.result["demonstrations"])
    return {"run": run.key, "measure": "margin", "value": -1.0, "effects": effects, "added_to": shown}


def demonstrations_of(store: Store, request: RunRequest) -> list[dict[str, Any]]:
    """What stands on the desk for this request."""
    known = {view["id"]: view for view in pool(store, request)}
    if request.demonstrations is not None:
        own = written(store, [each.id for each in request.demonstrations if each.id not in known])
        return [{**(known | own)[each.id], "weight": each.weight} for each in request.demonstrations]
    if (kept := set_of(store, request)) is not None:
        own = written(store, [member.id for member in kept.members if member.id not in known])
        shown = [{**(known | own)[member.id], "weight": member.weight} for member in kept.members]
        return [view for view in shown if view["user"] != request.user]
    name, _, count = request.demos.partition(":")
    if name == "none":
        return []
    stay = read_kept(request.keep)
    taken = {one.id for one in stay}
    own = written(store, [one.id for one in stay if one.id not in known])
    free = [view for view in known.values() if name != "proximal" or view["source"] == name]
    free = [view for view in free if view["id"] not in taken][: int(count) - len(stay)]
    return around(free, [(one.place, {**(known | own)[one.id], "weight": one.weight}) for one in stay])


def set_of(store: Store, request: RunRequest) -> NamedSet | None:
    """The stored set that fills the request's desk. Here a user may not know any of their own windows."""
    reference = None if request.demonstrations is not None else reference_of(request.demos)
    return (reference and sets.get(store, datasets.get(store, request.dataset).id, reference)) or None


def written(store: Store, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Stored demonstrations as the JSON that pages read."""
    views, stored = {}, demonstrations.get_many(store, ids)
    shown = demonstrations.titles(store, stored.values())
    for name, one in stored.items():
        titles = [{"item": item, "title": title} for item, title in shown[name]]
        views[name] = {"id": name, "source": one.source, "user": one.user_id, "text": ""}
        views[name] |= {"history": titles[:-1], "answer": titles[-1], "timestamp": one.timestamp}
        views[name] |= {"similarity": 0.0, "shared": 0}
    return views


def effect_of(view: dict[str, Any]) -> float:
    """Nats this demonstration takes off the loss at weight 1."""
    return number(-0.4, 1.4, "effect", view["id"])


def ranked(scores: dict[str, float], titles: dict[str, str], target: str) -> list[dict[str, Any]]:
    """Items by falling score, as runs store them."""
    order = sorted(scores, key=lambda item: -scores[item])
    return [
        {"item": item, "title": titles[item], "rank": at, "score": scores[item], "is_target": item == target}
        for at, item in enumerate(order, start=1)
    ]


def metrics(rank: int) -> dict[str, float]:
    """The metrics of one ranked list."""
    inside = rank <= 10
    gain = 1 / (1 + rank) ** 0.5 if inside else 0.0
    hits = {"hr1": float(rank == 1), "hr10": float(inside)}
    return {"rank": float(rank), **hits, "ndcg10": gain, "mrr": 1 / rank}


def rank(store: Store, request: RunRequest) -> Run:
    """A stored run for this request."""
    found = runs.by_request(store, request_digest(store, request))
    if found is not None:
        return found
    info = datasets.get(store, request.dataset)
    past = datasets.history(store, info.id, datasets.user(store, info.id, request.user).user)
    target = past[-1 if request.target == "test" else -2]
    titles = dict(zip((c := datasets.catalogue(store, info.id)).item_ids, c.titles, strict=True))
    rest = [item for item in titles if item not in {entry.item_id for entry in past}]
    random.Random(f"{request.user}{request.seed}{request.candidate_kind}").shuffle(rest)
    candidates = [target.item_id, *rest[: request.candidates - 1]]
    views, chosen = demonstrations_of(store, request), 0
    if request.exclude_target_item:
        chosen = len(views)
        shown = [{item["item"] for item in (*view["history"], view["answer"])} for view in views]
        views = [view for view, items in zip(views, shown, strict=True) if target.item_id not in items]
    zero = {item: number(-14, -8, request.user, item) for item in candidates}
    zero[target.item_id] -= 0.3
    gain = sum(view["weight"] * effect_of(view) for view in views)
    scores = {item: score + number(-0.5, 0.5, item, gain) for item, score in zero.items()}
    scores[target.item_id] = zero[target.item_id] + gain
    items, zero_shot = ranked(scores, titles, target.item_id), ranked(zero, titles, target.item_id)
    places = [next(each["rank"] for each in some if each["is_target"]) for some in (items, zero_shot)]
    result = {
        "items": items,
        "zero_shot": zero_shot,
        "metrics": {**metrics(places[0]), "zero_shot": metrics(places[1])},
        "loss": -scores[target.item_id],
        "loss_zero_shot": -zero[target.item_id],
        "demonstrations": views,
        "history": [{"item": entry.item_id, "title": entry.title} for entry in past[:-1]],
        "target": {
            "item": target.item_id,
            "title": target.title,
            "position": target.position,
            "kind": request.target,
            "tie": False,
        },
        "prompt": {"hash": digest(request.to_json()), "tokens": 120 + 60 * len(views), "dropped": []},
        "candidates": {
            "fingerprint": digest(candidates),
            "kind": request.candidate_kind,
            "size": len(candidates),
            "seed": request.seed,
        },
        "model": {
            "name": request.model,
            "source": "models/embedded",
            "revision": "r1",
            "architecture": "LlamaForCausalLM",
            "parameters": 9_800_000,
            "device": "cpu",
            "dtype": "float32",
            "reason": "no GPU",
        },
        "notes": [],
        **({"excluded": chosen - len(views)} if chosen > len(views) else {}),
    }
    if (kept := set_of(store, request)) is not None:
        shown_ids = {view["id"] for view in views}
        result["set"] = {"name": kept.name, "digest": kept.digest, "shared": kept.shared}
        result["set"] |= {"size": len(kept.members)}
        result["set"] |= {"unknown": [one.id for one in kept.members if one.id not in shown_ids]}
    key = digest([result["prompt"]["hash"], info.fingerprint, [[v["id"], v["weight"]] for v in views]])
    return runs.save(
        store,
        Run(
            key,
            request,
            request_digest(store, request),
            info.id,
            request.user,
            request.model,
            result,
            {"total": 212.0},
            created_at=time.time(),
        ),
    )


def effects(store: Store, run: Run, mode: str = "direct", measure: str = "margin") -> str:
    """Stored effects of a run; the first two demonstrations teach the same."""
    views = run.result["demonstrations"]
    entries = [
        {
            "id": view["id"],
            "effect": (value := view["weight"] * effect_of(view)),
            "interval": [value, value],
            "leave_one_out": value + number(-0.08, 0.08, view["id"]),
            "loss_effect": value,
            "mass": number(0.02, 0.2, view["id"]),
        }
        for view in views
    ]
    total = run.result["loss_zero_shot"] - run.result["loss"]
    pairs = [
        {"first": a["id"], "second": b["id"], "interaction": -0.9 if (at, of) == (0, 1) else 0.1}
        for at, a in enumerate(entries)
        for of, b in enumerate(entries)
        if at < of
    ]
    result = {
        "measure": measure,
        "mode": mode,
        "value_zero_shot": run.result["loss_zero_shot"],
        "value": run.result["loss"],
        "effect_total": total,
        "zero_shot": run.result["loss_zero_shot"],
        "estimator": "exact",
        "passes": 2 ** len(views) + (mode != "direct"),
        "arithmetic": 0.0,
        "interactions": pairs,
        "redundant": {**pairs[0], "effects": [0.5, 0.5]} if pairs else None,
        "notes": [],
        "demonstrations": entries,
        "spearman_leave_one_out": 1.0 if len(views) > 2 else None,
    }
    key = digest(["effects", run.key, mode, measure])
    options = {"estimator": "auto", "leave_one_out": True, "mode": mode, "measure": measure}
    runs.save_effects(store, run.key, key, options, result, {"total": 140.0})
    return key


def peers(run: Run) -> dict[str, Any]:
    """The run's candidates in another order, twice, and one list that is not there."""
    target, titles = run.result["target"]["item"], {row["item"]: row["title"] for row in run.result["items"]}
    lists = []
    for name in ("itemknn", "popularity"):
        items = ranked({item: number(0, 1, name, item) for item in titles}, titles, target)
        place = next(row["rank"] for row in items if row["is_target"])
        lists.append({"name": name, "items": items, "rank": place, "tied": 0})
    return {"lists": [*lists, {"name": "sasrec", "missing": "sasrec has <b>not</b> been fitted."}]}


def catalogue(store: Store, request: RunRequest, top: int) -> dict[str, Any]:
    """The first items of the catalogue in two orders."""
    known = datasets.catalogue(store, datasets.get(store, request.dataset).id)
    titles = dict(zip(known.item_ids, known.titles, strict=True))
    some = [
        ranked({item: number(0, 1, way, item) for item in titles}, titles, "i3")[:top]
        for way in ("with", "without")
    ]
    search = {"titles": len(titles), "width": 100, "proven": True}
    return {"items": some[0], "zero_shot": some[1], "search": search, "timings_ms": {"total": 840.0}}


def spread(store: Store, request: RunRequest, kinds: list[str], draws: int) -> dict[str, Any]:
    """Effects under each kind of disturbance; the last demonstration's spread is larger than its effect."""
    views = demonstrations_of(store, request)
    told = []
    for name in kinds:
        values = {}
        for at, view in enumerate(views):
            mean = effect_of(view)
            std = 2 * abs(mean) if at == len(views) - 1 else 0.1 * abs(mean)
            values[view["id"]] = {"mean": mean, "std": std, "robust": mean - std}
        total = {"mean": 1.0, "std": 0.2, "robust": 0.8}
        told.append(
            {"name": name, "label": f"{name} <b>x</b>", "effects": values, "total": total, "draws": draws}
        )
    return {"kinds": told, "kappa": 1.0, "demonstrations": [view["id"] for view in views]}


def forward(iterations: int) -> dict[str, Any]:
    """A curve that is best at the second pass."""
    losses = [9.0, 8.6, 8.4, *(8.5 + 0.1 * at for at in range(iterations))][: iterations + 1]
    points = [
        {"iteration": at, "loss": loss, "margin": 0.1, "rank": float(max(1, 7 - at)), "ndcg10": 0.3}
        for at, loss in enumerate(losses)
    ]
    return {"curve": points, "probe_curve": points[::-1], "chosen": min(2, iterations), "chosen_by": "probe"}


def preview(payload: dict[str, Any]) -> dict[str, Any]:
    """A file of three columns, whatever the path; the mapping asked for wins."""
    if "missing" in payload["path"]:
        raise DataError(f"{payload['path']}: there is no such <file>. Nothing was imported.")
    guessed = {"user": "who", "item": "what", "timestamp": "when", "rating": None}
    return {
        "format": "generic",
        "label": "a table",
        "files": ["toy.csv"],
        "mapping": {**guessed, **(payload["mapping"] or {})},
        "evidence": {"user": "3 distinct, each 1 to 2 times"},
        "questions": [],
        "beside": [],
        "columns": ["who", "what", "when"],
        "item_columns": [],
        "rows": [["u1", "<b>i1</b>", 1], ["u2", "i2", None]],
        "titles": ["A :smile: title"],
        "notes": ["The times are read as seconds."],
    }


def forget(store: Store, payload: dict[str, Any]) -> dict[str, Any]:
    """What the real one does to the data set, without looking for what still knows it."""
    name, asked = payload["dataset"], payload.get("forget")
    if asked is not None:
        forgotten.forget(
            store, name, forgotten.purchase(store, name, asked["user"], asked["item"], asked["position"])
        )
    elif "undo" in payload:
        forgotten.remember(store, name, [tuple(key) for key in payload["undo"]])
    places = [{"place": "stored <b>runs</b>", "count": 2, "examples": ["a", "b"], "advice": "Delete them."}]
    return {"forgotten": datasets.get(store, name).forgotten, "places": places}


def template(store: Store, payload: dict[str, Any]) -> dict[str, Any]:
    """The text of a template, one kept, or the prompt it writes."""
    if "template" in payload:
        return {"text": fake_template.text_of(store, payload["template"])}
    if "save_as" in payload:
        return fake_template.saved(store, payload["save_as"], payload["text"])
    asked = RunRequest.from_json(payload["request"])
    unit = "token" if models.get(store, asked.model).endpoint is None else "character"
    return fake_template.preview(
        payload["text"], demonstrations_of(store, asked), payload.get("wanted"), unit
    )


OF_REQUESTS: dict[str, Callable[[Store, RunRequest, dict[str, Any]], dict[str, Any]]] = {
    "pool": lambda store, asked, given: {"demonstrations": pool(store, asked, given["size"])},
    "predicted": lambda store, asked, given: predicted(store, asked, given["demonstrations"]),
    "catalogue": lambda store, asked, given: catalogue(store, asked, given["top"]),
    "explain": lambda store, asked, given: fake_explain.explain(store, rank(store, asked), given["part"]),
    "spread": lambda store, asked, given: spread(store, asked, given["kinds"], given["draws"]),
}


OF_PAYLOADS: dict[str, Callable[[Store, dict[str, Any]], dict[str, Any]]] = {
    "experiment_estimate": lambda _, given: fake_experiment.estimate(ExperimentRequest.from_json(given)),
    "experiment_selector": lambda _, given: fake_experiment.selector(given["rows"]),
    "experiment_pair": lambda store, given: pair(store, given["experiment"], given["without"], given["with"]),
    "template": lambda store, given: template(store, given),
    "forget": lambda store, given: forget(store, given),
    "export": lambda _, given: fake_export.export(given),
    "preview": lambda _, given: preview(given),
}


def answer(store: Store, job: Job) -> dict[str, Any]:
    """The result of one job."""
    if job.kind in ("rank", "effects"):
        run = rank(store, RunRequest.from_json(job.payload["request"]))
        if job.kind == "rank":
            return {"run": run.key}
        return {
            "run": run.key,
            "effects": effects(store, run, job.payload.get("mode", "direct"), job.payload["measure"]),
        }
    if job.kind in OF_REQUESTS:
        asked = RunRequest.from_json(job.payload["request"])
        return OF_REQUESTS[job.kind](store, asked, job.payload)
    if job.kind in OF_PAYLOADS:
        return OF_PAYLOADS[job.kind](store, job.payload)
    if job.kind == "peers":
        return peers(runs.get(store, job.payload["run"]))
    if job.kind == "forward":
        return forward(job.payload["iterations"])
    if job.kind == "register_model":
        models.register(
            store, models.ModelInfo(job.payload["name"], job.payload["source"], "r1", "Toy", 1000, 128)
        )
        return {"model": job.payload["name"]}
    if job.kind == "import":
        info = shop.stock(store, job.payload["name"])
        return {
            "dataset": info.name,
            "report": {"rows_read": 410, "rows_kept": 405, "users": 40, "items": 80},
        }
    raise DualensError(f"The fake engine knows no {job.kind!r}.")


class FakeEngine(threading.Thread):
    """A worker thread: `with FakeEngine(store): ...`. `errors` per job kind fail.

    `delay_s` per job kind makes it slow; a test may change it while a job waits: `HELD` until the test says.
    """

    def __init__(
        self, store: Store, delay_s: dict[str, float] | None = None, errors: dict[str, str] | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.errors = errors or {}
        self.store, self.delay_s, self.closed = store, delay_s or {}, threading.Event()
        self.beaten = 0.0

    def run(self) -> None:
        while not self.closed.wait(0.02):
            self._beat()
            job = jobs.claim(self.store, OWNER)
            if job is None or not self._waited(job):
                continue
            try:
                if job.kind in self.errors:
                    raise DualensError(self.errors[job.kind])
                result = self._result(job)
                if result is not None:
                    jobs.finish(self.store, job.id, OWNER, result)
            except DualensError as error:
                jobs.fail(self.store, job.id, OWNER, str(error))

    def _beat(self) -> None:
        now = time.time()
        if now - self.beaten > 2:
            told = Worker(OWNER, 1, "here", "cpu", "float32", "ready", models=["embedded"], beat_at=now)
            workers.beat(self.store, told)
            self.beaten = now

    def _waited(self, job: Job) -> bool:
        """Spend the delay of this kind of job; False where it was stopped meanwhile or nobody wants it."""
        began = time.monotonic()
        while time.monotonic() - began < self.delay_s.get(job.kind, 0.0):
            self._beat()
            if self.closed.wait(0.05) or not jobs.heartbeat(self.store, job.id, OWNER):
                jobs.release(self.store, job.id, OWNER)
                return False
        return True

    def _pace(self, of: str) -> float:
        return self.delay_s.get(of, 0.0)

    def _result(self, job: Job) -> dict[str, Any] | None:
        """What a job comes to; None where it was stopped meanwhile."""
        if job.kind == "tune":
            return fake_tuning.tune(self.store, job, OWNER, lambda: self._pace("tune point"))
        if job.kind == "study":
            return fake_study.study(self.store, job, OWNER, lambda: self._pace("study step"))
        if job.kind == "experiment":
            return fake_experiment.experiment(self.store, job, OWNER, lambda: self._pace("experiment step"))
        if job.kind == "optimize":
            asked = RunRequest(job.payload["dataset"], job.payload["user"], job.payload["model"])
            choices = pool(self.store, asked)
            return fake_optimize.optimize(
                self.store, job, OWNER, lambda: self._pace("optimize step"), choices
            )
        return answer(self.store, job)

    def __enter__(self) -> "FakeEngine":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self.join(10)
        workers.gone(self.store, OWNER)
