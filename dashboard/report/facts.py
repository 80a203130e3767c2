"""What the numbers of a story depend on, and the commands that compute them again."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboard.text import values
from dashboard.text.formats import moment, parameters
from dashboard.text.literal import plain
from db import datasets
from db.choices import STUDIES
from db.errors import NotFound
from db.requests import RunRequest, StudyRequest
from db.requests.fields import described
from db.requests.written import options
from db.runs import Run
from db.store import Store
from db.version import ENGINE_VERSION, VERSION

LONGEST = 160
SIMULATED = "Simulated data: no real shopper is in it."
ONE_USER = "One user: nothing here says how often demonstrations help. A study over many users does."


def command(*words: str) -> str:
    """A shell command of `dualens`; whatever the words hold, the shell runs nothing else."""
    return shlex.join(["dualens", *words])


def rank_again(run: Run) -> str:
    """The command that computes a run again, or finds it in the store."""
    return command("rank", *_asked(run.request))


def effects_again(run: Run, measured: Mapping[str, Any]) -> str:
    """The command that measures a run's effects with these options."""
    words = [f"--{name.replace('_', '-')}" for name in ("leave_one_out",) if measured.get(name)]
    for name, usual in (("estimator", "auto"), ("measure", "margin"), ("mode", None), ("proxy", None)):
        value = measured.get(name)
        words += [] if value is None or value == usual else [f"--{name}", str(value)]
    return command("effects", *_asked(run.request), *words)


def _asked(request: RunRequest) -> list[str]:
    return options(request, {"dataset": ""})


def study_again(request: StudyRequest) -> str:
    """The command of a study, with the options that it takes."""
    row = STUDIES[request.study]
    fields = ("dataset", "model", "users", *row.asks, "seed")
    # A study tunes what is missing by default on the command line alone.
    defaults = {"dataset": "", "users": row.users, **({"tune": True} if "tune" in row.asks else {})}
    return command("study", row.name, *options(request, defaults, *fields))


def report_again(ids: Sequence[str]) -> str:
    """The command that writes this report."""
    return command("report", *ids, "--out", "report.html")


def data_first(names: Iterable[tuple[str, bool]]) -> list[str]:
    """What must be in the store before the commands: a data set by its name, and whether it is simulated."""
    return [
        command("setup")
        if simulated
        else f"# needs the data set {plain(name, 80)} in the store; this lists them: dualens datasets"
        for name, simulated in dict.fromkeys(names)
    ]


def simulated(store: Store, run: Run) -> bool:
    """Whether a run's data set is simulated, whatever has its name by now. A purged one is known by name."""
    known = datasets.is_simulated(store, run.dataset_id)
    if known is not None:
        return known
    try:
        return datasets.get(store, run.request.dataset).simulated
    except NotFound:
        return False


def of_run(store: Store, run: Run) -> dict[str, str]:
    """Keys, fingerprints and versions that a run depends on."""
    model, result = run.result["model"], run.result
    found = {
        "run": run.key,
        "first computed": f"{moment(run.created_at)} UTC",
        "data set": plain(run.request.dataset, 80),
        "its fingerprint": datasets.fingerprint_of(store, run.dataset_id),
        "candidate list": result["candidates"].get("fingerprint"),
        "model": _model(model),
        "its revision": model.get("revision"),
        "precision": " on ".join(filter(None, (model.get("dtype"), model.get("device")))),
        "prompt": result.get("prompt", {}).get("hash"),
        "libraries": model.get("libraries"),
        **written(),
    }
    return {name: plain(value, LONGEST) for name, value in found.items() if value}


def written() -> dict[str, str]:
    """The versions of what writes the report."""
    return {"written by": f"Dualens {VERSION}, engine version {ENGINE_VERSION}"}


def _model(model: Mapping[str, Any]) -> str:
    size = f", {parameters(model['parameters'])} parameters" if model.get("parameters") else ""
    return f"{plain(model.get('name'), 80)} ({plain(model.get('architecture') or 'unknown', 60)}{size})"


def inputs(request: RunRequest | StudyRequest, *fields: str) -> tuple[tuple[str, str], ...]:
    """Label and value of each field of a request, as the pages write them; plain text."""
    skipped = {"demonstrations", "weights"} if getattr(request, "demonstrations", None) is not None else set()
    return tuple(
        (values.sentence(field.asked.label), values.shown(field, getattr(request, field.name)))
        for field in described(type(request))
        if field.name not in skipped and (not fields or field.name in fields)
    )
