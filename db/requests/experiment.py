"""The request of an experiment: a grid of settings on the same users and candidate lists."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from db.choices import SET
from db.errors import BadInput
from db.requests.base import STRICT, Request
from db.requests.edits import drawn, parse
from db.requests.fields import LONGEST_SEED, Asked, Turns, WithoutTarget
from db.requests.run import RunRequest
from db.requests.strategy_spec import parse_spec

AXES = ("model", "demos", "scoring", "template", "history", "history_by", "hint", "perturb")
"""The fields that may have several values: fields of a run by the same name, in the order of the table."""

OPTIONAL = ("hint", "perturb")  # where `none` stands for nothing
WITHOUT_CHANCE = frozenset({"none", "proximal", SET.name})
"""What shows the same demonstrations in every draw. All other strategies draw: random windows, the order of
equally near ones, or which purchases of a popular item are looked at."""
SHORT = {"model": "", "demos": ""}  # axes whose values speak for themselves
MOST_SETTINGS = 200
MOST_CELLS = 50_000_000


def _axis(about: str, label: str, **more: Any) -> Asked:
    return Asked(f"{about}; several, with commas between, are compared", label, **more)


@dataclass(frozen=True, config=STRICT)
class ExperimentRequest(Request):
    """A grid over users: every combination of the values of `AXES`, each `draws` times where chance has a
    part in it, and what stands beside them on the same lists."""

    WHAT: ClassVar[str] = "experiment"

    dataset: Annotated[
        str, Asked("Name of a data set (see `datasets`)", "data set", flags=("--dataset", "-d"))
    ]
    users: Annotated[
        int, Field(ge=2, le=10_000_000), Asked("Number of users, drawn with the seed", "users")
    ] = 100
    skip: Annotated[
        int,
        Field(ge=0, le=10_000_000),
        Asked(
            "Leave out so many of the first users drawn, such as those that a choice was made on with the "
            "same baselines",
            "first users left out",
            guide="experiments#other-users",
            later=True,
            before=0,
        ),
    ] = 0
    model: Annotated[tuple[str, ...], _axis("Models that are asked", "models", flags=("--model", "-m"))] = (
        "embedded",
    )
    demos: Annotated[
        tuple[str, ...],
        _axis("Demonstrations: none, STRATEGY:K or set:NAME", "demonstrations", names="STRATEGIES"),
    ] = ("none", "neighbours:4")
    scoring: Annotated[tuple[str, ...], _axis("How candidates are scored", "scoring", choices="SCORINGS")] = (
        "auto",
    )
    template: Annotated[tuple[str, ...], _axis("Prompt templates", "prompt templates", names="TEMPLATES")] = (
        "plain",
    )
    history: Annotated[
        tuple[int, ...], _axis("Items of the history in the prompt, at most", "history items in the prompt")
    ] = (10,)
    history_by: Annotated[
        tuple[str, ...],
        _axis("Which items of the history are in the prompt", "history chosen by", choices="HISTORY_WAYS"),
    ] = ("recent",)
    hint: Annotated[
        tuple[str, ...],
        _axis("Show this baseline's best items in the prompt, or none", "hint", names="BASELINES"),
    ] = ("none",)
    perturb: Annotated[
        tuple[str, ...],
        _axis("Edits of the dual model, such as ridge:0.2, or none", "edits", names="EDITS"),
    ] = ("none",)
    draws: Annotated[
        int,
        Field(ge=1, le=100),
        Asked(
            "How often random choices are drawn; what is the same in every draw is computed once",
            "draws",
            guide="experiments#draws",
        ),
    ] = 1
    baselines: Annotated[
        tuple[str, ...] | None,
        Asked("Conventional recommenders that rank the same lists", "baselines", choices="BASELINES"),
    ] = None
    copies: Annotated[
        tuple[str, ...] | None,
        Asked(
            "Copies without a model, of each setting's demonstrations",
            "copies",
            choices="COPIES",
            guide="study-designs#controls",
        ),
    ] = None
    systems: Annotated[
        tuple[str, ...] | None,
        Asked(
            "Systems from elsewhere, whose scores of these lists were read (see `lists`)",
            "other systems",
            guide="experiments#bring-your-own-recommender",
        ),
    ] = None
    reference: Annotated[
        str | None,
        Asked(
            "The row that the others are compared with, as the table calls it",
            "compared with",
            nothing="the first row",
            expects="the name of a row",
        ),
    ] = None
    effects: Annotated[
        bool,
        Asked(
            "Also measure the effect of each demonstration, which costs about a ranking per subset of them",
            "effects",
        ),
    ] = False
    candidates: Annotated[
        int,
        Field(ge=2, le=100_000),
        Asked("Length of the candidate lists", "candidates", flags=("--candidates", "-c")),
    ] = 20
    candidate_kind: Annotated[
        str, Asked("How negatives are drawn", "kind of candidates", choices="CANDIDATE_KINDS")
    ] = "random"
    target: Annotated[str, Asked("The purchase to predict", "target", choices="TARGETS")] = "test"
    seed: Annotated[
        int,
        Field(ge=0, le=LONGEST_SEED),
        Asked("Seed of users, candidate lists, random choices and resamples", "seed"),
    ] = 0
    control_of: Annotated[
        str,
        Asked(
            "Strategy whose demonstrations placebos change",
            "placebo of",
            choices="CONTROLLED",
            guide="study-designs#controls",
        ),
    ] = "neighbours"
    exclude_target_item: WithoutTarget = False
    turns: Turns = "auto"

    @property
    def varied(self) -> tuple[str, ...]:
        """The axes with more than one value."""
        return tuple(axis for axis in AXES if len(getattr(self, axis)) > 1)

    def settings(self) -> Iterator[dict[str, Any]]:
        """Every combination, as values of a run's fields by axis, the models slowest."""
        for values in product(*(getattr(self, axis) for axis in AXES)):
            yield dict(zip(AXES, values, strict=True))

    def key(self, setting: Mapping[str, Any]) -> str:
        """What tells the row of a setting from the others, as `smollm2,neighbours:4,history=5`."""
        axes = self.varied or ("demos",)
        return ",".join(f"{SHORT.get(axis, axis + '=')}{setting[axis]}" for axis in axes)

    def draws_of(self, setting: Mapping[str, Any]) -> int:
        """How often a setting is drawn: once where chance has no part in it."""
        return self.draws if by_chance(setting) else 1

    def rows(self) -> dict[str, int]:
        """The keys of all rows, in the order of the table, and how often each is drawn."""
        rows: dict[str, int] = {}
        for model in self.model:
            settings = [setting for setting in self.settings() if setting["model"] == model]
            rows |= {self.key(setting): self.draws_of(setting) for setting in settings}
            shown = first_of_each_choice(settings)
            for copy in self.copies or ():
                rows |= {f"{copy}({self.key(setting)})": self.draws_of(setting) for setting in shown}
        return rows | dict.fromkeys((*(self.systems or ()), *(self.baselines or ())), 1)

    def run(self, user: str, setting: Mapping[str, Any], draw: int = 0) -> RunRequest:
        """What a person would ask for this user under a setting. Raises BadInput."""
        values: dict[str, Any] = {
            axis: None if axis in OPTIONAL and value == "none" else value for axis, value in setting.items()
        }
        return RunRequest(
            dataset=self.dataset,
            user=user,
            **values,
            draw=draw,
            candidates=self.candidates,
            candidate_kind=self.candidate_kind,
            target=self.target,
            seed=self.seed,
            control_of=self.control_of,
            exclude_target_item=self.exclude_target_item,
            turns=self.turns,
        )

    def _check_together(self) -> None:
        for axis in (*AXES, "systems"):
            values = getattr(self, axis) or ()
            if axis in AXES and not values:
                raise BadInput(f"{axis}: name one value at least.")
            if repeated := [value for value in values if values.count(value) > 1]:
                raise BadInput(f"{axis}: {repeated[0]} is named twice.")
        number = prod(len(getattr(self, axis)) for axis in AXES)
        if number > MOST_SETTINGS:
            raise BadInput(
                f"The grid has {number:,} settings; {MOST_SETTINGS} is the most. Vary less at a time."
            )
        if number * self.users * self.draws > MOST_CELLS:
            raise BadInput(f"The grid has more than {MOST_CELLS:,} lists. Ask for fewer users or settings.")
        if self.effects and any(value != "none" and drawn(parse(value)) for value in self.perturb):
            raise BadInput("effects: they explain one prompt, and random edits have many. Leave one out.")
        for setting in self.settings():
            try:
                self.run("nobody", setting, self.draws - 1)
            except BadInput as refusal:
                raise BadInput(f"A setting of the grid cannot be: {refusal}") from None


def by_chance(setting: Mapping[str, Any]) -> bool:
    """Whether chance has a part in a setting, so that another draw gives another list."""
    if parse_spec(setting["demos"]).name not in WITHOUT_CHANCE or setting["scoring"] == "listwise":
        return True
    return setting["perturb"] != "none" and drawn(parse(setting["perturb"]))


def first_of_each_choice(settings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of settings with the same demonstrations one, the first: those that copies are made of."""
    first: dict[str, Mapping[str, Any]] = {}
    for setting in settings:
        if setting["demos"] != "none":
            first.setdefault(setting["demos"], setting)
    return list(first.values())
