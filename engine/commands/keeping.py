"""Commands that keep a store whole: check it, copy it while work goes on, put a copy back."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from db import backup as copies
from db import datasets
from db.errors import BadInput
from db.integrity import check_all
from db.paths import typed
from db.settings import Settings
from db.store import Store
from engine.commands import output
from engine.commands.options import Json, opened, patience

app = typer.Typer()

BESIDE = "Models and fitted recommenders are folders in {home}; copy those with it."


@app.command(epilog="Example: dualens check")
def check(json: Json = False) -> None:
    """Read the whole store and say what is damaged and what that affects. Status 1 where anything is."""
    settings = Settings()
    patience.seconds = settings.store_wait
    found = check_all(settings, patience, _aside)
    if json:
        output.as_json(vars(found))
    else:
        output.line(", ".join(f"{count:,} {name}" for name, count in found.counts.items()) + " checked.")
        output.notes(found.notes)
        for finding in found.findings:
            output.line(f"DAMAGED: {finding}")
        output.line(
            f"{len(found.findings)} findings. `dualens restore FILE` reads a backup."
            if found.findings
            else "Everything is as it was written."
        )
    if found.findings:
        raise typer.Exit(1)


@app.command(epilog="Example: dualens backup dualens-monday.db")
def backup(
    file: Annotated[Path, typer.Argument(help="The new file.")],
    json: Json = False,
) -> None:
    """Copy the store to a file, as it is at this moment, while others keep working."""
    with opened() as store:
        size = copies.copy(_database(store.settings), file, _share)
        home = store.settings.home
    if json:
        output.as_json({"file": str(file), "bytes": size})
    else:
        output.line(f"{file}: {size / (1 << 20):,.1f} MiB. {BESIDE.format(home=home)}")


@app.command(epilog="Example: dualens restore dualens-monday.db")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `dualens backup` wrote.")],
    json: Json = False,
) -> None:
    """Put a backup in the place of the store, which is kept beside it under another name."""
    settings = Settings()
    kept = copies.restore(file, _database(settings), _share)
    with Store.open(settings, patience) as store:
        names = [info.name for info in datasets.listing(store)]
    if json:
        output.as_json({"datasets": names, "replaced": None if kept is None else str(kept)})
    else:
        output.line(f"Restored from {file}; data sets: {', '.join(names) or 'none'}.")
        if kept is not None:
            output.line(f"What was there before is kept in {kept}.")


def _database(settings: Settings) -> Path:
    """The store's file. Raises BadInput where it is no file."""
    if not settings.database_url.startswith("sqlite:///"):
        raise BadInput(
            "This store is a PostgreSQL database, which has its own programs for this: `pg_dump "
            "--format=custom --file=FILE DATABASE` writes a backup while others work, `pg_restore` reads it."
        )
    return typed(settings.database_url.removeprefix("sqlite:///")).absolute()


def _aside(_: float | None, message: str) -> None:
    output.aside(message)


_shown = 0.0


def _share(done: float) -> None:
    """A line for each tenth of the work, where a person watches."""
    global _shown
    if sys.stderr.isatty() and done >= _shown + 0.1:
        _shown = done
        output.aside(f"{done:.0%}")
