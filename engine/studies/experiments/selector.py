"""Demonstrations only for those whom they help: a rule learned from past purchases, judged on later ones.

Boundary: arrays by user in, JSON out. Whoever makes the features takes only what is known before the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.statistics import estimates, paired_tests, together
from engine.studies.experiments import decision_rule
from engine.studies.experiments.cells import Cell, Cells
from engine.studies.experiments.decision_rule import FOLDS, Features, Leaf, PerUser, Rule
from engine.studies.recicl_claim import in_words
from engine.studies.table_cells import Table, difference, interval

ALWAYS, NEVER, ORACLE, SELECTOR = "always", "never", "oracle", "selector"
ARMS = {
    SELECTOR: "where the rule says so",
    ALWAYS: "always",
    NEVER: "never",
    ORACLE: "where they help (needs the target)",
}

UNCERTAINTY = ("entropy of the zero-shot list (nats)", "margin between its first two (nats)")
"""Names of the features of `uncertainty`."""


@dataclass(frozen=True)
class Outcomes:
    """What is known of users before a purchase, and what came of both ways to ask.

    features: [users, features], finite. without, with_: NDCG@10 [users] of the prompt without demonstrations
    and of the one with them. tokens_without, tokens_with: of the two prompts [users].
    """

    features: Features
    without: PerUser
    with_: PerUser
    tokens_without: PerUser
    tokens_with: PerUser

    def __post_init__(self) -> None:
        rows = {len(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(rows) != 1 or 0 in rows or self.features.ndim != 2 or not np.isfinite(self.features).all():
            raise ValueError("every user needs finite features [users, features] and all four values")

    @property
    def gains(self) -> PerUser:
        """What demonstrations bring [users]."""
        return self.with_ - self.without

    def of(self, users: NDArray[np.bool_]) -> "Outcomes":
        """Those users alone."""
        return replace(self, **{name: getattr(self, name)[users] for name in self.__dataclass_fields__})


def uncertainty(cells: Cells, row: str) -> Features:
    """How sure a row's lists are [users, `UNCERTAINTY`], averaged over draws: the entropy of the softmax of
    all scores, and by how much the first is ahead of the second. Which candidate is the target plays no part.
    """
    return np.array([np.mean([_unsure(cell) for cell in draws], axis=0) for draws in cells.at[row]])


def selector(past: Outcomes, judged: Outcomes, names: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """The rule learned from past purchases, judged on others (`_judged`). names: of the features."""
    rule = decision_rule.fit_chosen(past.features, past.gains, seed)
    decisions = decision_rule.decide(rule, judged.features)
    return _judged(rule, decisions, judged, names, len(past.without), seed) | {"validation": "past purchases"}


def cross_validated(outcomes: Outcomes, names: Sequence[str], seed: int = 0) -> dict[str, Any]:
    """The same without past purchases: everybody is judged by a rule learned from the other folds of users.

    The rule that is told is learned from all of them and not itself judged. Rules of two folds share users,
    so the tests are a little too sure. Of fewer users than folds the rule is never.
    """
    fold = decision_rule.folds(len(outcomes.without), seed)
    decisions = np.zeros(len(fold), dtype=bool)
    for number in range(FOLDS):
        held = fold == number
        if held.any() and not held.all():
            rest = outcomes.of(~held)
            rule = decision_rule.fit_chosen(rest.features, rest.gains, seed)
            decisions[held] = decision_rule.decide(rule, outcomes.features[held])
    rule = decision_rule.fit_chosen(outcomes.features, outcomes.gains, seed)
    found = _judged(rule, decisions, outcomes, names, len(fold), seed)
    return found | {"validation": f"{FOLDS} folds of users"}


def _judged(
    rule: Rule,
    decisions: NDArray[np.bool_],
    judged: Outcomes,
    names: Sequence[str],
    fitted_on: int,
    seed: int,
) -> dict[str, Any]:
    """`{rule, words, fitted_on, users, shown, arms, tests, tokens, said, validation}`, ready for JSON.

    rule: as JSON and in words. shown: share of the judged users who get demonstrations. arms: NDCG@10 of
    showing them by the rule, always, never and by the oracle, which picks the better of both for each user
    knowing the target. tests: the rule's paired difference from always and never, `p_holm` for both. tokens:
    mean of `selector` and of `always`, and what is `saved` of it.
    """
    reached = {
        SELECTOR: np.where(decisions, judged.with_, judged.without),
        ALWAYS: judged.with_,
        NEVER: judged.without,
        ORACLE: np.maximum(judged.with_, judged.without),
    }
    arms = dict(zip(reached, estimates(np.array(list(reached.values())), seed), strict=True))
    against = np.array([reached[SELECTOR] - reached[other] for other in (ALWAYS, NEVER)])
    tests = dict(zip((ALWAYS, NEVER), together(paired_tests(against, seed)), strict=True))
    tokens = np.where(decisions, judged.tokens_with, judged.tokens_without)
    found = {
        "rule": decision_rule.as_json(rule, names),
        "words": _words(rule, names),
        "fitted_on": fitted_on,
        "users": len(decisions),
        "shown": float(decisions.mean()),
        "arms": arms,
        "tests": tests,
        "tokens": {
            SELECTOR: float(tokens.mean()),
            ALWAYS: float(judged.tokens_with.mean()),
            "saved": float((judged.tokens_with - tokens).mean()),
        },
    }
    return found | {"said": _said(found)}


def _words(rule: Rule, names: Sequence[str]) -> str:
    condition = decision_rule.in_words(rule, names)
    if isinstance(rule, Leaf):
        return f"{condition.capitalize()} show demonstrations."
    return f"Show demonstrations {condition}."


def _said(found: dict[str, Any]) -> str:
    arms, tests, tokens = found["arms"], found["tests"], found["tokens"]
    share = tokens["saved"] / tokens[ALWAYS] if tokens[ALWAYS] else 0.0
    return (
        f"{found['words']} Over {found['users']} users that shows them to {found['shown']:.0%} and reaches "
        f"NDCG@10 {arms[SELECTOR]['mean']:.3f}: {in_words(tests[ALWAYS])} against always "
        f"({arms[ALWAYS]['mean']:.3f}) and {in_words(tests[NEVER])} against never "
        f"({arms[NEVER]['mean']:.3f}). It saves {share:.0%} of the tokens. The best that any rule can reach "
        f"is {arms[ORACLE]['mean']:.3f}."
    )


def tables(found: dict[str, Any]) -> list[Table]:
    """For the command line: what each way to decide reaches, and the rule against always and never."""
    reached = [[words, interval(found["arms"][arm])] for arm, words in ARMS.items()]
    tests = [[arm, difference(found["tests"][arm])] for arm in (ALWAYS, NEVER)]
    return [(["demonstrations", "NDCG@10"], reached), (["the rule against", "NDCG@10"], tests)]


def _unsure(cell: Cell) -> tuple[float, float]:
    # NaN stands below every number, and no entropy takes an infinite score.
    scores = np.nan_to_num(np.array(cell.scores, dtype=np.float64), nan=-1e30, posinf=1e30, neginf=-1e30)
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    entropy = -float((shares * np.log(np.where(shares > 0, shares, 1))).sum())
    ahead = np.sort(scores)[::-1][:2]
    return entropy, float(ahead[0] - ahead[-1])
