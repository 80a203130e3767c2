"""How `version_0_1_0.sqlite.gz` and `expected.json` were made: a record, run once with version 0.1.0.

Not run by tests, and not to be run again: the store is worth something only because that version wrote it.
So what is imported and called here is that version's, too, and is not kept up with later ones. The command
was `python tests/db/stores/make_store.py` in the repository's folder; it took five minutes on two cores. A
later version that stores something new gets a store and a script of its own beside these.

Everything was asked the way people ask: by the command line, and by jobs that a page files and a worker does.
The data set is invented and small. At the end paths of the machine are replaced by ones under /home/dualens.
"""

import csv
import gzip
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from db import datasets, demonstrations, jobs, models, runs  # noqa: E402
from db.canonical import digest  # noqa: E402
from db.errors import NotFound  # noqa: E402
from db.jobs import BACKGROUND, COMPLETED, ERROR, INTERACTIVE, RUNNING, STOPPED, Job  # noqa: E402
from db.requests import Chosen, OptimizeRequest, RunRequest, StudyRequest, TuneRequest, request_digest  # noqa: E402
from db.settings import Settings  # noqa: E402
from db.store import Store  # noqa: E402
from engine.data.simulated import simulate  # noqa: E402
from engine.setup import fingerprint  # noqa: E402

SHOP, SHELVED, PURGED = "corner-shop", "weekend-shop", "closed-shop"
PLACE, MACHINE, PROCESS = "/home/dualens", "workstation", 4242
ESTIMATE = {"estimator": "auto", "leave_one_out": True}  # what the pages ask for
WAIT_S = 600

MAKERS = ("Tilly & Sons", "Óskar", "Brambleworks", "Nord 9", 'Old "Quay"')
THINGS = (
    "Enamel Kettle",
    "Linen Apron",
    "Crème Brûlée Dish",
    "Walnut Board",
    "Copper Pan 24 cm",
    "Beeswax Candle",
    "Tea Tin",
    "Herb Scissors",
)


