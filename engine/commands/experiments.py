"""The commands `experiment ...`: grids of settings over many users, from options or a YAML file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from db import contamination, jobs
from db.errors import BadInput, NotFound
from db.jobs import Job
from db.paths import typed, write
from db.requests import ExperimentRequest
from db.requests.experiment_file import read_file, written
from db.requests.fields import described
from db.settings import Settings
from db.store import Store
from db.version import VERSION
from engine.commands import output
from engine.commands.options import Json, Limit, at_least, listing, opened, service_engine, takes
from engine.context import Engine
from engine.jobs.worker import run_here
from engine.progress import telling
from engine.studies.experiments.answer import tables
from engine.studies.experiments.cells import MODEL
from engine.studies.experiments.gated import gated, only_row
from engine.studies.experiments.kept import KIND, of_number
from engine.studies.experiments.ray_engine import ray_engine
from engine.studies.experiments.run import estimated
from engine.studies.experiments.selector import tables as selector_tables

group = typer.Typer(
    help="Compare any grid of settings on the same users, with intervals and paired tests.",
    epilog="Example: dualens experiment run -d simulated --demos none,random:4,neighbours:4 --users 100",
    no_args_is_help=True,
)
app = typer.Typer()
app.add_typer(group, name="experiment")

File = Annotated[
    Path | None,
    typer.Argument(help="YAML file of an experiment; options that are given replace its fields."),
]
ONE = "number of an experiment (see `experiment list`), or the YAML file of one that ended"
Which = Annotated[str, typer.Argument(help=f"The {ONE}.", metavar="NUMBER|FILE")]


def laid_out(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of an experiment."""
    return takes(ExperimentRequest)(command)


@contextmanager
def spread(store: Store, ray: str | None, actors: int | None, cpus: int | None) -> Iterator[Engine]:
    """The engine of this process, or one that ranks on a Ray cluster."""
    if ray is None:
        with service_engine(store) as engine:
            yield engine
        return
    with (
        telling(lambda _, message: output.aside(message)),
        ray_engine(store, Settings(), ray, actors, cpus) as far,
    ):
        yield far


def asked(request: ExperimentRequest, context: typer.Context, file: Path | None) -> ExperimentRequest:
    """The experiment of a file, with the options that were given in place of its fields."""
    if file is None:
        return request
    sources = {field.name: context.get_parameter_source(field.name) for field in described(ExperimentRequest)}
    given = {
        name: getattr(request, name)
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE"
    }
    return replace(read_file(typed(str(file))), **given)


@group.command(epilog="Example: dualens experiment run docs/examples/simulated.yaml --json")
@laid_out
def run(
    request: ExperimentRequest,
    context: typer.Context,
    file: File = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Rank on the Ray cluster at HOST:PORT, or auto.")
    ] = None,
    ray_actors: Annotated[
        int | None, at_least(1, "Processes on the cluster. Default: one per GPU or group of cores.")
    ] = None,
    ray_cpus: Annotated[
        int | None, at_least(1, "Cores of each. Default: 1 beside a GPU, else up to 4.")
    ] = None,
    json: Json = False,
) -> None:
    """Run an experiment. If it is stopped or killed, the same command resumes it; what is stored is not
    computed again."""
    request = asked(request, context, file)
    if ray is None and (ray_actors or ray_cpus):
        raise BadInput(
            "--ray-actors and --ray-cpus are about a cluster. Name it: --ray auto or --ray HOST:PORT."
        )
    with opened() as store, spread(store, ray, ray_actors, ray_cpus) as engine:
        result = run_here(engine, KIND, request.to_json(), output.aside)
        [job] = jobs.about(store, KIND, request.to_json(), limit=1)
    if json:
        output.as_json({"experiment": job.id, **result})
        return
    _print(result)
    output.line(f"Stored as experiment {job.id}: `dualens experiment show {job.id}`")


@group.command(epilog="Example: dualens experiment plan docs/examples/simulated.yaml")
@laid_out
def plan(
    request: ExperimentRequest,
    context: typer.Context,
    file: File = None,
    out: Annotated[Path | None, typer.Option(help="Write the experiment to this YAML file.")] = None,
    units: Annotated[
        int, typer.Option(min=0, max=100, help="Users to time; what they give is stored, as in a run.")
    ] = 2,
    json: Json = False,
) -> None:
    """Show an experiment's rows, its size, and how long it will take, from a few timed users."""
    request = asked(request, context, file)
    with opened() as store, service_engine(store) as engine:
        found = estimated(engine, request, units)
    if out is not None:
        write(out, written(request))
    if json:
        output.as_json(found)
        return
    output.table(
        [[row["key"], row["label"], row["draws"]] for row in found["rows"]], "row", "setting", "draws"
    )
    for sentence in found["said"]:
        output.line(sentence)


@group.command("list", epilog="Example: dualens experiment list")
def list_(limit: Limit = 20, json: Json = False) -> None:
    """List the experiments, newest first."""
    with opened() as store:
        found = jobs.listing(store, kinds=[KIND], limit=limit, results=False)
    asked_for = [ExperimentRequest.from_json(job.payload) for job in found]
    rows = [
        {
            "experiment": job.id,
            "state": job.state.lower(),
            "done": round(job.progress or 0.0, 3) if job.state != jobs.COMPLETED else 1.0,
            "data set": request.dataset,
            "users": request.users,
            "varied": ", ".join(request.varied) or "nothing",
            "message": job.message,
        }
        for job, request in zip(found, asked_for, strict=True)
    ]
    if not rows and not json:
        output.line("No experiments yet. `dualens experiment run -d simulated --users 40` runs one.")
        return
    listing(rows, "experiments", json=json)


