"""The guided start: what demonstrations do, told on stored runs, every sentence made from their numbers."""

from dashboard.charts.bump import joined
from dashboard.report import facts, pictures
from dashboard.report.story import Step, Story
from dashboard.text import words
from dashboard.text.formats import plural, rank, signed
from dashboard.text.literal import plain
from db.effect_results import UNITS
from db.guided import MEASURE, Guided
from db.runs import Run
from db.store import Store

TITLE = "Guided start"
UNIT = UNITS[MEASURE]
OFF = 2  # the place of the step in which the good one is turned off
NONE_MISLEADS = "Of the stored runs, none has a demonstration that surely misleads."


def story(store: Store, found: Guided) -> Story:
    """What is told on the way. The step at `OFF` has two pictures: with all, then without the good."""
    request = found.run.request
    simulated = facts.SIMULATED if facts.simulated(store, found.run) else ""
    return Story(
        kind="run",
        title=TITLE,
        about=plain(f"user {request.user} · {found.run.model} on {request.dataset}", 120),
        ids=(found.run.key,),
        steps=(_what(found, simulated), _good_and_misleading(found), _off(found), _copied(found), _rule()),
    )


def _what(found: Guided, simulated: str) -> Step:
    run = found.run
    before, after, total = run.result["metrics"]["zero_shot"], run.result["metrics"], len(run.result["items"])
    return Step(
        "1. What a demonstration can do",
        f"Put {plural(len(run.result['demonstrations']), 'demonstration')} into the prompt, and what this "
        f"user really chose next {words.movement(before, after, total)}.",
        f"The model's ranking without them (left) and with them (right). Gold: {_target(run)}. "
        f"{simulated}".strip(),
        (_lists(run.result["zero_shot"], run, ("without demonstrations", "with demonstrations")),),
    )


def _good_and_misleading(found: Guided) -> Step:
    by_id = {row["id"]: row for row in found.effects["demonstrations"]}
    views = found.run.result["demonstrations"]
    rows = [
        (f"→ {plain(view['answer']['title'])}", by_id[view["id"]]) for view in views if view["id"] in by_id
    ]
    good = by_id[views[found.good]["id"]]["effect"]
    said = f"Number {found.good + 1} is a good one: {signed(good)} {UNIT}."
    if found.misleading is None:
        said += f" {NONE_MISLEADS}"
    else:
        misled = by_id[views[found.misleading]["id"]]["effect"]
        said += f" Number {found.misleading + 1} misleads the model: {signed(misled)}."
    return Step(
        "2. A good one and a misleading one",
        said,
        "Each demonstration's effect on the log of the target's share among the candidates: right helps, "
        "left hurts.",
        (pictures.effects(rows, UNIT),),
    )


def _off(found: Guided) -> Step:
    before, after = (run.result["metrics"] for run in (found.run, found.off))
    total = len(found.off.result["items"])
    heads = ("with all of them", f"number {found.good + 1} turned off")
    return Step(
        "3. Turn the good one off",
        f"Without number {found.good + 1}, the target {words.movement(before, after, total)}.",
        "Its weight is 0: the model reads the prompt as if it were not there. The others keep theirs.",
        (
            _lists(found.run.result["items"], found.run, (heads[0], heads[0])),
            _lists(found.run.result["items"], found.off, heads),
        ),
    )


def _copied(found: Guided) -> Step:
    above, tied = found.counted
    total = len(found.run.result["items"])
    counted = rank({"rank": above + 1 + tied / 2, "tied": tied})
    own = found.run.result["metrics"]["rank"]
    if above + 1 + tied / 2 <= own:
        meaning = "So this list does not show that the model learned anything: copying does as well."
    else:
        meaning = "So the model adds something to copying, for this user."
    return Step(
        "4. The copy control",
        f"Counting how often each candidate is a demonstration's answer, with no model at all, ranks the "
        f"target {counted} of {total}. {meaning}",
        "Studies put this control beside every strategy. On the desk, gold marks demonstrations that show "
        "the target itself.",
        more=tuple(_answers(found)),
    )


def _answers(found: Guided) -> list[str]:
    """What each demonstration answers, and whether that is the target."""
    target = found.run.result["target"]["item"]
    return [
        f"Number {at} answers {plain(view['answer']['title'], 80)}"
        f"{', the target itself' if view['answer']['item'] == target else ''}."
        for at, view in enumerate(found.run.result["demonstrations"], start=1)
    ]


def _rule() -> Step:
    return Step(
        "5. Try your own data",
        "This was one user. Import your own data and model, move the weights on the desk, and let a study "
        "say how often demonstrations help.",
    )


def _target(run: Run) -> str:
    return plain(run.result["target"]["title"], 80)


def _lists(left: list[dict], run: Run, heads: tuple[str, str]) -> str:
    return pictures.lists(joined(left, run.result["items"]), heads)
