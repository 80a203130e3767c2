"""The command `dualens report`: a story of the store as one HTML file.

What tells stories loads pandas, which the other commands do not wait for.
"""

import time
from pathlib import Path
from typing import Annotated

import typer

from db.paths import write
from db.patience import Patience
from db.settings import Settings
from db.store import Store

EXAMPLE = "Example: dualens report 3f9a2c 81bd04 --out monday.html"


def report(
    ids: Annotated[
        list[str],
        typer.Argument(
            help="1 to 4 runs (keys, or their first 6 digits or more), or the number of a study or an "
            "experiment."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The HTML file to write; one that is there is replaced.")],
) -> None:
    """Write a run, a comparison of runs, a study or an experiment as one offline HTML file."""
    from dashboard.report.document import document
    from dashboard.report.kinds import story

    settings = Settings()
    with Store.open(settings, Patience(settings.store_wait)) as store:
        text = document(story(store, ids), time.time())
    size = write(out, text)
    typer.echo(f"{out}: {size / 1000:,.0f} kB. It opens offline, in any browser.")
