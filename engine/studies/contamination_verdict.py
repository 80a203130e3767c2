"""What was measured of how far a model knows a catalogue, as evidence, and the verdict that follows from it.

The rules are data: `EVIDENCE` says which difference would be a sign and how large one would have to be to
matter, `RULES` which signs make which verdict. Pure functions of per-title and per-user values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.metrics import Standing, metrics
from engine.evaluation.statistics import better, difference, estimate, together

YES, NO, UNSURE = "yes", "no", "unsure"

STATES = {YES: "a sign", NO: "no sign", UNSURE: "too few to say"}
"""What tables say of a piece of evidence."""


@dataclass(frozen=True)
class Evidence:
    """A difference that would be a sign. `bound`: an effect below it would not matter, so that an interval
    below it says there is no sign. `blind`: what it cannot tell apart."""

    name: str
    label: str
    real: str
    control: str
    unit: str
    bound: float
    blind: str


EVIDENCE: tuple[Evidence, ...] = (
    Evidence(
        "completion",
        "titles completed exactly",
        "by the model",
        "by what the other titles give away",
        "share of titles",
        0.02,
        "Exact completion does not tell a catalogue that was read from phrases that are common everywhere; "
        "what the other titles give away is counted by what follows what in them, up to three tokens back.",
    ),
    Evidence(
        "likelihood",
        "second half of a title",
        "behind its own first half",
        "behind another title's",
        "nats per token",
        0.1,
        "A second half is likelier behind its own first half for whoever knows the language: this says how "
        "far titles can be foreseen, and the verdict does not rest on it.",
    ),
    Evidence(
        "order",
        "next title behind the history",
        "in its order",
        "shuffled",
        "nats per token",
        0.05,
        "That the order of a history matters does not tell a history that was read from what is recent being "
        "closer to what comes next.",
    ),
    Evidence(
        "people",
        "next title behind a history",
        "the user's own",
        "another user's, as long",
        "nats per token",
        0.1,
        "Every recommender prefers the own history: this says that the histories are used, and the verdict "
        "does not rest on it.",
    ),
    Evidence(
        "names",
        "NDCG@10 without demonstrations",
        "real titles",
        "made-up titles",
        "NDCG@10",
        0.05,
        "Made-up words take away what words mean, too: a loss does not tell knowing the catalogue from "
        "understanding its language. No loss tells that neither is used.",
    ),
    Evidence(
        "names_demonstrations",
        "NDCG@10 with demonstrations",
        "real titles",
        "made-up titles",
        "NDCG@10",
        0.05,
        "",
    ),
)


@dataclass(frozen=True)
class Rule:
    """A verdict where every piece of evidence named is in its state; the first rule that holds counts."""

    verdict: str
    needs: Mapping[str, str]
    says: str


RULES: tuple[Rule, ...] = (
    Rule("knows", {"completion": YES, "order": YES}, "knows titles of {dataset}, and perhaps its histories"),
    Rule("knows", {"completion": YES, "names": YES}, "knows titles of {dataset}, and ranks better for it"),
    Rule(
        "titles", {"completion": YES}, "knows titles of {dataset}, with no sign that its rankings gain by it"
    ),
    Rule(
        "unsure", {"completion": UNSURE}, "was given too few titles of {dataset} to say whether it knows them"
    ),
    Rule("none", {"completion": NO, "order": NO, "names": NO}, "shows no sign of knowing {dataset}"),
    Rule(
        "language",
        {"completion": NO, "names": YES},
        "shows no sign of knowing titles of {dataset}, but uses what their words mean",
    ),
    Rule(
        "sequences",
        {"completion": NO, "order": YES},
        "shows no sign of knowing titles of {dataset}, but uses the order of histories",
    ),
    Rule(
        "no titles",
        {"completion": NO},
        "shows no sign of knowing titles of {dataset}; there are too few users to say more",
    ),
)
"""With a rule for every state of completion, one always holds."""

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def pairs(titles: Sequence[Mapping[str, Any]], users: Sequence[Mapping[str, Any]]) -> dict[str, Pair]:
    """By piece of evidence its real and its control values, paired; [0] where nothing was measured."""
    found = {
        "completion": [(float(one["completed"]), float(one["guessed"])) for one in titles],
        "likelihood": [(one["own"], one["other"]) for one in titles],
        "order": [(one["real"], one["shuffled"]) for one in users],
        "people": [(one["real"], one["other"]) for one in users],
        "names": [_ndcg(one, "zero_shot") for one in users],
        "names_demonstrations": [_ndcg(one, "demonstrations") for one in users],
    }
    kept = {name: [row for row in rows if None not in row] for name, rows in found.items()}
    arrays = {name: np.array(rows, dtype=np.float64).reshape(len(rows), 2) for name, rows in kept.items()}
    return {name: (rows[:, 0], rows[:, 1]) for name, rows in arrays.items()}


def _ndcg(user: Mapping[str, Any], column: str) -> tuple[float, float]:
    real, twin = (
        metrics(Standing(*user["standing"][titles][column]))["ndcg10"] for titles in ("real", "twin")
    )
    return real, twin


def evidence(values: Mapping[str, Pair], seed: int) -> list[dict[str, Any]]:
    """Every piece that was measured on two at least, ready for JSON: `{name, label, unit, real, control,
    difference, state, ...}`; p is corrected for all of them."""
    rows = [row for row in EVIDENCE if len(values[row.name][0]) > 1]
    tests = together([difference(*values[row.name], seed) for row in rows])
    return [
        {
            "name": row.name,
            "label": row.label,
            "real_label": row.real,
            "control_label": row.control,
            "unit": row.unit,
            "bound": row.bound,
            "real": estimate(values[row.name][0], seed),
            "control": estimate(values[row.name][1], seed),
            "difference": test,
            "state": state(test, row.bound),
        }
        for row, test in zip(rows, tests, strict=True)
    ]


def state(test: Mapping[str, Any], bound: float) -> str:
    """A sign: above zero beyond chance, corrected. No sign: the interval ends below what would matter."""
    if better(test):
        return YES
    return NO if test["high"] is not None and test["high"] < bound else UNSURE


def verdict(rows: Sequence[Mapping[str, Any]], model: str, dataset: str) -> tuple[str, str]:
    """The verdict's name, and the sentence that says it with its numbers."""
    states = dict.fromkeys((row.name for row in EVIDENCE), UNSURE)
    states |= {row["name"]: row["state"] for row in rows}
    rule = next(rule for rule in RULES if all(states[name] == wanted for name, wanted in rule.needs.items()))
    numbers = [_in_words(row) for row in rows if row["name"] in ("completion", "order", "names")]
    said = f"{model} {rule.says.format(dataset=dataset)}"
    return rule.verdict, f"{said}: {'; '.join(numbers)}." if numbers else f"{said}."


def _in_words(row: Mapping[str, Any]) -> str:
    real, control, test = row["real"]["mean"], row["control"]["mean"], row["difference"]
    counted = "titles" if row["name"] == "completion" else "users"
    p = f"corrected p {test['p_holm']:.4f}, {test['n']:,} {counted}"
    if row["name"] == "completion":
        return (
            f"it completes {real:.1%} of titles exactly where the other titles give away {control:.1%} ({p})"
        )
    if row["name"] == "order":
        return f"the order of histories adds {test['mean']:+.3f} nats per token ({p})"
    return f"NDCG@10 is {real:.3f} with real titles and {control:.3f} with made-up ones ({p})"
