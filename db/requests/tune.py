"""What to tune, on what, and for how long."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from db.errors import BadInput
from db.requests.base import STRICT, Request
from db.requests.fields import LONGEST_SEED, Asked, LaterTemplateName

Positive = Field(gt=0, lt=1e6)


@dataclass(frozen=True, config=STRICT)
class TuneRequest(Request):
    """What to tune, on what, and for how long.

    The run ends after `minutes` or `steps`, whichever comes first, or after `patience` validations without
    improvement.
    """

    WHAT: ClassVar[str] = "tuning"

    dataset: Annotated[
        str, Asked("Name of a data set", "data set", flags=("--dataset", "-d"), expects="a name")
    ]
    base: Annotated[
        str,
        Asked(
            "Registered name, folder or hub id of the base model",
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
            nothing="derived from the data set and the layout",
        ),
    ] = None
    kind: Annotated[str, Asked("What is tuned or fitted", "kind", choices="TUNE_KINDS")] = "llm"
    layout: Annotated[str, Asked("What a training sample holds", "layout", choices="LAYOUTS")] = "recicl"
    answers: Annotated[str, Asked("What the model answers", "answers", choices="ANSWERS")] = "title"
    template: LaterTemplateName = "plain"
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
    method: Annotated[str, Asked("Which weights are tuned", "tuned weights", choices="METHODS")] = "auto"
    periods: Annotated[
        int, Field(ge=2, le=100), Asked("Number of periods with equally many interactions", "periods")
    ] = 10
    until: Annotated[
        int | None,
        Field(ge=1, le=99),
        Asked(
            "Train only on data before this period, so that later periods can be used for testing",
            "until period",
            guide="data#splits",
        ),
    ] = None
    minutes: Annotated[
        int | float | None,
        Positive,
        Asked("Minutes, at most; ends earlier when the validation loss stops improving", "minutes, at most"),
    ] = 10.0
    steps: Annotated[int | None, Field(ge=1, le=10**9), Asked("Steps, at most", "steps")] = None
    batch_tokens: Annotated[
        int, Field(ge=64, le=1 << 20), Asked("Tokens per batch, padding included", "tokens per batch")
    ] = 4096
    learning_rate: Annotated[
        int | float | None,
        Positive,
        Asked("Peak learning rate; the default depends on method and model size", "learning rate"),
    ] = None
    patience: Annotated[
        int,
        Field(ge=1, le=10_000),
        Asked("Validations without improvement before training stops", "patience"),
    ] = 6
    seed: Annotated[
        int, Field(ge=0, le=LONGEST_SEED), Asked("Seed of samples and initial weights", "seed")
    ] = 0

    def _check_together(self) -> None:
        if self.until is not None and self.until >= self.periods:
            raise BadInput(
                f"until: expected a whole number from 1 to {self.periods - 1}, got {self.until!r}."
            )
        if self.minutes is None and self.steps is None:
            raise BadInput("minutes: give minutes or steps, otherwise the tuning would never end.")

    @property
    def scoring(self) -> str:
        """The scoring whose prompts are trained on."""
        return "sum" if self.answers == "title" else "yes_no"

    @property
    def usual_name(self) -> str:
        """Name of the tuned model where none is given, such as `games-recicl`."""
        parts = [self.dataset, self.layout]
        parts += [self.answers.replace("_", "-")] if self.answers != "title" else []
        parts += [self.template.partition("@")[0]] if self.template != "plain" else []
        parts += [f"until-{self.until}"] if self.until is not None else []
        parts += [f"from-{Path(self.base).name}"] if self.base != "embedded" else []
        parts += [f"seed-{self.seed}"] if self.seed else []
        return "-".join(parts)