@group.command(epilog="Example: dualens experiment show 12 --json")
def show(which: Which, json: Json = False) -> None:
    """Show what a finished experiment says."""
    with opened() as store:
        job = _of(store, which)
    if json:
        output.as_json({"experiment": job.id, **(job.result or {})})
    else:
        _print(job.result or {})


@group.command(epilog="Example: dualens experiment export 12 --out mine.yaml")
def export(
    which: Which,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")] = None,
) -> None:
    """Write an experiment as a YAML file that reproduces it."""
    with opened() as store:
        job = _of(store, which, ended=False)
    text = written(
        ExperimentRequest.from_json(job.payload),
        f"Experiment {job.id}, dualens {VERSION}. Run it: dualens experiment run FILE",
    )
    if out is None:
        output.verbatim(text)
        return
    write(out, text)
    output.line(f"Written to {out}.")


@group.command(epilog="Example: dualens experiment selector 12 --without none --with neighbours:4")
def selector(
    which: Which,
    without: Annotated[str, typer.Option(help="Row without demonstrations, as the table calls it.")] = "none",
    with_: Annotated[
        str | None,
        typer.Option("--with", help="Row with demonstrations (default: the best row other than --without)."),
    ] = None,
    json: Json = False,
) -> None:
    """Learn from earlier purchases whom demonstrations help, and judge that rule on the last ones."""
    with opened() as store, service_engine(store) as engine:
        job = _of(store, which)
        request = ExperimentRequest.from_json(job.payload)
        chosen = with_ or _best_with(job.result or {}, without)
        payload = {"request": request.to_json(), "rows": [without, chosen]}
        found = run_here(engine, "experiment_selector", payload, output.aside)
    if json:
        output.as_json({"experiment": job.id, **found})
        return
    for columns, rows in selector_tables(found):
        output.table(rows, *columns)
    output.line(found["said"])


@group.command(epilog="Example: dualens experiment gate mine.yaml --row bm25:4 --stored 12 --max-drop 0.02")
@laid_out
def gate(
    request: ExperimentRequest,
    context: typer.Context,
    file: File = None,
    row: Annotated[
        str | None,
        typer.Option(help="The row that is judged (default: the only model's row beside the reference)."),
    ] = None,
    stored: Annotated[
        str | None,
        typer.Option(help=f"What --max-drop compares with: the {ONE}.", metavar="NUMBER|FILE"),
    ] = None,
    stored_row: Annotated[
        str | None, typer.Option(help="Its row (default: the one of the same name).")
    ] = None,
    min_ndcg: Annotated[float | None, typer.Option(help="NDCG@10 that is asked for at least.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="By how much NDCG@10 may be below the stored row's.")
    ] = None,
    json: Json = False,
) -> None:
    """Run an experiment and say whether it is good enough: status 0 if so, 1 on a regression, 2 where the
    evidence is not enough to say (or the command cannot be carried out)."""
    request = asked(request, context, file)
    with opened() as store, service_engine(store) as engine:
        earlier = None if stored is None else _of(store, stored)
        result = run_here(engine, KIND, request.to_json(), output.aside)
        judged = row or only_row(result)
        before = None if earlier is None else earlier.result
        found = gated(store, result, judged, before, stored_row or judged, min_ndcg, max_drop)
    if json:
        output.as_json(found)
    else:
        for sentence in found["said"]:
            output.line(sentence)
    raise typer.Exit(found["exit_code"])


def _of(store: Store, which: str, *, ended: bool = True) -> Job:
    """The experiment of a number, or the newest one of a file. Raises NotFound and BadInput."""
    if which.isascii() and which.isdigit():
        return of_number(store, int(which), ended=ended)
    wanted = read_file(Path(which)).to_json()
    there = [job for job in jobs.about(store, KIND, wanted) if job.payload == wanted]
    if not there:
        raise NotFound(f"No experiment of {which} is here. `dualens experiment run {which}` runs it.")
    done = [job for job in there if job.state == jobs.COMPLETED]
    return of_number(store, (done or there)[0].id, ended=ended)


def _best_with(result: dict[str, Any], without: str) -> str:
    rows = [row for row in result["rows"] if row["kind"] == MODEL and row["key"] != without]
    if not rows:
        raise BadInput(f"The experiment has no row of a model beside {without!r}. Name one with --with.")
    return max(rows, key=lambda row: row["measures"]["ndcg10"]["mean"])["key"]


def _print(result: dict[str, Any]) -> None:
    for columns, rows in tables(result):
        output.table(rows, *columns)
    output.line(result["claim"])
    output.notes(result["notes"])
    with opened() as store:
        for model in result["models"]:
            output.line(f"{model['name']}. {contamination.line(store, result['dataset'], model['name'])}")
    output.line(f"{result['users']} users, {result['seconds']:.0f} s of work")
