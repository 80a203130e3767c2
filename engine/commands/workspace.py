"""Commands for the workspace: set it up, import data, list data sets, users and models."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from db import datasets, models
from db.choices import FORMATS
from db.endpoints import BUDGET, CONCURRENCY, TIMEOUT_S
from db.errors import BadInput, DataError
from db.public import PUBLIC_DATA, PUBLIC_MODELS, PublicData, PublicModel, offer
from engine.commands import output
from engine.commands.options import Dataset, Json, Limit, at_least, listing, opened, service_engine
from engine.data import importing
from engine.data.questions import Question
from engine.jobs import handlers, model_folders
from engine.progress import quiet, telling
from engine.tasks.public import add_public_model, public_model, published
from engine.tasks.setup import setup_workspace

app = typer.Typer()


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Fetch without asking.")]


def agreed(thing: PublicModel | PublicData | None, yes: bool) -> None:
    """Ask before anything is fetched. Raises BadInput where nobody can be asked, Abort for a no."""
    if thing is None or yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"{offer(thing)} It is fetched with --yes.")
    typer.confirm(f"{offer(thing)} Fetch it?", abort=True, err=True)


@app.command(epilog="Example: dualens setup")
def setup(
    wanted: Annotated[
        str | None,
        typer.Option("--with", help=f"Fetch these models too, without asking: {', '.join(PUBLIC_MODELS)}."),
    ] = None,
    json: Json = False,
) -> None:
    """Prepare the workspace: simulated store, embedded model, one first run. Safe to repeat."""
    names = [] if wanted is None else wanted.split(",")
    for unknown in (name for name in names if name not in PUBLIC_MODELS):
        raise BadInput(
            f"--with: there is no model {unknown!r} to fetch; there are {', '.join(PUBLIC_MODELS)}."
        )
    with opened() as store, service_engine(store) as engine:
        done = setup_workspace(engine, say=None if json else output.line)
        for name in names:
            with output.progress() as say, telling(quiet if json else say):
                done |= {name: add_public_model(engine, PUBLIC_MODELS[name], name)}
            if not json:
                output.line(f"Model {name}: {PUBLIC_MODELS[name].about}.")
    if json:
        output.as_json(done)


@app.command("import", epilog="Example: dualens import ratings.csv --name my-shop --min-rating 4")
def import_(
    path: Annotated[
        Path,
        typer.Argument(
            help="File, folder or zip in any supported format; or the name of public data: "
            f"{', '.join(PUBLIC_DATA)}."
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help="Name of the new data set.")] = None,
    format: Annotated[
        Literal[tuple(FORMATS)] | None,  # type: ignore[valid-type]
        typer.Option("--format", help="The format; by default detected from the files."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", help="FIELD=COLUMN, e.g. user=customer_id; FIELD= leaves the field out. Repeatable."
        ),
    ] = None,
    k_core: Annotated[int, at_least(0, "Keep users and items with at least this many interactions.")] = 0,
    min_rating: Annotated[
        float | None, typer.Option(help="Keep interactions with at least this rating.")
    ] = None,
    min_history: Annotated[int, at_least(0, "Keep users with at least this many items.")] = 3,
    repeats: Annotated[
        Literal["first", "last", "all"],
        typer.Option(help="Of a user's interactions with the same item, keep the first, the last or all."),
    ] = "first",
    rating_scale: Annotated[
        str | None,
        typer.Option(
            help="Range of the ratings, LOW:HIGH, with LIKED and DISLIKED where not the usual ones, such as "
            "1:10:7:4; or counts. By default found from the ratings."
        ),
    ] = None,
    dates: Annotated[
        Literal["month-first", "day-first"] | None,
        typer.Option(help="How dates such as 03/04/2014 are meant. By default found from the others."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the text, such as gb18030. By default found.")
    ] = None,
    header: Annotated[
        Literal["yes", "no"] | None,
        typer.Option(help="Whether line 1 names the columns. By default found from the lines."),
    ] = None,
    shortened_ids: Annotated[
        Literal["keep", "drop"] | None,
        typer.Option(
            help="Rows whose ids a spreadsheet has shortened (1.23457E+11): keep or drop. By default asked."
        ),
    ] = None,
    accept_drops: Annotated[
        bool, typer.Option("--accept-drops", help="Import even where many rows would be left out.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Take the best guess where columns are not clear; fetch public data without asking.",
        ),
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what would be read; stores nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Import interactions and item titles; reports what was read, kept and dropped."""
    options = {
        "k_core": k_core,
        "min_rating": min_rating,
        "min_history": min_history,
        "repeats": repeats,
        "rating_scale": rating_scale,
        "dates": dates,
        "encoding": encoding,
        "header": header,
        "shortened_ids": shortened_ids,
    }
    asked = {
        "path": str(path),
        "name": name,
        "format": format,
        "mapping": mapping_of(column),
        "options": options,
    }
    if (known := published(str(path))) is not None:
        agreed(known[0], yes)
    with opened() as store, service_engine(store) as engine:
        if preview:
            found = handlers.preview_job(engine, asked, quiet)
            output.as_json(found) if json else output.preview(found)
            return
        asked |= {"accept_drops": accept_drops, "yes": yes}
        with output.progress() as say:
            done = handlers.import_job(engine, asked, quiet if json else say)
    if open_ := done.get("asked"):
        questions = [Question.from_json(question) for question in open_["questions"]]
        lines = importing.asked(open_["file"], questions, _answer)
        raise DataError("\n".join([*lines, "The best guess, the first of each, is taken with --yes"]))
    if question := done.get("question"):
        raise DataError(importing.left_out(question, done["report"], "--accept-drops", _flag))
    output.as_json(done) if json else output.report(done["dataset"], done["report"])


