"""Jobs: what the worker does for each kind, from a JSON payload to a JSON result.

The dashboard files these jobs; the command line calls the same functions in its own process.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from db import datasets, runs
from db.choices import STUDIES
from db.endpoints import is_address
from db.errors import BadInput
from db.requests import ExperimentRequest, OptimizeRequest, RunRequest, StudyRequest, TuneRequest
from db.requests.settled import settled_demos
from engine.context import Engine
from engine.data import importing, kept
from engine.data.confinement import confined
from engine.explanations.asking import explained
from engine.optimize import optimize
from engine.policy.made import export
from engine.progress import Report
from engine.registry import implementation
from engine.studies.experiments import run as experiments
from engine.studies.experiments.pair import pair
from engine.studies.experiments.where_they_help import where_they_help
from engine.tasks.add_endpoint import add_endpoint
from engine.tasks.attribution import attribution
from engine.tasks.baseline_lists import baseline_lists
from engine.tasks.effects import effects
from engine.tasks.forgetting import check, forget, remember
from engine.tasks.forward_tuning import ITERATIONS, forward
from engine.tasks.pool import USUAL_SIZE, USUAL_SOURCES, pool
from engine.tasks.predicted import predicted
from engine.tasks.public import add_public_model, fetched_data, public_model, published
from engine.tasks.rank import rank
from engine.tasks.setup import setup_workspace
from engine.tasks.spread import perturbation_stats
from engine.tasks.template_preview import preview
from engine.tasks.templates import save, text_of
from engine.tuning.tune import tune

FORMER = {"strata": "kriging", "path": "kriging"}
"""Estimators that jobs filed by earlier versions may ask for, and what took their place."""

Handler = Callable[[Engine, dict[str, Any], Report], dict[str, Any]]


def rank_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request}` -> `{run}`."""
    run = rank(engine, RunRequest.from_json(payload["request"]), report)
    return {"run": run.key}


def effects_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, estimator, leave_one_out, mode, measure, proxy}` -> `{run, effects}`.

    In mode auto, effects by turning down are stored first and reported as partial `{run, removal}`.
    """
    estimator = payload.get("estimator", "auto")
    run, measured = effects(
        engine,
        RunRequest.from_json(payload["request"]),
        estimator=FORMER.get(estimator) or estimator,
        leave_one_out=bool(payload.get("leave_one_out", False)),
        mode=payload.get("mode", "auto"),
        measure=payload.get("measure", "margin"),
        proxy=payload.get("proxy") or None,
        report=report,
    )
    return {"run": run.key, "effects": measured.effects_key}


def pool_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, sources, size}` -> `{demonstrations}`: what could be put before this user's history."""
    request = RunRequest.from_json(payload["request"])
    sources = payload.get("sources") or USUAL_SOURCES
    return {"demonstrations": pool(engine, request, sources, int(payload.get("size", USUAL_SIZE)), report)}


def predicted_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, demonstrations, measure}` -> what adding each of these ids to the request's prompt does."""
    request, ids = RunRequest.from_json(payload["request"]), payload["demonstrations"]
    return predicted(engine, request, ids, payload.get("measure", "margin"), report)


def preview_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{path, format, mapping, options}` -> what an import would read; stores nothing."""
    return importing.preview(
        payload["path"],
        format=payload.get("format"),
        mapping=payload.get("mapping") or None,
        called=importing.called(payload["path"], engine.settings.uploads),
        options=_import_options(payload),
    ).to_json()


def template_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """One of three questions about prompt templates, which the pages ask.

    `{request, text, wanted}` -> the prompt a text writes for the request's user, for its scoring or for what
    else is wanted (`engine.tasks.template_preview`); without a text, the one of the request's own template.
    `{template}` -> its `{text}`. `{text, save_as}` -> `{reference}`; no model is needed for these two.
    """
    if "template" in payload:
        return {"text": text_of(engine.store, payload["template"])}
    if "save_as" in payload:
        return {"reference": save(engine.store, payload["save_as"], payload["text"]).reference}
    request = RunRequest.from_json(payload["request"])
    return preview(engine, request, payload.get("text"), payload.get("wanted"))


def export_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, fixed}` -> `{prompts, policy, snippet}`: what a service needs (`engine.policy.made`)."""
    return export(engine, RunRequest.from_json(payload["request"]), payload.get("fixed"))


