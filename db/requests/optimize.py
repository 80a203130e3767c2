"""For whom demonstrations are to be chosen and weighted, and how hard to try."""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from db.requests import edits
from db.requests.base import STRICT, Request
from db.requests.fields import LONGEST_SEED, Asked


@dataclass(frozen=True, config=STRICT)
class OptimizeRequest(Request):
    """For whom demonstrations are to be chosen and weighted, and how hard to try.

    A reconstruction of LRGD's two stages (arXiv 2504.04386). Each field says what it asks.
    """

    WHAT: ClassVar[str] = "optimization"
    NEEDED: ClassVar[tuple[str, ...]] = ("dataset", "user")

    dataset: Annotated[
        str, Asked("Name of a data set (see `datasets`)", "data set", flags=("--dataset", "-d"))
    ]
    user: Annotated[str, Asked("User id (see `users`)", "user", flags=("--user", "-u"))]
    model: Annotated[
        str, Asked("Registered name, model folder or hub id", "model", flags=("--model", "-m"), model=True)
    ] = "embedded"
    target: Annotated[
        str,
        Asked("The purchase whose demonstrations are chosen; it is never read", "target", choices="TARGETS"),
    ] = "test"
    history: Annotated[
        int,
        Field(ge=1, le=10_000),
        Asked("Items of the history in the prompt, at most", "history items in the prompt"),
    ] = 10
    template: Annotated[str, Asked("Prompt template", "prompt template", names="TEMPLATES")] = "plain"
    scoring: Annotated[
        str, Asked("How candidates are scored; auto is the model's own way", "scoring", choices="SCORINGS")
    ] = "auto"
    seed: Annotated[int, Field(ge=0, le=LONGEST_SEED), Asked("Seed of what is drawn", "seed")] = 0
    size: Annotated[
        int,
        Field(ge=1, le=16),
        Asked(
            "Demonstrations, at most",
            "demonstrations, at most",
            flags=("--size", "-k"),
            guide="recommend#optimize",
        ),
    ] = 4
    tokens: Annotated[
        int | None,
        Field(ge=1, le=1_000_000),
        Asked(
            "Tokens that demonstrations may take together",
            "tokens, at most",
            nothing="what the model holds",
            guide="recommend#optimize",
        ),
    ] = None
    sources: Annotated[
        tuple[str, ...], Asked("Sources of the pool, by commas", "sources of the pool", choices="SOURCES")
    ] = ("neighbours", "aggregated", "proximal")
    pool: Annotated[
        int, Field(ge=1, le=64), Asked("Demonstrations looked through of each source", "pool")
    ] = 8
    probes: Annotated[
        int,
        Field(ge=2, le=64),
        Asked(
            "Past purchases that serve as targets; half of them only judge",
            "past purchases to judge on",
            guide="recommend#optimize",
        ),
    ] = 10
    beam: Annotated[int, Field(ge=1, le=16), Asked("Sets pursued at once", "sets pursued at once (beam)")] = 1
    stages: Annotated[int, Asked("1 chooses, 2 learns weights too", "stages", choices="STAGES")] = 2
    steps: Annotated[int, Field(ge=1, le=200), Asked("Steps of gradient descent on the weights", "steps")] = 2
    ridge: Annotated[
        int | float, Field(ge=0, le=100), Asked("How strongly weights are drawn toward 1", "ridge")
    ] = 0.2
    noise: Annotated[int | float, Field(ge=0, le=2), Asked("Log-spread of the noise on weights", "noise")] = (
        0.2
    )
    kappa: Annotated[
        int | float,
        Field(ge=0, le=10),
        Asked("Standard deviations taken off for the robust effect", "kappa"),
    ] = 0.5
    draws: Annotated[int, Field(ge=1, le=64), Asked("Draws of the robust effect", "draws")] = 2
    perturb: Annotated[
        str | None,
        Asked(
            "Edits to hold up under, written as typos:0.1+order; by default weight noise",
            "edits to hold up under",
            names="EDITS",
            nothing="weight noise",
            guide="glossary#robust-effect",
        ),
    ] = None
    calibrate: Annotated[
        int,
        Field(ge=0, le=10_000),
        Asked("Users, at most, on whom plain strategies are tried once per data set", "calibration users"),
    ] = 300
    guard: Annotated[
        bool,
        Asked(
            "Apply only what held-out purchases confirm",
            "apply only what is confirmed",
            guide="glossary#guard",
        ),
    ] = True
    start: Annotated[
        bool, Asked("Begin with what the plain strategies choose, not with nothing", "start from a strategy")
    ] = True

    @property
    def edits(self) -> tuple[edits.Edit, ...]:
        """What sets are to hold up under."""
        return edits.parse(self.perturb or f"weights:{self.noise}")

    def _check_together(self) -> None:
        if self.perturb is not None:
            edits.parse(self.perturb)
