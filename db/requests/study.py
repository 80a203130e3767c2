"""The request of a study over many users."""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from db.errors import BadInput
from db.requests.base import STRICT, Request
from db.requests.fields import LONGEST_SEED, Asked, LaterTemplateName, Turns, WithoutTarget
from db.requests.strategy_spec import MOST, is_derived, parse_spec


@dataclass(frozen=True, config=STRICT)
class StudyRequest(Request):
    """A study over users of a data set. The row in `choices.STUDIES` lists the fields a study uses.

    `single`, `recicl`: models tuned from `model` in these layouts on the data before period `cut` (of
    `periods`, counted from 0). None: left out, or tuned by the study itself where `tune` is set.
    """

    WHAT: ClassVar[str] = "study"
    NEEDED: ClassVar[tuple[str, ...]] = ("study", "dataset")

    study: Annotated[str, Asked("Which study", "study", choices="STUDIES")]
    dataset: Annotated[
        str, Asked("Name of a data set (see `datasets`)", "data set", flags=("--dataset", "-d"))
    ]
    model: Annotated[
        str,
        Asked(
            "The model that is asked; in `recicl`, the one before tuning",
            "model",
            flags=("--model", "--base", "-m"),
            model=True,
        ),
    ] = "embedded"
    single: Annotated[
        str | None,
        Asked(
            "Model tuned from it without demonstrations",
            "tuned on single queries",
            model=True,
            nothing="leave this row out",
        ),
    ] = None
    recicl: Annotated[
        str | None,
        Asked(
            "Model tuned from it with demonstrations",
            "tuned with demonstrations",
            model=True,
            nothing="leave this row out",
        ),
    ] = None
    users: Annotated[
        int,
        Field(ge=2, le=10_000_000),
        Asked("Number of users; in `drift`, per period", "users"),
    ] = 300
    seed: Annotated[
        int,
        Field(ge=0, le=LONGEST_SEED),
        Asked("Seed of users, purchases, candidate lists and resamples", "seed"),
    ] = 0
    demos: Annotated[str, Asked("STRATEGY:K of the demonstrations", "strategy", names="STRATEGIES")] = (
        "neighbours:4"
    )
    periods: Annotated[
        int, Field(ge=2, le=1000), Asked("Number of periods with equally many interactions", "periods")
    ] = 10
    cut: Annotated[
        int,
        Field(ge=1, le=999),
        Asked(
            "First period of the evaluation; models are trained on the periods before it",
            "training periods",
            guide="study-designs#recicl",
        ),
    ] = 5
    candidates: Annotated[
        int,
        Field(ge=2, le=100_000),
        Asked("Length of the candidate list", "candidates", flags=("--candidates", "-c")),
    ] = 20
    candidate_kind: Annotated[
        str, Asked("How negatives are drawn", "kind of candidates", choices="CANDIDATE_KINDS")
    ] = "random"
    scoring: Annotated[
        str, Asked("auto (each model's own), or the same for all models", "scoring", choices="SCORINGS")
    ] = "auto"
    history: Annotated[
        int,
        Field(ge=1, le=10_000),
        Asked("Items of the history in the prompt, at most", "history items in the prompt"),
    ] = 10
    minutes: Annotated[
        int | float | None,
        Field(gt=0),
        Asked(
            "Minutes of training per model, at most; a training that is cut off is named in the result",
            "minutes of training",
            nothing="5 to tune a language model; SASRec trains until its validation stops improving",
        ),
    ] = None
    tune: Annotated[
        bool, Asked("Tune the models that are not given, on the data before the cut", "tune missing models")
    ] = False
    k: Annotated[
        int, Field(ge=1, le=MOST), Asked("Demonstrations per strategy", "demonstrations", later=True)
    ] = 4
    only: Annotated[
        tuple[str, ...] | None,
        Asked(
            "Only these strategies and controls, e.g. none,bm25,twostage,copy",
            "only these strategies",
            choices="COMPARED",
            nothing="all",
            guide="study-designs#strategies",
            later=True,
        ),
    ] = None
    control_of: Annotated[
        str,
        Asked(
            "Strategy whose demonstrations the controls take: copies count them, placebos change them",
            "controls take",
            choices="CONTROLLED",
            guide="study-designs#controls",
            later=True,
        ),
    ] = "neighbours"
    exclude_target_item: WithoutTarget = False
    turns: Turns = "auto"
    template: LaterTemplateName = "plain"

    def _check_together(self) -> None:
        if self.cut >= self.periods:
            raise BadInput(f"cut: period {self.cut} is not one of {self.periods} periods counted from 0.")
        if parse_spec(self.demos).size == 0:
            raise BadInput(f"demos: a study compares demonstrations with none; {self.demos!r} has none.")
        if is_derived(self.demos):
            raise BadInput(f"demos: {self.demos!r} is a control, which studies show of their own accord.")