def _answer(question: Question, value: str) -> str:
    if question.option:
        return _flag(question.option, shlex.quote(value))
    return f"--column {shlex.quote(f'{question.field}={value}')}"


def _flag(name: str, value: object) -> str:
    return f"--{name.replace('_', '-')} {value}"


def mapping_of(pairs: list[str] | None) -> dict[str, str] | None:
    """FIELD=COLUMN words as a mapping."""
    if not pairs:
        return None
    for pair in pairs:
        if "=" not in pair:
            raise BadInput(f"--column takes FIELD=COLUMN, e.g. user=customer_id; got {pair!r}.")
    return dict(pair.split("=", 1) for pair in pairs)


@app.command("datasets", epilog="Example: dualens datasets --json")
def datasets_(json: Json = False) -> None:
    """List the data sets in the store."""
    with opened() as store:
        found = datasets.listing(store)
    rows = [
        {
            "name": info.name,
            "users": info.users,
            "items": info.items,
            "interactions": info.interactions,
            "fingerprint": info.fingerprint,
            "kind": info.kind,
            "simulated": info.simulated,
        }
        for info in found
    ]
    listing(rows, "datasets", json=json, width={"fingerprint": 12})


@app.command(epilog="Example: dualens users --dataset simulated --search serum --limit 5")
def users(
    dataset: Dataset = "simulated",
    search: Annotated[str, typer.Option(help="Part of a user id, or words of a title bought.")] = "",
    min_length: Annotated[int, at_least(0, "Shortest history to list.")] = 0,
    max_length: Annotated[int | None, at_least(0, "Longest history to list.")] = None,
    limit: Limit = 50,
    offset: Annotated[int, at_least(0, "Number to skip.")] = 0,
    json: Json = False,
) -> None:
    """List users of a data set with the length of their history."""
    with opened() as store:
        info = datasets.get(store, dataset)
        found = datasets.users(store, info.id, search, min_length, max_length, limit, offset)
    rows = [{"user": u.user_id, "length": u.length, "tie": u.tie} for u in found]
    listing(rows, "users", json=json, narrowed=info.users > 0)


@app.command("models", epilog="Example: dualens models --add Qwen/Qwen2.5-0.5B --name qwen")
def models_(
    add: Annotated[
        str | None,
        typer.Option(
            "--add",
            help="Register this folder, GGUF file, LoRA adapter or hub id, if it loads; or the model behind "
            "this address of an OpenAI-compatible server (http://host:8000/v1); or fetch one by "
            f"name: {', '.join(PUBLIC_MODELS)}.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name to register it under.")] = None,
    served_model: Annotated[
        str | None,
        typer.Option("--served-model", help="For an address: the model's name there, if there are several."),
    ] = None,
    key_from: Annotated[
        str | None,
        typer.Option(
            "--key-from",
            help="For an address: the environment variable that holds the key. The key is read at each use "
            "and never stored.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=64, help=f"For an address: calls at once, at most (default {CONCURRENCY})."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1, max=3600, help=f"For an address: seconds to wait for an answer (default {TIMEOUT_S:g})."
        ),
    ] = None,
    budget: Annotated[
        int | None,
        at_least(
            100,
            "For an address: tokens, read and written, that one ranking or measurement of effects may take "
            f"(default {BUDGET:,}).",
        ),
    ] = None,
    context: Annotated[
        int | None,
        at_least(32, "For an address: tokens of the longest prompt, where the server does not say it."),
    ] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """List the registered models, or register one."""
    with opened() as store:
        if add:
            agreed(public_model(add), yes)
            asked = {
                "name": name or add,
                "source": add,
                "served": served_model,
                "key_from": key_from,
                "concurrency": concurrency,
                "timeout": timeout,
                "budget": budget,
                "context": context,
            }
            with service_engine(store) as engine, output.progress() as say, telling(quiet if json else say):
                done = handlers.register_job(engine, asked, quiet if json else say)
            for line in () if json else (*done.get("found", ()), *done.get("notes", ())):
                output.line(line)
        model_folders.check(store)
        found = models.listing(store)
    rows = [
        {
            "name": m.name,
            "architecture": m.architecture,
            "parameters": m.parameters if m.endpoint is None else None,
            "context_length": m.context_length,
            "source": m.source,
            "revision": m.revision,
        }
        for m in found
    ]
    listing(rows, "models", json=json, width={"revision": 12})
    for trouble in filter(None, (m.trouble for m in found)):
        output.aside(trouble)
