"""What a comparison found, in words made from its numbers. Plain text."""

from collections.abc import Mapping
from typing import Any

Rate = Mapping[str, Any]
FEW = 10
"""Below so many pairs an interval is wide whatever was said."""


def percent(share: float) -> str:
    """62 %."""
    return f"{100 * share:.0f} %"


def rate(found: Rate | None) -> str:
    """62 % (45 to 77 %), a share with its 95 % interval."""
    if found is None:
        return "–"
    return f"{percent(found['mean'])} ({100 * found['low']:.0f} to {percent(found['high'])})"


def kappa(agreement: Mapping[str, Any] | None) -> str:
    """How far judges agree beyond chance."""
    if agreement is None:
        return "no pair was judged by two people"
    alike = f"{percent(agreement['share'])} of answers to the same pair are alike"
    if agreement["kappa"] is None:
        return f"{alike}; kappa is not defined, as all answers are the same"
    whose = {"Cohen": "Cohen's", "Fleiss": "Fleiss'"}[agreement["kind"]]
    return f"{whose} kappa {agreement['kappa']:.2f}; {alike}".replace("-", "−")


def correlation(found: Rate | None) -> str:
    """A rank correlation with its interval."""
    if found is None:
        return "not defined: one of the two does not vary"
    between = "" if found["low"] is None else f" (95 % {found['low']:+.2f} to {found['high']:+.2f})"
    return f"{found['mean']:+.2f}{between} over {found['n']} pairs".replace("-", "−")


def sentence(outcome: Mapping[str, Any]) -> str:
    """What people preferred, how sure that is, and whether effects say the same."""
    found = outcome["all"]["rate"]
    if found is None:
        return "Nobody has judged a pair yet."
    a, b = f"A ({outcome['a']})", f"B ({outcome['b']})"
    if found["low"] > 0.5:
        said = f"{b} is preferred to {a}"
    elif found["high"] < 0.5:
        said = f"{a} is preferred to {b}"
    else:
        said = f"Neither {a} nor {b} is preferred beyond chance"
    many = f"{found['n']} pair{'s' * (found['n'] != 1)}"
    few = "; these are few" if found["n"] < FEW else ""
    text = f"{said}: B's share is {rate(found)} over {many}{few}."
    return f"{text} {_effects(outcome)}".strip()


def _effects(outcome: Mapping[str, Any]) -> str:
    found = outcome["effects"]["correlation"]
    if found is None or found["low"] is None:
        return ""
    if found["low"] > 0:
        return "The more B's demonstrations add to the target's share, the more B is preferred."
    if found["high"] < 0:
        return "The more B's demonstrations add to the target's share, the less B is preferred."
    return "Whether preference goes with what demonstrations add cannot be told from so many pairs."
