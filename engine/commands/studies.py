"""The commands `study NAME`, one per row of `db.choices.STUDIES`, with the options that the row lists."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from db import jobs
from db.choices import STUDIES, StudyChoice
from db.errors import BadInput
from db.requests import StudyRequest
from db.requests.fields import field_of
from db.requests.strategy_spec import MOST
from engine.commands import output
from engine.commands.options import Json, opened, service_engine, takes
from engine.jobs.worker import run_here
from engine.registry import implementation

STRATEGY, _, USUAL_K = field_of(StudyRequest, "demos").default.partition(":")

K = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MOST,
        help=f"Number of demonstrations, where --demos is only a strategy (default {USUAL_K}).",
    ),
]


def study_group() -> typer.Typer:
    """The commands of all studies."""
    group = typer.Typer(
        help="Evaluate over many users, with intervals and paired tests.",
        epilog="Example: dualens study drift -d simulated --users 100 --json",
        no_args_is_help=True,
    )
    for row in STUDIES.values():
        example = f"Example: dualens study {row.name} -d simulated --users {row.users} --json"
        group.command(row.name, epilog=example)(_command(row))
    return group


def _command(row: StudyChoice) -> Callable[..., None]:
    def command(request: StudyRequest, json: Json = False) -> None:
        _run(request, json)

    command.__doc__, command.__name__ = f"{row.about}.", row.name
    defaults: dict[str, Any] = {"study": row.name, "users": row.users}
    if "tune" in row.asks:
        defaults["tune"] = True
    if "demos" not in row.asks or "k" in row.asks:
        return takes(StudyRequest, "dataset", "model", "users", *row.asks, "seed", **defaults)(command)
    defaults["demos"] = STRATEGY
    return _with_k(takes(StudyRequest, "dataset", "model", "users", *row.asks, "seed", **defaults)(command))


def _with_k(command: Callable[..., None]) -> Callable[..., None]:
    """The command with `--demos STRATEGY --k K` beside `--demos STRATEGY:K`."""

    def sized(*, k: int | None, **given: Any) -> None:
        command(**{**given, "demos": _spec(given["demos"], k)})

    own = inspect.signature(command).parameters.values()
    option = inspect.Parameter("k", inspect.Parameter.KEYWORD_ONLY, annotation=K, default=None)
    sized.__signature__ = inspect.Signature([*own, option])  # type: ignore[attr-defined]
    sized.__annotations__ = command.__annotations__ | {"k": K}
    sized.__doc__, sized.__name__ = command.__doc__, command.__name__
    return sized


def _spec(demos: str, k: int | None) -> str:
    if ":" not in demos and demos != "none":
        return f"{demos}:{USUAL_K if k is None else k}"
    if k is not None:
        raise BadInput(f"--k: --demos {demos} already sets the number. Leave one of them out.")
    return demos


def _run(request: StudyRequest, json: bool) -> None:
    """Run the study as a job of this process. If it is stopped or killed, the same command resumes it."""
    with opened() as store, service_engine(store) as engine:
        result = run_here(engine, "study", request.to_json(), output.aside)
        stored = jobs.about(store, "study", request.to_json(), limit=1)
    output.as_json(result) if json else _print(request, result)
    if stored and not json:
        output.line(f"Stored as study {stored[0].id}: `dualens report {stored[0].id} --out study.html`")


def _print(request: StudyRequest, result: dict[str, Any]) -> None:
    study = implementation("engine.studies", STUDIES[request.study])
    for columns, rows in study.tables(result):
        output.table(rows, *columns)
    if claim := result.get("claim"):
        output.line(claim)
    for sentence in result.get("controls", {}).get("said", []):
        output.line(sentence)
    output.notes(result["notes"])
    output.line(f"{result['users']} users, {result['seconds']:.0f} s of work")


app = typer.Typer()
app.add_typer(study_group(), name="study")
