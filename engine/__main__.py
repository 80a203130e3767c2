"""`python -m engine`: everything the dashboard can do, from a shell.

JSON on request, one example per command. The commands themselves are in `engine/commands/`.
"""

import sys
from collections.abc import Callable
from typing import Any

import typer

from engine import stopping, streams

if __name__ == "__main__":
    streams.prepare()  # before the second that the rest takes
    stopping.early()

from db.errors import DualensError
from engine.commands import (
    baselines,
    bench,
    deploying,
    experiments,
    forgetting,
    inspecting,
    judging,
    keeping,
    lists,
    methods,
    optimizing,
    options,
    output,
    preferences,
    prompting,
    runs,
    sets,
    stored_runs,
    studies,
    tuning,
    workspace,
)

ABOUT = "Dualens: see what each demonstration does to your LLM recommender."

groups = (
    workspace,
    forgetting,
    keeping,
    runs,
    stored_runs,
    judging,
    lists,
    sets,
    optimizing,
    baselines,
    tuning,
    studies,
    experiments,
    preferences,
    methods,
    inspecting,
    prompting,
    deploying,
    bench,
)
app = typer.Typer(
    cls=options.Commands,
    help=ABOUT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in groups:
    app.add_typer(group.app)
app.callback(help=ABOUT)(options.program)


def main(call: Callable[[], Any] = app) -> int:
    """Run the command line; its status. What users can correct is printed as one line, status 2.

    A command that loses the store in its midst is run anew: what it had stored is served, not computed again.
    """
    with stopping.handled():
        try:
            try:
                options.patience.keep_trying(call)
            finally:
                sys.stdout.flush()
        except streams.OutputLost as error:
            streams.give_up()
            if not error.silent:
                output.aside(f"Error: {error}")
            return error.status
        except DualensError as error:
            output.aside(f"Error: {error}")
            return 2
        except stopping.Ended as ended:
            stopping.caught()
            output.aside(ended.sentence)
            return ended.status
    return 0


if __name__ == "__main__":
    stopping.leave(main())
