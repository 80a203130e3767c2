"""What people preferred, how far they agree, and how it goes with NDCG and with effects. Pure functions.

A pair's score is the mean over its judges of 1 where the side in question was preferred, 0.5 for a tie and 0
for the other side. Pairs are the units of every interval (`db.judging.statistics`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from db.judging.pairing import Pair
from db.judging.records import TIE, A, B, Judge, Judgement, Judging
from db.judging.statistics import agreeing, cohen, fleiss, rank_correlation, share

SCORES = {A: 0.0, TIE: 0.5, B: 1.0}
"""What an answer counts for B."""
CLOSE = 1e-9


def outcome(
    judging: Judging, pairs: Sequence[Pair], judges: Sequence[Judge], said: Sequence[Judgement]
) -> dict[str, Any]:
    """The results of a comparison, ready for JSON.

    `judges`: one row each as `all`: `pairs` judged, answers `a`, `b`, `tie`, `rate`: how far B was preferred
    (`{mean, low, high, n}`, ties half), `left`: share of the answers other than ties that took the left list.
    `agreement`: `kappa`, Cohen's of two judges, Fleiss' of more (`kind`), over `pairs` that two or more
    judged; `share`: how often two answers to a pair are alike. `ndcg`, `effects`: `rate` at which the list
    with the larger one was preferred over `pairs`; `equal`: pairs in which neither is larger; `correlation`:
    Spearman's between B's lead and the preference for B. `demonstrations`: the rate of the lists with
    demonstrations, where one of each pair has some. `by_pair`: each pair's score for B.
    """
    by_pair = scores(said)
    by_judge: dict[int, list[Judgement]] = defaultdict(list)
    for each in said:
        by_judge[each.judge].append(each)
    return {
        "comparison": judging.id,
        "name": judging.name,
        "a": judging.labels[0],
        "b": judging.labels[1],
        "pairs": judging.pairs,
        "judges": [
            {"judge": judge.name, **_row(by_judge[judge.number], scores(by_judge[judge.number]))}
            for judge in judges
        ],
        "all": _row(said, by_pair),
        "agreement": agreement(said),
        "ndcg": against(by_pair, {pair.number: lead(pair, "ndcg10") for pair in pairs}),
        "effects": against(by_pair, {pair.number: lead(pair, "effect") for pair in pairs}),
        "demonstrations": _demonstrations(by_pair, pairs),
        "by_pair": by_pair,
    }


def scores(said: Iterable[Judgement]) -> dict[int, float]:
    """Pair -> how far B was preferred, the mean over its judges."""
    found: dict[int, list[float]] = defaultdict(list)
    for each in said:
        found[each.pair].append(SCORES[each.choice])
    return {number: fmean(values) for number, values in sorted(found.items())}


def _row(said: Sequence[Judgement], by_pair: Mapping[int, float]) -> dict[str, Any]:
    decided = [each for each in said if each.choice != TIE]
    return {
        "pairs": len(by_pair),
        **{choice: sum(each.choice == choice for each in said) for choice in SCORES},
        "rate": share(list(by_pair.values())),
        "left": fmean(each.choice == each.left for each in decided) if decided else None,
    }


def agreement(said: Sequence[Judgement]) -> dict[str, Any] | None:
    """How far judges agree beyond chance; None where no pair was judged by two."""
    answers: dict[int, dict[int, str]] = defaultdict(dict)
    for each in said:
        answers[each.pair][each.judge] = each.choice
    shared = [row for row in answers.values() if len(row) > 1]
    if not shared:
        return None
    who = sorted({judge for row in shared for judge in row})
    rows = [list(row.values()) for row in shared]
    two = len(who) == len("AB")
    kappa = cohen(*([row[judge] for row in shared] for judge in who)) if two else fleiss(rows)
    return {
        "kind": "Cohen" if two else "Fleiss",
        "judges": len(who),
        "pairs": len(shared),
        "share": fmean(map(agreeing, rows)),
        "kappa": kappa,
    }


def lead(pair: Pair, name: str) -> float | None:
    """By how much B's `ndcg10` or `effect` is larger than A's; None where one is not known."""
    a, b = (getattr(listed, name) for listed in pair.lists)
    return None if a is None or b is None else b - a


def against(by_pair: Mapping[int, float], leads: Mapping[int, float | None]) -> dict[str, Any]:
    """How the preference for B goes with B's lead in a number."""
    known = {number: found for number in by_pair if (found := leads[number]) is not None}
    apart = {number: found for number, found in known.items() if abs(found) > CLOSE}
    larger = [by_pair[number] if found > 0 else 1 - by_pair[number] for number, found in apart.items()]
    return {
        "pairs": len(apart),
        "equal": len(known) - len(apart),
        "unknown": len(by_pair) - len(known),
        "rate": share(larger),
        "correlation": rank_correlation(list(known.values()), [by_pair[number] for number in known]),
    }


def _demonstrations(by_pair: Mapping[int, float], pairs: Sequence[Pair]) -> dict[str, float] | None:
    """How far the lists with demonstrations were preferred to those without."""
    found = []
    for pair in pairs:
        a, b = (bool(listed.demonstrations) for listed in pair.lists)
        if a != b and pair.number in by_pair:
            found.append(by_pair[pair.number] if b else 1 - by_pair[pair.number])
    return share(found)
