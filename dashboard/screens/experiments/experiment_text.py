"""Experiments as the page shows them: what a job of the kind asked for and found, any part of which may be
missing.

Boundary: a job in; titles, labels and numbers out, plain text where nothing else is said. No Streamlit, no
store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.state.work import Work
from dashboard.text.estimates import is_estimate
from dashboard.text.formats import count, plural
from dashboard.text.literal import plain
from db.errors import BadInput
from db.experiments import MEASURES
from db.requests import ExperimentRequest
from db.requests.experiment import AXES
from db.requests.fields import field_of

DECIDING = "ndcg10"
NO_MEAN = {"coverage": "coverage", "seconds": "seconds"}  # measures that stand elsewhere in a result
CHEAPER = frozenset({"tokens", "seconds"})  # less of these is better
KINDS = {"baseline": "baseline", "copy": "copy of the demonstrations", "outside": "other system"}
PLACEBO = "placebo"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Experiment(Work):
    """One `experiment` job: its request and its result, complete or partial."""

    @property
    def found(self) -> Mapping[str, Any]:
        return self.job.result or {}

    @property
    def request(self) -> ExperimentRequest | None:
        """What was asked; None where this version cannot read it."""
        try:
            return ExperimentRequest.from_json(self.asked)
        except BadInput:
            return None

    @property
    def title(self) -> str:
        """demonstrations x history items on simulated."""
        varied = [axis for axis in AXES if isinstance(v := self.asked.get(axis), list) and len(v) > 1]
        what = " x ".join(field_of(ExperimentRequest, axis).asked.label for axis in varied) or "one setting"
        return plain(f"{what[:1].upper()}{what[1:]} on {self.asked.get('dataset', '?')}", 90)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows of its table."""
        return [row for row in self.found.get("rows") or [] if isinstance(row, Mapping) and row.get("key")]

    @property
    def labels(self) -> dict[str, str]:
        """Row key -> what it is called, with the mark of a control."""
        return {row["key"]: label(row) for row in self.rows}

    @property
    def reference(self) -> str:
        """The row that the others are compared with, if nobody says otherwise."""
        keys = [row["key"] for row in self.rows]
        return self.found["reference"] if self.found.get("reference") in keys else next(iter(keys), "")

    def measures(self) -> dict[str, str]:
        """The measures that some row has, as people write them."""
        names = {**MEASURES, **NO_MEAN}
        return {name: words for name, words in names.items() if any(self.value(r, name) for r in self.rows)}

    def value(self, row: Row, measure: str) -> Mapping[str, Any] | None:
        """A row's estimate `{mean, low, high}`; None where it has no such thing."""
        if measure == "coverage":
            share = row.get("coverage")
            return None if share is None else {"mean": share, "low": None, "high": None}
        if measure == "seconds":
            found = ((self.found.get("timings") or {}).get("seconds") or {}).get(row["key"])
        else:
            found = (row.get("measures") or {}).get(measure)
        return found if is_estimate(found) else None

    def test(self, measure: str, reference: str, row: str) -> Mapping[str, Any] | None:
        """The paired difference of a row from a reference."""
        compared = (self.found.get("comparisons") or {}).get(measure) or {}
        found = (compared.get(reference) or {}).get(row)
        return found if is_estimate(found) else None


def kind(row: Row) -> str:
    """What a row is beside a setting that is tried; empty for one of those."""
    if str((row.get("values") or {}).get("demos", "")).startswith(PLACEBO) and row.get("kind") == "model":
        return PLACEBO
    return KINDS.get(str(row.get("kind")), "")


def label(row: Row) -> str:
    """What a row is called; controls and systems from elsewhere say what they are."""
    words = str(row.get("label") or row["key"])
    mark = kind(row)
    return plain(f"{words} ({mark})" if mark and mark.partition(" ")[0] not in words.lower() else words, 90)


def size(request: ExperimentRequest) -> str:
    """How much an experiment is, in a sentence."""
    rows = request.rows()
    lists = request.users * sum(rows.values())
    drawn = sum(draws > 1 for draws in rows.values())
    text = f"{plural(len(rows), 'row')} x {plural(request.users, 'user')}"
    if request.skip:
        text += f" after the first {count(request.skip)} drawn"
    if drawn:
        text += f", {drawn} of the rows drawn {request.draws} times"
    return f"{text}: {plural(lists, 'list')}."


def about(experiment: Experiment) -> str:
    """Of whom an experiment's numbers are, in one line."""
    request, found = experiment.request, experiment.found
    if request is None:
        return "Another version asked for this; its request cannot be read here."
    parts = [", ".join(request.model), size(request).rstrip("."), plural(request.candidates, "candidate")]
    if isinstance(done := found.get("users"), int) and done != request.users:
        parts.append(f"{plural(done, 'user')} of the data set can be asked")
    return plain(" · ".join(parts), 240)


def headline(experiment: Experiment) -> str:
    """What it found, in one or two sentences."""
    if experiment.job.state != "COMPLETED":
        return "The experiment is not complete: means may change, and nothing is tested yet."
    return str(experiment.found.get("claim") or "The result says nothing of itself.")