def main() -> None:
    """Make both files beside this script."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files, home = work / "files", work / "home"
        files.mkdir()
        os.environ |= {
            "DUALENS_HOME": str(home),
            "DUALENS_DEVICE": "cpu",
            "DUALENS_DTYPE": "float32",
            "HF_HUB_OFFLINE": "1",
        }
        os.environ.pop("DUALENS_DATABASE_URL", None)
        settings = Settings()
        with Store.open(settings) as store:
            fill(store, files)
        moved = {str(files): f"{PLACE}/files", str(home): f"{PLACE}/.dualens", str(ROOT): PLACE}
        database = work / "clean.db"
        with sqlite3.connect(home / "dualens.db") as connection:
            forget_machine(connection, moved)
            connection.commit()
            connection.execute("VACUUM INTO ?", [str(database)])
        raw = database.read_bytes()
        for word in (*moved, tempfile.gettempdir(), str(Path.home()), socket.gethostname()):
            if word.encode() in raw:
                raise SystemExit(f"The store still names this machine: {word}")
        (HERE / "version_0_1_0.sqlite.gz").write_bytes(gzip.compress(raw, 9, mtime=0))
        opened = settings.model_copy(update={"database_url": f"sqlite:///{database}"})
        with sqlite3.connect(database) as connection, Store.open(opened) as store:
            (HERE / "expected.json").write_text(spelled(described(connection, store)), encoding="utf-8")


def fill(store: Store, files: Path) -> None:
    """Everything that a person did in this workspace, in order."""
    write_csv(files / "shop.csv", users=30, items=40)
    write_csv(files / "small.csv", users=8, items=12)
    # Under the name of the simulated store, so that the set-up job finds it and need not make 2,000 users.
    columns = simulate(seed=0, users=12, items=100)
    datasets.insert(
        store,
        "simulated",
        columns,
        kind="simulated",
        source="simulated, seed 0",
        fingerprint=fingerprint(columns),
        report={"rows": {"made": len(columns.user)}},
        simulated=True,
    )
    command("import", str(files / "shop.csv"), "--name", SHOP)
    with worker() as process:
        set_up(store, files)
        rank_everything(store)
        written(store)
        explain(store)
        tune(store)
        study(store)
        optimize(store)
        beside(store)
        put_away(store)
        fail(store)
        stop_some(store)
        kill_at_work(store, process)
    wait_for_nobody(store)
    commands()


def write_csv(path: Path, users: int, items: int) -> None:
    """Purchases that follow each other somewhat: a shopper mostly goes on with what stands next."""
    draw = random.Random(users)
    titles = [f"{maker} {thing}" for maker in MAKERS for thing in THINGS][:items]
    with path.open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle)
        rows.writerow(["user_id", "item_id", "title", "category", "brand", "rating", "timestamp"])
        for user in range(users):
            moment, item = 1_650_000_000 + draw.randrange(9_000_000), draw.randrange(items)
            for bought in range(draw.randint(6, 13)):
                moment += 0 if user == 7 and bought == 5 else draw.randrange(40_000, 2_500_000)
                item = (item + draw.choice((1, 1, 1, 5, draw.randrange(items)))) % items
                maker, thing = MAKERS[item // len(THINGS)], THINGS[item % len(THINGS)]
                rating = draw.choice((1.0, 2.0, 2.5, 4.0, 4.5, 5.0))
                rows.writerow(
                    [
                        f"c{user + 1:02d}",
                        f"p{item:02d}",
                        titles[item],
                        thing.split()[-1],
                        maker,
                        rating,
                        moment,
                    ]
                )


def command(*words: str) -> None:
    """One command in a process of its own."""
    subprocess.run([sys.executable, "-m", "engine", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def worker() -> Iterator[subprocess.Popen]:
    """A worker as the dashboard starts one."""
    process = subprocess.Popen([sys.executable, "-m", "engine", "worker"], cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def done(
    store: Store,
    kind: str,
    payload: dict[str, Any],
    priority: int = INTERACTIVE,
    state: str = COMPLETED,
) -> Job:
    """The job at its end, which must be in this state."""
    job = jobs.submit(store, kind, payload, priority)
    until = time.monotonic() + WAIT_S
    while job.state not in (COMPLETED, ERROR, STOPPED):
        if time.monotonic() > until:
            raise SystemExit(f"{kind} {payload} did not end: {job}")
        time.sleep(0.02)
        job = jobs.get(store, job.id)
    if job.state != state:
        raise SystemExit(f"{kind} {payload} ended as {job.state}: {job.error}")
    return job


def set_up(store: Store, files: Path) -> None:
    """The embedded model and a first run; two data sets by a page, one of them looked at before."""
    done(store, "setup", {})
    looked = {"path": str(files / "small.csv"), "format": None, "mapping": None}
    done(store, "preview", looked)
    for name, core in ((SHELVED, 0), (PURGED, 1)):
        options = {"min_history": 3, "k_core": core, "min_rating": None}
        done(store, "import", {**looked, "name": name, "options": options})
    done(store, "register_model", {"name": "second-name", "source": str(ROOT / "engine" / "embedded")})


def ranked(store: Store, user: str, dataset: str = SHOP, **fields: Any) -> RunRequest:
    """Rank by a job; the request. Short lists keep the store small."""
    request = RunRequest(dataset, user, **{"candidates": 8, "demos": "neighbours:2", **fields}).validate()
    done(store, "rank", {"request": request.to_json()})
    return request


def rank_everything(store: Store) -> None:
    """Every field of a request away from its default, and every strategy."""
    done(store, "rank", {"request": RunRequest(SHOP, "c01").to_json()})
    ranked(store, "c01", demos="none")
    ranked(store, "c01", demonstrations=())
    for kind in ("popular", "hard"):
        ranked(store, "c02", candidate_kind=kind, seed=3, candidates=12)
    for scoring in ("sum", "mean", "calibrated", "yes_no", "listwise"):
        ranked(store, "c03", scoring=scoring)
    ranked(store, "c04", history=3)
    for way in ("semantic", "clusters"):
        ranked(store, "c04", history_by=way, history=4)
    ranked(store, "c05", target="probe")
    ranked(store, "c05", hint="itemknn")
    ranked(store, "c05", hint="popularity", target="probe")
    # Read only by strategies that compare titles, so a folder that is not there does no harm here.
    ranked(store, "c06", embedding="encoders/titles")
    ranked(store, "c06", prompts=2, demos="random:2", seed=11)
    ranked(store, "c06", forward=3)
    ranked(store, "c07", prescore="embedded", demos="recent:2")
    ranked(store, "c07", weights=(0.5, 2.0))
    ranked(store, "c08", perturb="ridge:0.2+negatives:0.5")
    ranked(store, "c08", perturb="order+typos:0.1", seed=2)
    for way in ("random", "recent", "bm25", "neighbours", "proximal", "global", "aggregated"):
        ranked(store, "c09", demos=f"{way}:3")
    for way in ("embedding", "mmr", "dpp", "votek"):
        ranked(store, "c10", demos=f"{way}:2")
    ranked(store, "c11", demos="neighbours:90t")
    ranked(store, "c11", demos="greedy:2")
    ranked(store, "c11", demos="twostage:2")
    ranked(store, "c11", demos="twostage:70t")
    ranked(store, "c12", model="second-name")
    ranked(store, "c01", SHELVED, candidates=4)
    ranked(store, "c02", PURGED, candidates=4)
    everything = {"candidate_kind": "popular", "seed": 5, "scoring": "mean", "history": 6, "target": "probe"}
    more = {"hint": "bm25", "history_by": "clusters", "perturb": "ridge:0.5", "forward": 2, "prompts": 2}
    ranked(
        store,
        "c13",
        demos="bm25:2",
        prescore="second-name",
        embedding="encoders/titles",
        **everything,
        **more,
    )


def written(store: Store) -> None:
    """Demonstrations by hand: one free, one an edited window; runs that name them, with weights."""
    info = datasets.get(store, SHOP)
    request = RunRequest(SHOP, "c14", candidates=8, demos="none")
    payload = {"request": request.to_json(), "sources": ["neighbours", "proximal", "random"], "size": 3}
    found = done(store, "pool", payload).result or {}
    names = [each["id"] for each in found["demonstrations"]]
    window = demonstrations.get_many(store, names, info.id)[names[0]]
    titles = [f"Tin soldier {number}" for number in range(len(window.history))]
    free = demonstrations.hand_written(info, ["Kite", "Ball of <b>string</b>"], "Kite tail, 3 m")
    edited = demonstrations.hand_written(info, titles, "Tin castle", window)
    demonstrations.save_many(store, [free, edited])
    done(store, "pool", {**payload, "sources": ["hand-written"], "size": 12})
    ranked(store, "c14", demonstrations=(Chosen(free.id, 0.5), Chosen(edited.id), Chosen(names[1], 1.75)))
    ranked(store, "c14", demonstrations=(Chosen(names[1], 0.0), Chosen(names[2])))
    # Two requests of one run: the strategy's demonstrations, and the same ones by name.
    by_strategy = ranked(store, "c15")
    run = runs.by_request(store, request_digest(store, by_strategy))
    assert run is not None
    ranked(store, "c15", demonstrations=tuple(Chosen(each["id"]) for each in run.result["demonstrations"]))


def explain(store: Store) -> None:
    """Effects by every estimator and mode, and what else Explain shows of a run."""
    request = RunRequest(SHOP, "c16", candidates=8, demos="neighbours:3")
    first = done(store, "effects", {"request": request.to_json(), **ESTIMATE})
    # The page Explain asks with the stored run's request, in which the scoring is named.
    asked = {"request": runs.get(store, (first.result or {})["run"]).request.to_json()}
    for mode in ("total", "reprompt"):
        done(store, "effects", {**asked, **ESTIMATE, "mode": mode})
    done(store, "spread", {**asked, "kinds": ["ridge:0.4"], "draws": 2, "kappa": 0.5})
    done(store, "spread", {**asked, "kinds": ["weights", "order", "negatives"], "draws": 3})
    done(store, "forward", {**asked, "iterations": 2, "step": 0.3, "momentum": 0.1, "at": 1})
    done(store, "forward", {**asked, "iterations": 3})
    other = {"request": replace(request, user="c17").to_json()}
    for estimator in ("exact", "strata", "path", "aumann"):
        done(store, "effects", {**other, "estimator": estimator, "leave_one_out": False})
    done(store, "effects", {"request": replace(request, user="c17", target="probe").to_json()})


def tune(store: Store) -> None:
    """Models and conventional recommenders in every layout; runs of what was made."""
    short: dict[str, Any] = {"minutes": None, "batch_tokens": 512, "demos": 2}
    for request in (
        TuneRequest(SHOP, name="shop-recicl", steps=4, periods=4, until=2, **short),
        TuneRequest(SHOP, name="shop-yes-no", layout="single", answers="yes_no", steps=2, **short),
        TuneRequest(
            SHOP,
            base="second-name",
            name="shop-last",
            sources=("neighbours",),
            loss_on="last",
            method="full",
            learning_rate=1e-4,
            patience=2,
            seed=9,
            steps=2,
            **short,
        ),
        TuneRequest(SHOP, kind="sasrec", minutes=0.05),
        TuneRequest(SHOP, kind="itemknn"),
        TuneRequest(SHOP, kind="popularity", until=3),
    ):
        done(store, "tune", request.validate().to_json(), BACKGROUND)
    ranked(store, "c18", model="shop-recicl")
    ranked(store, "c18", model="shop-yes-no")
    ranked(store, "c18", hint="sasrec")
    models.delete(store, "shop-last")


def study(store: Store) -> None:
    """One of each study, as commands file them (every field) and as the page does (some fields)."""
    time_of: dict[str, Any] = {"periods": 4, "cut": 2, "candidates": 6}
    for request in (
        StudyRequest("recicl", SHOP, recicl="shop-recicl", users=3, demos="neighbours:2", **time_of),
        StudyRequest("recicl", SHOP, users=2, demos="random:1", minutes=0.01, tune=True, seed=2, **time_of),
        StudyRequest("drift", SHOP, users=2, demos="proximal:2", minutes=0.02, scoring="sum", **time_of),
        StudyRequest("strategies", SHOP, users=3, k=2, only=("none", "random", "bm25", "neighbours")),
        StudyRequest("faithfulness", SHOP, users=2, demos="neighbours:3", history=5, candidate_kind="hard"),
    ):
        payload = request.to_json()
        done(store, "study", StudyRequest.from_json(payload).to_json(), BACKGROUND)
    page = {"study": "faithfulness", "dataset": SHOP, "model": "embedded", "users": 2}
    done(store, "study", {**page, "demos": "neighbours:2", "seed": 1}, BACKGROUND)


def optimize(store: Store) -> None:
    """Optimizations as the page files them: with defaults, with every option, and one that chooses only."""
    who = {"dataset": SHOP, "user": "c19", "model": "embedded"}
    done(store, "optimize", {**who, "size": 2, "probes": 4})
    options = {
        "target": "probe",
        "history": 5,
        "scoring": "sum",
        "seed": 4,
        "size": 2,
        "tokens": 120,
        "sources": ["neighbours", "hand-written", "random"],
        "pool": 3,
        "probes": 4,
        "beam": 2,
        "steps": 3,
        "ridge": 0.1,
        "noise": 0.3,
        "kappa": 1.0,
        "draws": 3,
        "perturb": "typos:0.1+order",
        "calibrate": 5,
        "guard": False,
        "start": False,
    }
    done(store, "optimize", {**who, **options})
    every = OptimizeRequest(SHOP, "c20", size=2, probes=3, stages=1, calibrate=0).to_json()
    done(store, "optimize", every)


def beside(store: Store) -> None:
    """Other lists beside a run's."""
    known = runs.listing(store, dataset=SHOP, user="c16")[0]
    done(store, "peers", {"run": known.key})
    request = replace(known.request, scoring="sum")
    done(store, "catalogue", {"request": request.to_json(), "top": 5})


