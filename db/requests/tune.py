"""What to tune, on what, and for how long."""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from db.errors import BadInput
from db.requests.base import STRICT, Request
from db.requests.fields import LONGEST_SEED, Asked

Positive = Field(gt=0, lt=1e6)


@dataclass(frozen=True, config=STRICT)
class TuneRequest(Request):
    """What to tune, on what, and for how long.

    The run ends after `minutes` or `steps`, whichever comes first, or when `patience` validations brought
    nothing better.
    """

    WHAT: ClassVar[str] = "tuning"

    dataset: Annotated[
        str, Asked("Name of a data set", "data set", flags=("--dataset", "-d"), expects="a name")
    ]
    base: Annotated[
        str,
        Asked(
            "Registered name, folder or hub id of the model to start from",
            "base model",
            expects="a name",
            model=True,
        ),
    ] = "embedded"
    name: Annotated[
        str | None,
        Asked(
            "Name of the tuned model",
            "name of the tuned model",
            expects="a name for the tuned model",
            nothing="made from the data set and the layout",
        ),
    ] = None
    kind: Annotated[str, Asked("What is tuned or fitted", "kind", choices="TUNE_KINDS")] = "llm"
    layout: Annotated[str, Asked("What a training sample holds", "layout", choices="LAYOUTS")] = "recicl"
    answers: Annotated[str, Asked("What the model answers", "answers", choices="ANSWERS")] = "title"
    demos: Annotated[
        int,
        Field(ge=0, le=16),
        Asked("Demonstrations in a sample, at most: 0 to this many are drawn", "demonstrations"),
    ] = 4
    sources: Annotated[
        tuple[str, ...],
        Asked("Where demonstrations come from, drawn evenly", "sources", choices="TUNE_SOURCES"),
    ] = ("proximal", "neighbours")
    loss_on: Annotated[str, Asked("Answers whose loss counts", "loss on", choices="LOSSES")] = "all"
    method: Annotated[str, Asked("Which weights are tuned", "weights that are tuned", choices="METHODS")] = (
        "auto"
    )
    periods: Annotated[
        int, Field(ge=2, le=100), Asked("Equally full periods that time is cut into", "periods")
    ] = 10
    until: Annotated[
        int | None,
        Field(ge=1, le=99),
        Asked(
            "Train only on what was before the start of this period, so that later ones can be tested on",
            "until period",
            guide="data#splits",
        ),
    ] = None
    minutes: Annotated[
        int | float | None,
        Positive,
        Asked(
            "Minutes, at most; it ends earlier where held-out purchases show no progress", "minutes, at most"
        ),
    ] = 10.0
    steps: Annotated[int | None, Field(ge=1, le=10**9), Asked("Steps, at most", "steps")] = None
    batch_tokens: Annotated[
        int, Field(ge=64, le=1 << 20), Asked("Tokens of a batch, padding included", "tokens per batch")
    ] = 4096
    learning_rate: Annotated[
        int | float | None,
        Positive,
        Asked("Peak learning rate; by default one that fits method and size", "learning rate"),
    ] = None
    patience: Annotated[
        int,
        Field(ge=1, le=10_000),
        Asked("Validations without anything better before it stops", "patience"),
    ] = 6
    seed: Annotated[int, Field(ge=0, le=LONGEST_SEED), Asked("Draws samples and initial weights", "seed")] = 0

    def _check_together(self) -> None:
        if self.until is not None and self.until >= self.periods:
            raise BadInput(
                f"until: expected a whole number from 1 to {self.periods - 1}, got {self.until!r}."
            )
        if self.minutes is None and self.steps is None:
            raise BadInput("minutes: give minutes or steps, or the tuning would never end.")
