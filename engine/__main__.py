"""`python -m engine`: everything the dashboard can do, from a shell.

JSON on request, one example per command. The commands themselves are in `engine/commands/`.
"""

import sys
from collections.abc import Callable
from typing import Any

import typer

from db.errors import DualensError
from engine.commands import (
    baselines,
    bench,
    methods,
    optimizing,
    preferences,
    runs,
    studies,
    tuning,
    workspace,
)

app = typer.Typer(
    help="Dualens: see what each demonstration does to your LLM recommender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (workspace, runs, optimizing, baselines, tuning, studies, preferences, methods, bench):
    app.add_typer(group.app)


def main(call: Callable[[], Any] = app) -> int:
    """Run the command line; errors that users can correct are printed as one line, exit status 2."""
    try:
        call()
    except DualensError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