def put_away(store: Store) -> None:
    """Notes, tags and stars; runs, data sets and models that were deleted."""
    first, second, third, *_ = runs.listing(store, dataset=SHOP, user="c09")
    runs.annotate(store, first.key, note="Crème first: why?", tags=["look again", "été"], starred=True)
    runs.annotate(store, second.key, tags=["look again"])
    runs.annotate(store, third.key, starred=True)
    for gone in runs.listing(store, dataset=SHOP, user="c02"):
        runs.delete(store, gone.key)
    datasets.delete(store, SHELVED)
    datasets.delete(store, PURGED)
    datasets.purge(store, PURGED)
    models.delete(store, "second-name")


def fail(store: Store) -> None:
    """Jobs that end in an error, for a reason each."""
    request = RunRequest(SHOP, "c21", candidates=8)
    for asked in (
        replace(request, user="nobody"),
        replace(request, dataset="no-shop"),
        replace(request, template="chat"),
        replace(request, demos="sorcery:3"),
    ):
        done(store, "rank", {"request": asked.to_json()}, state=ERROR)
    done(store, "effects", {"request": replace(request, prompts=2).to_json(), **ESTIMATE}, state=ERROR)
    done(store, "tune", TuneRequest(SHOP, name="embedded", steps=1).to_json(), BACKGROUND, ERROR)
    late = StudyRequest("drift", SHOP, model="shop-recicl", users=2, periods=900, cut=450)
    done(store, "study", late.to_json(), BACKGROUND, ERROR)
    lost = OptimizeRequest("no-shop", "c21", model="shop-recicl", template="chat")
    done(store, "optimize", lost.to_json(), state=ERROR)
    done(store, "import", {"path": f"{PLACE}/files/nothing.csv", "name": None, "options": {}}, state=ERROR)
    done(store, "register_model", {"name": "lost", "source": f"{PLACE}/models/lost"}, state=ERROR)


