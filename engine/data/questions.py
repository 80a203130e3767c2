"""What an import asks a person when the files leave something open.

Boundary: plain data; the command line and the page show it, an option of the import settles it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """An answer to a question: its name, as the option takes it, the first values, and what speaks for it."""

    name: str
    examples: tuple[str, ...] = ()
    evidence: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "examples": list(self.examples), "evidence": self.evidence}


@dataclass(frozen=True)
class Question:
    """What a person must decide about a `field`; the first candidate is the best guess.

    `optional`: "none" is an answer too. `option`: the import's option that settles it, "" for a column.
    """

    field: str
    reason: str
    candidates: tuple[Candidate, ...]
    optional: bool = False
    option: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "reason": self.reason,
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "optional": self.optional,
            "option": self.option,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Question:
        """The question that `to_json` wrote."""
        candidates = tuple(
            Candidate(each["name"], tuple(each["examples"]), each["evidence"]) for each in data["candidates"]
        )
        return Question(data["field"], data["reason"], candidates, data["optional"], data["option"])
