"""The tables of a comparison's results. No Streamlit, no store; cells are Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.charts.dots import Dot
from dashboard.text.formats import number, plural, signed
from dashboard.text.literal import md, plain
from db.judging import TIE, Judge, Judgement, Judging, Pair, words
from db.judging.outcome import lead

ALL = "all judges"
EVEN = 0.5
LETTERS = 60


def preferences(found: Mapping[str, Any]) -> pd.DataFrame:
    """A row per judge, and one of all."""
    rows = [*found["judges"], {"judge": ALL, **found["all"]}]
    return pd.DataFrame(
        [
            {
                "judge": md(row["judge"], 24),
                "pairs": f"{row['pairs']} of {found['pairs']}",
                "A": row["a"],
                "ties": row[TIE],
                "B": row["b"],
                "B's share, ties half": words.rate(row["rate"]),
                "took the left": "–" if row["left"] is None else words.percent(row["left"]),
            }
            for row in rows
        ]
    )


def share_dots(found: Mapping[str, Any]) -> list[Dot]:
    """B's share by judge and in all; a colour where chance is ruled out."""
    rows = [{"judge": ALL, **found["all"]}, *found["judges"]]
    return [_dot(row["judge"], row["rate"]) for row in rows if row["rate"] is not None]


def _dot(name: str, found: Mapping[str, float]) -> Dot:
    colour = "up" if found["low"] > EVEN else "down" if found["high"] < EVEN else "same"
    return Dot(name, found["mean"], found["low"], found["high"], colour, plural(int(found["n"]), "pair"))


def measures(found: Mapping[str, Any]) -> pd.DataFrame:
    """What preferences are held against, a row each."""
    rows = [("Do judges agree?", words.kappa(found["agreement"]), _shared(found["agreement"]))]
    for name, asked in (
        ("ndcg", "Is the list with the higher NDCG@10 preferred?"),
        ("effects", "Is the list preferred whose demonstrations add more?"),
    ):
        one = found[name]
        rows.append((asked, words.rate(one["rate"]), _over(one)))
        rows.append(
            (
                f"Rank correlation of preference and {'NDCG@10' if name == 'ndcg' else 'total effect'}",
                md(words.correlation(one["correlation"])),
                "",
            )
        )
    if (of := found["demonstrations"]) is not None:
        rows.append(("Is the list with demonstrations preferred?", words.rate(of), plural(of["n"], "pair")))
    return pd.DataFrame(rows, columns=["question", "answer", "over"])


def _shared(agreement: Mapping[str, Any] | None) -> str:
    if agreement is None:
        return "–"
    return f"{plural(agreement['pairs'], 'pair')}, {plural(agreement['judges'], 'judge')}"


def _over(one: Mapping[str, Any]) -> str:
    parts = [plural(one["pairs"], "pair")]
    parts += [f"{one['equal']} equal"] if one["equal"] else []
    parts += [f"{one['unknown']} unknown"] if one["unknown"] else []
    return ", ".join(parts)


def by_pair(pairs: Sequence[Pair], scores: Mapping[int, float]) -> pd.DataFrame:
    """A row per pair; plain text."""
    return pd.DataFrame(
        [
            {
                "pair": pair.number + 1,
                "user": plain(pair.user, LETTERS),
                "target": plain(pair.target, LETTERS),
                "B's share": scores.get(pair.number),
                "NDCG@10 of A": pair.lists[0].ndcg10,
                "of B": pair.lists[1].ndcg10,
                "effect, B − A": lead(pair, "effect"),
                "run A": pair.lists[0].run[:12],
                "run B": pair.lists[1].run[:12],
            }
            for pair in pairs
        ]
    )


def reasons(said: Sequence[Judgement], judges: Sequence[Judge]) -> pd.DataFrame:
    """Every reason that was given; plain text."""
    named = {judge.number: judge.name for judge in judges}
    return pd.DataFrame(
        [
            {
                "pair": each.pair + 1,
                "judge": plain(named[each.judge], 40),
                "preferred": TIE if each.choice == TIE else each.choice.upper(),
                "reason": plain(each.reason),
            }
            for each in said
            if each.reason
        ]
    )


def points(pairs: Sequence[Pair], scores: Mapping[int, float]) -> list[tuple[float, float, str]]:
    """Of each judged pair: by how much B's demonstrations add more, B's share, and which pair it is."""
    found = []
    for pair in pairs:
        more = lead(pair, "effect")
        if more is not None and pair.number in scores:
            share = scores[pair.number]
            about = f"pair {pair.number + 1}, {plain(pair.user, 40)}: effect {signed(more)}, {number(share)}"
            found.append((more, share, about))
    return found


def left_out(judging: Judging) -> list[str]:
    """Pairs that were not taken, and why, a sentence each. Plain text."""
    return [f"{plural(count, 'pair')} left out: {why}" for why, count in judging.left_out.items()]