def under_way(store: Store, kind: str, payload: dict[str, Any]) -> Job:
    """A background job that has something so far."""
    job = jobs.submit(store, kind, payload, BACKGROUND)
    until = time.monotonic() + WAIT_S
    while jobs.get(store, job.id).partial is None:
        if time.monotonic() > until or jobs.get(store, job.id).state not in (jobs.QUEUED, RUNNING):
            raise SystemExit(f"{kind} {payload} had nothing so far: {jobs.get(store, job.id)}")
        time.sleep(0.05)
    return jobs.get(store, job.id)


LONG = TuneRequest(SHOP, name="shop-long", minutes=30.0, batch_tokens=512, demos=1)


def stop_some(store: Store) -> None:
    """A tuning and a study that were stopped on the way; each keeps what it had."""
    for kind, payload in (
        ("tune", LONG.to_json()),
        ("study", StudyRequest("strategies", SHOP, users=20, k=2, seed=7).to_json()),
    ):
        job = under_way(store, kind, payload)
        jobs.stop(store, job.id)
        while (job := jobs.get(store, job.id)).state == RUNNING:
            time.sleep(0.05)
        if job.state != STOPPED:
            raise SystemExit(f"{kind} was to be stopped: {job}")


def kill_at_work(store: Store, process: subprocess.Popen) -> None:
    """A job whose engine was killed stays RUNNING until another one takes it over."""
    under_way(store, "tune", replace(LONG, name="shop-killed", seed=1).to_json())
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def wait_for_nobody(store: Store) -> None:
    """Jobs of every kind that nobody took: stopped while they waited, or waiting still."""
    request = RunRequest(SHOP, "c22", candidates=8)
    asked = {"request": request.to_json()}
    key = runs.listing(store, limit=1)[0].key
    waiting: list[tuple[str, dict[str, Any], int]] = [
        ("rank", asked, INTERACTIVE),
        ("effects", {**asked, **ESTIMATE, "mode": "total"}, INTERACTIVE),
        ("pool", {**asked, "sources": ["global", "aggregated"], "size": 4}, INTERACTIVE),
        ("preview", {"path": f"{PLACE}/files/other.csv", "format": None, "mapping": None}, INTERACTIVE),
        (
            "import",
            {
                "path": f"{PLACE}/files/other.csv",
                "name": "other",
                "format": "csv",
                "mapping": {"user": "who", "item": "what"},
                "options": {"min_history": 3, "k_core": 5, "min_rating": 4.0},
            },
            INTERACTIVE,
        ),
        ("register_model", {"name": "qwen", "source": "Qwen/Qwen2.5-0.5B"}, INTERACTIVE),
        ("setup", {}, INTERACTIVE),
        ("tune", TuneRequest(SHOP, method="lora", kind="llm", minutes=2.5).to_json(), BACKGROUND),
        ("tune", TuneRequest(SHOP, kind="sasrec-scaled", seed=3).to_json(), BACKGROUND),
        ("study", StudyRequest("recicl", SHOP, single="shop-yes-no", history=3).to_json(), BACKGROUND),
        ("peers", {"run": key}, INTERACTIVE),
        ("spread", {**asked, "kinds": ["dropout"], "draws": 16}, INTERACTIVE),
        ("forward", {**asked, "iterations": 8}, INTERACTIVE),
        ("catalogue", {"request": replace(request, scoring="sum").to_json(), "top": 10}, INTERACTIVE),
        ("optimize", {"dataset": SHOP, "user": "c22", "model": "embedded"}, INTERACTIVE),
    ]
    for kind, payload, priority in waiting:
        jobs.stop(store, jobs.submit(store, kind, payload, priority).id)
    for kind, payload, priority in waiting:
        jobs.submit(store, kind, payload, priority)


