"""The command that tunes models."""

import typer

from db.requests import TuneRequest
from engine.commands import output
from engine.commands.options import Json, opened, service_engine, takes
from engine.jobs.worker import run_here

app = typer.Typer()


@app.command(epilog="Example: dualens tune -d simulated --layout recicl --until 5 --minutes 10")
@takes(TuneRequest)
def tune(request: TuneRequest, json: Json = False) -> None:
    """Tune a model on a data set, or fit a conventional recommender. If stopped, the same command resumes."""
    with opened() as store, service_engine(store) as engine:
        done = run_here(engine, "tune", request.to_json(), output.aside)
    if json:
        output.as_json(done)
    elif done["model"] is None:
        output.line(f"{done['kind']} fitted on {done['fitted_on']} in {done['seconds']} s.")
    else:
        output.table(
            [
                [r["step"], r["tokens"], r["seconds"], r.get("loss", ""), r["validation"]]
                for r in done["curve"]
            ],
            "step",
            "tokens",
            "seconds",
            "loss",
            "validation",
        )
        output.line(
            f"Model {done['model']!r}: {done['steps']} steps, {done['tokens']:,} tokens in "
            f"{done['seconds']:.0f} s, "
            f"{done['tokens_per_second']:,.0f} tokens/s, {done['flop_floor_ratio']}x the flop floor; "
            f"{done['stopped_because']}. It is in {done['folder']}."
        )
