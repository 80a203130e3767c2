"""The request of an optimization: whose demonstrations are chosen and weighted, and with what effort."""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from db.requests import edits
from db.requests.base import STRICT, Request
from db.requests.fields import LONGEST_SEED, Asked, Keep, TemplateName, Turns
from db.requests.keep import check_room


@dataclass(frozen=True, config=STRICT)
class OptimizeRequest(Request):
    """Whose demonstrations are chosen and weighted, and with what effort.

    A reconstruction of LRGD's two stages (arXiv 2504.04386). Each field is described by its `Asked`.
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
        Asked(
            "The purchase to choose demonstrations for; its item is never used", "target", choices="TARGETS"
        ),
    ] = "test"
    history: Annotated[
        int,
        Field(ge=1, le=10_000),
        Asked("Items of the history in the prompt, at most", "history items in the prompt"),
    ] = 10
    template: TemplateName = "plain"
    scoring: Annotated[
        str, Asked("How candidates are scored; auto is the model's default", "scoring", choices="SCORINGS")
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
            "Token budget of all demonstrations",
            "tokens, at most",
            nothing="the model's context length",
            guide="recommend#optimize",
        ),
    ] = None
    sources: Annotated[
        tuple[str, ...],
        Asked("Sources of the pool, separated by commas", "sources of the pool", choices="SOURCES"),
    ] = ("neighbours", "aggregated", "proximal")
    pool: Annotated[
        int, Field(ge=1, le=64), Asked("Demonstrations considered per source", "pool size per source")
    ] = 8
    probes: Annotated[
        int,
        Field(ge=2, le=64),
        Asked(
            "Past purchases used as targets; half of them are held out for validation",
            "validation purchases (probes)",
            guide="recommend#optimize",
        ),
    ] = 10
    beam: Annotated[int, Field(ge=1, le=16), Asked("Beam width: sets kept at each step", "beam width")] = 1
    stages: Annotated[
        int, Asked("1 chooses demonstrations, 2 also learns their weights", "stages", choices="STAGES")
    ] = 2
    steps: Annotated[int, Field(ge=1, le=200), Asked("Steps of gradient descent on the weights", "steps")] = 2
    ridge: Annotated[
        int | float, Field(ge=0, le=100), Asked("How strongly weights are regularized toward 1", "ridge")
    ] = 0.2
    noise: Annotated[int | float, Field(ge=0, le=2), Asked("Log-scale of the noise on weights", "noise")] = (
        0.2
    )
    kappa: Annotated[
        int | float,
        Field(ge=0, le=10),
        Asked("Standard deviations subtracted for the robust effect", "kappa"),
    ] = 0.5
    draws: Annotated[int, Field(ge=1, le=64), Asked("Draws of the robust effect", "draws")] = 2
    perturb: Annotated[
        str | None,
        Asked(
            "Edits for the robust effect, written as typos:0.1+order; by default weight noise",
            "edits for the robust effect",
            names="EDITS",
            nothing="weight noise",
            guide="glossary#robust-effect",
        ),
    ] = None
    calibrate: Annotated[
        int,
        Field(ge=0, le=10_000),
        Asked(
            "Users, at most, on whom the plain strategies are evaluated once per data set",
            "calibration users",
        ),
    ] = 300
    guard: Annotated[
        bool,
        Asked(
            "Apply only what the validation purchases confirm",
            "apply only what is confirmed",
            guide="glossary#guard",
        ),
    ] = True
    start: Annotated[
        bool,
        Asked(
            "Start from the set of the best plain strategy instead of an empty set", "start from a strategy"
        ),
    ] = True

    measure: Annotated[
        str,
        Asked(
            "What demonstrations are to raise on the validation purchases: their share among the candidates, "
            "or to lower: their loss",
            "measure",
            choices="MEASURES",
            later=True,
        ),
    ] = "margin"
    turns: Turns = "auto"
    keep: Keep = None

    @property
    def edits(self) -> tuple[edits.Edit, ...]:
        """The edits that the robust effect averages over."""
        return edits.parse(self.perturb or f"weights:{self.noise}")

    def _check_together(self) -> None:
        if self.perturb is not None:
            edits.parse(self.perturb)
        check_room(self.keep, self.size, "size")