def commands() -> None:
    """The same by the command line: runs without a job, and jobs that a command files and does itself."""
    short = ("-d", SHOP, "-c", "8")
    command("rank", "-u", "c23", *short, "--demos", "neighbours:2", "--weights", "1,0.25", "--history", "5")
    command("effects", "-u", "c24", *short, "--demos", "bm25:2", "--leave-one-out", "--mode", "total")
    command("optimize", "-u", "c25", "-d", SHOP, "--size", "2", "--probes", "3", "--calibrate", "4")
    command("tune", "-d", SHOP, "--kind", "itemknn", "--seed", "1")
    command("study", "strategies", "-d", SHOP, "--users", "2", "--k", "1", "--only", "none,bm25")


def forget_machine(connection: sqlite3.Connection, moved: dict[str, str]) -> None:
    """Replace paths, host and process; a job's digest is made anew where its payload named a path."""
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for column in connection.execute(f'PRAGMA table_info("{name}")').fetchall():
            if column[2].upper() == "TEXT":
                for old, new in moved.items():
                    connection.execute(
                        f'UPDATE "{name}" SET "{column[1]}" = replace("{column[1]}", ?, ?) '
                        f'WHERE instr("{column[1]}", ?)',
                        [old, new, old],
                    )
    owner = f"{MACHINE}:{PROCESS}:cpu"
    connection.execute("UPDATE jobs SET owner = ? WHERE owner IS NOT NULL", [owner])
    connection.execute("UPDATE workers SET owner = ?, host = ?, pid = ?", [owner, MACHINE, PROCESS])
    for number, kind, payload in connection.execute("SELECT id, kind, payload FROM jobs").fetchall():
        connection.execute(
            "UPDATE jobs SET payload_digest = ? WHERE id = ?", [digest([kind, json.loads(payload)]), number]
        )