def forget_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{dataset, forget}` or `{dataset, undo}` -> `{forgotten}`, what is forgotten then; `{dataset}` -> also
    `{places}` that still know it (`engine.tasks.forgetting`). `undo`: keys, or None for all."""
    if "forget" in payload:
        return forget(engine, payload["dataset"], payload["forget"], report)
    if "undo" in payload:
        return remember(engine, payload["dataset"], payload["undo"], report)
    return check(engine, payload["dataset"], report)


def _import_options(payload: dict[str, Any]) -> importing.ImportOptions:
    options = {key: value for key, value in (payload.get("options") or {}).items() if value is not None}
    try:
        return importing.ImportOptions(**options)
    except TypeError as error:
        raise BadInput(f"Unknown import option: {error}.") from error


def import_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{path, name, format, mapping, options, accept_drops, yes}` -> `{dataset, report}`.

    Where most rows would be left out and that was not accepted, nothing is imported: `dataset` is None and
    `question` says what to decide; where files leave something else open, `asked` says in which `file` which
    `questions`. A path that is a name of `db.public` is fetched first.
    """
    if (known := published(payload["path"])) is not None:
        with fetched_data(engine, *known, report) as folder:
            named = payload.get("name") or payload["path"].replace(":", "-")
            return _imported(engine, {**payload, "path": str(folder), "name": named}, report)
    return _imported(engine, payload, report)


def _imported(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    try:
        info, read = importing.import_path(
            engine.store,
            payload["path"],
            payload.get("name"),
            format=payload.get("format"),
            mapping=payload.get("mapping") or None,
            options=_import_options(payload),
            accept_drops=bool(payload.get("accept_drops", False)),
            yes=bool(payload.get("yes", False)),
            progress=report,
        )
    except importing.Unsure as error:
        questions = [question.to_json() for question in error.questions]
        return {"dataset": None, "asked": {"file": error.file, "questions": questions}}
    except importing.ManyLeftOut as error:
        return {"dataset": None, "question": error.question, "report": error.report.to_json()}
    return {"dataset": info.name, "report": read.to_json()}


def purge_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{dataset_id}` -> `{dataset}`: removes a deleted data set and its indexes for good."""
    purged = datasets.purge(engine.store, int(payload["dataset_id"]), report)
    kept.sweep(engine.settings, datasets.fingerprints(engine.store))
    return {"dataset": purged.name}


def register_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{name, source}` -> `{model}`: registered where it works; tried in a process of its own.

    A source that is a name of `db.public` is fetched first; a sentence encoder gives `{encoder}`. One that is
    an address is asked what it answers (`engine.tasks.add_endpoint`), with `{found, notes}` in the result.
    """
    source = payload["source"].strip()
    name = (payload.get("name") or source).strip()
    if not name:
        raise BadInput("A model needs a name and a source (a folder, a file or a hub id).")
    if is_address(source):
        return add_endpoint(engine, {**payload, "name": name, "source": source})
    if (known := public_model(source)) is not None:
        return add_public_model(engine, known, name)
    return {"model": engine.admit(name, source).name}


def tune_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """A `TuneRequest` -> model, curve and recipe (`engine.tuning.tune`)."""
    return tune(engine, TuneRequest.from_json(payload), report)


def study_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """A `StudyRequest` -> tables or series, tests and notes (`engine.studies`)."""
    request = StudyRequest.from_json(payload)
    # One version of a stored set for all users, whatever is saved under its name meanwhile.
    request = replace(request, demos=settled_demos(engine.store, request.dataset, request.demos))
    study = implementation("engine.studies", STUDIES[request.study])
    return study.run(engine, request, report, getattr(report, "before", None))


def experiment_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """An `ExperimentRequest` -> the answer of its grid (`engine.studies.experiments`)."""
    request = ExperimentRequest.from_json(payload)
    return experiments.run(engine, request, report, getattr(report, "before", None))


def experiment_selector_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, rows}` -> the rule that says whom demonstrations help, for the row without and the one with
    them (`engine.studies.experiments.where_they_help`)."""
    without, with_ = payload["rows"]
    request = ExperimentRequest.from_json(payload["request"])
    return where_they_help(engine, request, without, with_, report)


def experiment_estimate_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """An `ExperimentRequest` -> its size and what is left to compute, from a few users that it times."""
    return experiments.estimated(engine, ExperimentRequest.from_json(payload))


def experiment_pair_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{experiment, without, with}` -> zones and gains between two rows of a finished experiment, which is
    named by its job's number (`engine.studies.experiments.pair`)."""
    return pair(engine.store, int(payload["experiment"]), payload["without"], payload["with"])


