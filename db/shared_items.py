"""What a run's demonstrations share with its user, in words: neighbours are chosen for it, and people ask.

Pure functions of a run's stored result, for dashboard, command line and engine. An item is the same under
another id where its title is the same: models read titles (`db.demonstrations.shows`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from db.demonstrations import ANSWER, shows

Result = Mapping[str, Any]
LETTERS = 60  # of a title in a sentence
NAMED = 4  # titles in a sentence


@dataclass(frozen=True)
class Evidence:
    """One demonstration beside the user's history. shared: titles of its own items that the user has too, in
    the demonstration's order, its answer among them where `known_answer`. items: how many it shows in all.
    target: where it shows the target (`db.demonstrations.ANSWER`, `HISTORY`), or None. same_answer: numbers,
    from 1, of the run's other demonstrations with this answer.
    """

    number: int
    shared: list[str]
    items: int
    answer: str
    known_answer: bool
    target: str | None
    same_answer: list[int]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The same in words. Plain text."""
        parts = [self._shares()]
        if self.target == ANSWER:
            parts.append("Its answer is the target itself.")
        elif self.target is not None:
            parts.append("Its history shows the target.")
        if self.known_answer:
            parts.append(f"The user has had its answer, {_short(self.answer)}.")
        if self.same_answer:
            parts.append(f"{_numbers(self.same_answer)} {_have(self.same_answer)} the same answer.")
        return " ".join(parts)

    def _shares(self) -> str:
        if not self.shared:
            return f"None of its {self.items} items is in the user's history."
        few = [_short(title) for title in self.shared[:NAMED]]
        more = len(self.shared) - len(few)
        named = _listed([*few, *([f"{more} more"] if more else [])])
        verb = "is" if len(self.shared) == 1 else "are"
        return f"{len(self.shared)} of its {self.items} items {verb} in the user's history: {named}."


def evidence(result: Result) -> list[Evidence]:
    """One per demonstration of a run's result, in prompt order."""
    past, demos = result.get("history") or [], result["demonstrations"]
    history = [_key(item) for item in past]
    found = []
    for number, demo in enumerate(demos, 1):
        answer = _key(demo["answer"])
        own = [_key(item) for item in demo["history"]]
        known = shows(history, ("", ""), answer) is not None
        shared = [title for item, title in own if shows(history, ("", ""), (item, title))]
        found.append(
            Evidence(
                number=number,
                shared=[*shared, *([answer[1]] if known else [])],
                items=len(own) + 1,
                answer=answer[1],
                known_answer=known,
                target=shows(own, answer, _key(result["target"])),
                same_answer=[
                    other
                    for other, each in enumerate(demos, 1)
                    if other != number and shows([], _key(each["answer"]), answer)
                ],
            )
        )
    return found


def summary(rows: Sequence[Evidence]) -> str:
    """What all of them share, in a sentence. Plain text."""
    sharing = [row for row in rows if row.shared]
    given = [row.number for row in rows if row.target == ANSWER]
    told = f"{_numbers(given)} {_have(given)} the target as the answer. " if given else ""
    if not sharing:
        return f"{told}No demonstration shows an item of the user's history."
    most = max(sharing, key=lambda row: len(row.shared))
    few = (
        "Every demonstration"
        if len(sharing) == len(rows)
        else f"{len(sharing)} of {len(rows)} demonstrations"
    )
    alike = len(sharing) > 1 and len({len(row.shared) for row in sharing}) == 1
    most_said = (
        f"each {len(most.shared)}" if alike else f"number {most.number} shows most, {len(most.shared)}"
    )
    verb = "show" if few[0].isdigit() and len(sharing) > 1 else "shows"
    return (
        f"{told}{few} {verb} an item of the user's history; {most_said}. "
        "What is shared is why neighbours are chosen; effects measure what it does."
    )


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    """An item's id and title; one that was written by hand has an id of its own title."""
    title = str(item.get("title") or "")
    return str(item.get("item") or f"title {title}"), title


def _short(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= LETTERS else f"{line[: LETTERS - 1].rstrip()}…"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _numbers(places: Sequence[int]) -> str:
    return f"{'Number' if len(places) == 1 else 'Numbers'} {_listed(list(map(str, places)))}"


def _have(places: Sequence[int]) -> str:
    return "has" if len(places) == 1 else "have"
