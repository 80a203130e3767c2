"""The commands `inspect NAME`, one per row of `db.choices.EXPLANATIONS`."""

from collections.abc import Callable
from typing import Any

import typer

from db import jobs
from db.choices import EXPLANATIONS, Choice
from db.requests import RunRequest
from engine.commands import output
from engine.commands.options import Json, opened, service_engine, takes
from engine.context import Engine
from engine.jobs.worker import run_here
from engine.registry import implementation
from engine.tasks.rank import rank

KIND = "explain"


def inspect_group() -> typer.Typer:
    """The commands of all explanations."""
    group = typer.Typer(
        help="Look inside one run: what its demonstrations do, token by token and in other orders.",
        epilog="Example: dualens inspect tokens -d simulated -u s0412 --demos neighbours:4 --json",
        no_args_is_help=True,
    )
    for row in EXPLANATIONS.values():
        example = f"Example: dualens inspect {row.name} -d simulated -u s0412 --demos neighbours:4 --json"
        group.command(row.name, epilog=example)(_command(row))
    return group


def _command(row: Choice) -> Callable[..., None]:
    def command(request: RunRequest, json: Json = False) -> None:
        with opened() as store, service_engine(store) as engine:
            result = kept(engine, row.name, request)
        if json:
            output.as_json(result)
            return
        for columns, rows in implementation("engine.explanations", row).tables(result):
            output.table(rows, *columns)
        output.line(result["said"])
        output.notes(result.get("notes", []))

    command.__doc__, command.__name__ = f"{row.about}.", row.name
    return takes(RunRequest)(command)


def kept(engine: Engine, part: str, request: RunRequest) -> dict[str, Any]:
    """The explanation of a request's run, from the store where it was asked for before, by a page or here."""
    run = rank(engine, request, lambda *_: None)
    payload = {"part": part, "request": run.request.to_json(), "run": run.key}
    for job in jobs.about(engine.store, KIND, payload, limit=20):
        if job.result is not None and job.payload == payload:
            return job.result
    return run_here(engine, KIND, payload, output.aside)


app = typer.Typer()
app.add_typer(inspect_group(), name="inspect")