def spread_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, kinds, draws, kappa, measure}` -> effects over draws of each edit."""
    return perturbation_stats(
        engine,
        RunRequest.from_json(payload["request"]),
        payload.get("kinds") or (),
        payload.get("draws"),
        payload.get("kappa"),
        payload.get("measure", "margin"),
        report,
    )


def forward_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, iterations, step, momentum, at}` -> curve and ranking of forward tuning."""
    return forward(
        engine,
        RunRequest.from_json(payload["request"]),
        int(payload.get("iterations") or ITERATIONS),
        payload.get("step"),
        payload.get("momentum"),
        payload.get("at"),
        report,
    )


def explain_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{part, request, run}` -> one explanation of the run's demonstrations (`engine.explanations`)."""
    return explained(engine, payload["part"], RunRequest.from_json(payload["request"]), report)


def attribution_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{a, b}` -> which of the inputs two runs differ in did it (`engine.tasks.attribution`)."""
    return attribution(engine, payload["a"], payload["b"], report)


def baseline_lists_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{run}` -> what baselines make of the run's candidates (`engine.tasks.baseline_lists`)."""
    return baseline_lists(engine, runs.get(engine.store, payload["run"]), report)


def optimize_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """An `OptimizeRequest` -> the demonstrations it chose, the path and the verdict (`engine.optimize`)."""
    return optimize(engine, OptimizeRequest.from_json(payload), report).result


def catalogue_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{request, top}` -> the best of the whole catalogue (`engine.tasks.catalogue`); stores nothing."""
    from engine.tasks.catalogue import recommend

    request = RunRequest.from_json(payload["request"])
    return recommend(engine, request, int(payload.get("top", 10)), report=report)


def setup_job(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """`{}` -> what was set up: the simulated store, the embedded model and a first run."""
    return setup_workspace(engine, say=lambda text: report(None, text))


def _within_folders(handler: Handler) -> Handler:
    """The handler, reading no path outside the folders of this server (`within`: those of the page's)."""

    @functools.wraps(handler)
    def within_folders(engine: Engine, payload: dict[str, Any], report: Report) -> dict[str, Any]:
        asked = {name: value for name, value in payload.items() if name != "within"}
        with confined(engine.settings, payload.get("within")):
            return handler(engine, asked, report)

    return within_folders


_OF_KINDS: dict[str, Handler] = {
    "rank": rank_job,
    "effects": effects_job,
    "pool": pool_job,
    "predicted": predicted_job,
    "template": template_job,
    "export": export_job,
    "forget": forget_job,
    "preview": preview_job,
    "import": import_job,
    "purge": purge_job,
    "register_model": register_job,
    "setup": setup_job,
    "tune": tune_job,
    "study": study_job,
    "experiment": experiment_job,
    "experiment_selector": experiment_selector_job,
    "experiment_estimate": experiment_estimate_job,
    "experiment_pair": experiment_pair_job,
    "peers": baseline_lists_job,
    "spread": spread_job,
    "forward": forward_job,
    "attribution": attribution_job,
    "explain": explain_job,
    "catalogue": catalogue_job,
    "optimize": optimize_job,
}
HANDLERS: dict[str, Handler] = {kind: _within_folders(handler) for kind, handler in _OF_KINDS.items()}
"""What the worker does for each kind of job, by the kind that is stored with it."""
