"""Commands that put prompts into production: a run's prompt, policy files, prompts by such a file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from db import policies, runs
from db.canonical import canonical_json
from db.errors import BadInput
from db.paths import typed, write
from engine.commands import output
from engine.commands.options import Json, opened, service_engine
from engine.context import Engine
from engine.policy.deployed import Policy
from engine.policy.made import export as exported
from engine.policy.made import policy_of

app = typer.Typer()

Form = Annotated[
    Literal["text", "messages", "json"],
    typer.Option(help="The text, chat messages as JSON, or JSON with the span of tokens of every part."),
]
Run = Annotated[str, typer.Argument(help="A run: its key, or the first 6 digits or more.")]


@app.command(epilog="Example: dualens export 3f9a2c --form messages")
def export(run: Run, form: Form = "text", json: Json = False) -> None:
    """Print the prompt of a stored run, as a service would send it."""
    with opened() as store, service_engine(store) as engine:
        shown = exported(engine, runs.get(store, run).request, fixed=True)
    if shown["why"]:
        raise BadInput(shown["why"])
    _print(shown["prompts"], "json" if json else form)


@app.command(epilog="Example: dualens policy 3f9a2c policy.json")
def policy(
    run: Run,
    file: Annotated[Path, typer.Argument(help="The new policy file.")],
    each: Annotated[
        bool | None,
        typer.Option(
            "--each/--fixed",
            help="Let the run's strategy choose for each user, or keep its demonstrations for all users. By "
            "default each, unless the run names demonstrations or its strategy optimizes.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a policy file for what a stored run does: `dualens.load_policy` and `dualens prompt` read it."""
    if typed(file).exists():
        raise BadInput(f"{file} exists already. Give a new name, or remove it.")
    with opened() as store, service_engine(store) as engine:
        made = policy_of(engine, runs.get(store, run).request, None if each is None else not each)
        write(file, made.text())
        policies.note(store, made)
    if json:
        output.as_json({"file": str(file), "strategy": made.strategy, "k": made.k, "notes": list(made.notes)})
        return
    output.line(f"{file}: {made.strategy}, {made.k} demonstrations at most, for {made.model.name}.")
    output.notes(made.notes)
    output.line(f"\n{policies.snippet(made, str(file))}".rstrip())


@app.command(epilog="Example: dualens prompt policy.json 'Title bought first' 'Title bought last'")
def prompt(
    file: Annotated[Path, typer.Argument(help="A policy file.")],
    history: Annotated[
        list[str] | None, typer.Argument(help="Titles of what was bought, oldest first, or ids of items.")
    ] = None,
    candidate: Annotated[list[str] | None, typer.Option(help="A title to rank; may be repeated.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="A user of the policy's data set, in place of titles.")
    ] = None,
    ids: Annotated[
        bool, typer.Option("--ids", help="Look words up in the workspace, as ids of items first.")
    ] = False,
    form: Form = "text",
    json: Json = False,
) -> None:
    """Write a prompt by a policy file; a fixed set needs no workspace."""
    loaded = policies.load(file)
    if loaded.fixed and user is None and not ids:
        _written(Policy(loaded, _no_workspace), history, candidate, user, "json" if json else form)
        return
    with opened() as store, service_engine(store) as engine:

        def here() -> Engine:
            return engine

        _written(Policy(loaded, here, opened=ids), history, candidate, user, "json" if json else form)


def _no_workspace() -> Any:
    raise AssertionError("a fixed set reads no workspace")


def _written(
    loaded: Any, history: list[str] | None, candidates: list[str] | None, user: str | None, form: str
) -> None:
    prompts = loaded.prompts(history or None, candidates or None, user=user)
    _print([each.to_json(tokens=form == "json" and not each.served) for each in prompts], form)


def _print(prompts: list[dict[str, Any]], form: str) -> None:
    """The first prompt as text or messages, or all of them as JSON."""
    if form == "json":
        output.as_json({"prompts": prompts})
    elif form == "messages":
        output.verbatim(f"{canonical_json(prompts[0]['messages'])}\n")
    else:
        output.verbatim(prompts[0]["text"])
    if len(prompts) > 1 and form != "json":
        output.aside(f"The scoring reads {len(prompts)} prompts; this is the first. --form json prints all.")
