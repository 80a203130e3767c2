"""Commands that make models."""

from typing import Annotated

import typer

from db.tunings import TuneRequest
from engine.commands import output
from engine.commands.options import Dataset, Json, opened, service_engine
from engine.jobs.worker import run_here

app = typer.Typer()


@app.command(epilog="Example: python -m engine tune -d simulated --layout recicl --until 5 --minutes 10")
def tune(
    dataset: Dataset = "simulated",
    base: Annotated[
        str, typer.Option(help="Registered name, folder or hub id of the model to start from.")
    ] = "embedded",
    layout: Annotated[
        str, typer.Option(help="recicl (demonstrations and a query) or single (a query).")
    ] = "recicl",
    answers: Annotated[str, typer.Option(help="title (likelihood of the next title) or yes_no.")] = "title",
    kind: Annotated[str, typer.Option(help="llm, or sasrec, sasrec-scaled, itemknn, popularity.")] = "llm",
    name: Annotated[str | None, typer.Option(help="Name of the tuned model.")] = None,
    demos: Annotated[
        int, typer.Option(help="Most demonstrations in a sample; 0 to this many are drawn.")
    ] = 4,
    sources: Annotated[
        str, typer.Option(help="Where they come from, e.g. proximal,neighbours.")
    ] = "proximal,neighbours",
    loss_on: Annotated[str, typer.Option(help="Answers whose loss counts: all or last.")] = "all",
    method: Annotated[
        str, typer.Option(help="full, lora (needs requirements-peft.txt) or auto by size.")
    ] = "auto",
    until: Annotated[
        int | None, typer.Option(help="Learn only from before the start of this period of time.")
    ] = None,
    periods: Annotated[int, typer.Option(help="Equally full periods that time is cut into.")] = 10,
    minutes: Annotated[float | None, typer.Option(help="Time it may take.")] = 10.0,
    steps: Annotated[int | None, typer.Option(help="Steps it may take.")] = None,
    batch_tokens: Annotated[int, typer.Option(help="Tokens of a batch, padding included.")] = 4096,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak; by default one that fits method and size.")
    ] = None,
    patience: Annotated[int, typer.Option(help="Validations without anything better before it stops.")] = 6,
    seed: Annotated[int, typer.Option(help="Draws samples and initial weights.")] = 0,
    json: Json = False,
) -> None:
    """Tune a model on a data set (or fit a conventional recommender). Stopped, the same command goes on."""
    request = TuneRequest(
        dataset=dataset,
        base=base,
        name=name,
        kind=kind,
        layout=layout,
        answers=answers,
        demos=demos,
        sources=tuple(part.strip() for part in sources.split(",") if part.strip()),
        loss_on=loss_on,
        method=method,
        periods=periods,
        until=until,
        minutes=minutes,
        steps=steps,
        batch_tokens=batch_tokens,
        learning_rate=learning_rate,
        patience=patience,
        seed=seed,
    ).validate()
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