def described(connection: sqlite3.Connection, store: Store) -> dict[str, Any]:
    """What the store holds, read from its tables without the code that is to be tested against it."""

    def rows(query: str) -> list[dict[str, Any]]:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    tables = [row["name"] for row in rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = rows(
        "SELECT key, request_digest, request, dataset_id, note, tags, starred, deleted_at FROM runs "
        "ORDER BY key"
    )
    filed = rows(
        "SELECT id, kind, state, priority, payload, payload_digest, result IS NOT NULL AS has_result, "
        "partial IS NOT NULL AS has_partial, error FROM jobs ORDER BY id"
    )
    return {
        "rows": {name: rows(f'SELECT count(*) AS n FROM "{name}"')[0]["n"] for name in sorted(tables)},
        "revision": rows("SELECT version_num FROM alembic_version")[0]["version_num"],
        "datasets": rows("SELECT id, name, fingerprint, deleted_at IS NOT NULL AS deleted FROM datasets"),
        "models": rows("SELECT name, source, revision FROM models ORDER BY name"),
        "runs": [
            {
                "key": row["key"],
                "request": json.loads(row["request"]),
                "request_digest": row["request_digest"],
                "digest_now": digest_of(store, json.loads(row["request"])),
                "dataset_id": row["dataset_id"],
                "note": row["note"],
                "tags": json.loads(row["tags"]),
                "starred": bool(row["starred"]),
                "deleted": row["deleted_at"] is not None,
            }
            for row in kept
        ],
        "run_requests": {
            row["request_digest"]: row["run_key"]
            for row in rows("SELECT request_digest, run_key FROM run_requests ORDER BY request_digest")
        },
        "effects": [
            {**row, "options": json.loads(row["options"])}
            for row in rows("SELECT effects_key, run_key, options FROM effects ORDER BY effects_key")
        ],
        "optimizations": rows("SELECT key, dataset_id, user_id, model FROM optimizations ORDER BY key"),
        "demonstrations": rows(
            "SELECT id, dataset_id, source, text_hash IS NOT NULL AS written FROM demonstrations "
            "ORDER BY dataset_id, id"
        ),
        "jobs": [{**row, "payload": json.loads(row["payload"]), "request": request_of(row)} for row in filed],
    }


def spelled(expected: dict[str, Any]) -> str:
    """JSON with a line for each run, job and the like, so that a difference can be read."""

    def line(value: Any) -> str:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)

    parts = []
    for name, value in expected.items():
        if isinstance(value, list):
            parts.append(f"{line(name)}: [\n" + ",\n".join(map(line, value)) + "\n]")
        elif isinstance(value, dict):
            rows = (f"{line(key)}: {line(one)}" for key, one in value.items())
            parts.append(f"{line(name)}: {{\n" + ",\n".join(rows) + "\n}")
        else:
            parts.append(f"{line(name)}: {line(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def digest_of(store: Store, request: dict[str, Any]) -> str | None:
    """None where data set or model are gone."""
    try:
        return request_digest(store, RunRequest.from_json(request))
    except NotFound:
        return None


def request_of(job: dict[str, Any]) -> dict[str, Any] | None:
    """A payload's request as this version spells it out; None for a kind that carries none."""
    payload = json.loads(job["payload"])
    kinds = {"tune": TuneRequest, "study": StudyRequest, "optimize": OptimizeRequest}
    if job["kind"] in kinds:
        return kinds[job["kind"]].from_json(payload).to_json()
    return RunRequest.from_json(payload["request"]).to_json() if "request" in payload else None


if __name__ == "__main__":
    main()
