"""What a study found: one short sentence, and what stands under it. Plain text made from its numbers.

Boundary: a study in, sentences out. No Streamlit, no store.
"""

import re
from collections.abc import Mapping
from typing import Any

from dashboard.screens.studies.study_text import SPOKEN, Study, measured, named
from dashboard.screens.studies.trust import other_scores, trusted
from dashboard.text.claims import claim_of, outdated
from dashboard.text.estimates import is_estimate, p_cell, p_text, sure, verdict
from dashboard.text.formats import number, signed
from dashboard.text.literal import plain

MANY = 3  # paired tests that are told where a result says nothing of itself
NONE = "none"
Result = Mapping[str, Any]


def headline(study: Study) -> str:
    """The main result, in one sentence."""
    return conclusion(study)[0]


def conclusion(study: Study) -> tuple[str, list[str]]:
    """The main result in one sentence, and the sentences that stand under it."""
    found = study.found
    if study.job.state != "COMPLETED":
        return "The study is not complete: means may change, and nothing is tested yet.", []
    told = sentences(claim_of(found))
    if said := trusted(found):
        return said, [*other_scores(found), *told]
    if short := "" if outdated(found) else _highest(found) or _in_context_tuning(found):
        return short, [*told, *added(found)[:1]]
    said_of_tests = told or _tests(study)
    return said_of_tests[0], [*said_of_tests[1:], *(added(found)[:1] if told else [])]


def sentences(text: str) -> list[str]:
    """A text cut after each full stop that a capital follows."""
    return [part for part in re.split(r"(?<=[.]) (?=[A-Z])", text) if part]


def added(found: Result) -> list[str]:
    """What the model adds to copies of its demonstrations, and they to placebos, in sentences."""
    return [str(sentence) for sentence in (found.get("controls") or {}).get("said") or []]


def _highest(found: Result) -> str:
    """The best strategy beside no demonstrations; empty where the result is not of strategies."""
    strategies, best, measure = found.get("strategies") or {}, str(found.get("best")), "ndcg10"
    reached = {
        name: row[measure]["mean"] for name, row in strategies.items() if is_estimate(row.get(measure))
    }
    if best not in reached:
        return ""
    dataset = plain(found.get("dataset") or "this data set", 60)
    text = f"Highest on {dataset} is {named(best)}, {measured(measure)} {number(reached[best], 3)}"
    if best == NONE:
        return f"{text}: no way of choosing demonstrations reaches more."
    tested = _test(found, best, NONE, measure)
    if NONE not in reached or tested is None:
        return f"{text}."
    less = "significantly less" if sure(tested) else "not significantly less"
    return f"{text}; {named(NONE)}: {number(reached[NONE], 3)}, {less}."


def _test(found: Result, better: str, than: str, measure: str) -> Result | None:
    pairs = ((test.get("better"), test.get("than"), test.get(measure)) for test in found.get("tests") or [])
    return next((test for one, other, test in pairs if (one, other) == (better, than)), None)


def _in_context_tuning(found: Result) -> str:
    """Whether tuning with demonstrations beat both of its rivals; empty where that was not tested."""
    holds = found.get("claim_holds")
    if not found.get("cells") or not isinstance(holds, Mapping) or "ndcg10" not in holds:
        return ""
    dataset = plain(found.get("dataset") or "this data set", 60)
    beats = "beats" if holds["ndcg10"] else "is not shown to beat"
    return (
        f"On {dataset}, tuning with demonstrations (RecICL) {beats} both tuning on single queries and its "
        f"own zero-shot, by {measured('ndcg10')}."
    )


def _tests(study: Study) -> list[str]:
    """A sentence for each of the first paired tests."""
    measure = next(iter(study.measures()), "")
    tests = [test for test in study.found.get("tests") or [] if is_estimate(test.get(measure))]
    return [_difference(test, measure) for test in tests[:MANY]] or ["The result holds no paired test."]


def _difference(test: Result, measure: str) -> str:
    text = (
        f"{named(test['better'], SPOKEN)} {_is(test[measure])} {named(test['than'], SPOKEN)} "
        f"({signed(test[measure]['mean'], 3)} {measured(measure)}, {_p_values(test[measure])})."
    )
    return f"{text[0].upper()}{text[1:]}"


def _p_values(value: Result) -> str:
    corrected = value.get("p_holm")
    return p_text(value["p"]) + ("" if corrected is None else f", Holm {p_cell(corrected).strip('*')}")


def _is(value: Result) -> str:
    return {"better": "beats", "worse": "falls behind"}.get(verdict(value), "does not differ clearly from")
