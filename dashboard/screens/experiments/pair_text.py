"""What two rows of an experiment say of each user, in words and tables.

Boundary: the result of an `experiment_pair` job in, sentences and tables out. No Streamlit, no store.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.screens.experiments.experiment_text import DECIDING, Experiment
from dashboard.text.estimates import between, p_cell, p_text
from dashboard.text.formats import plural, rank_number, signed
from dashboard.text.literal import plain
from db.experiments import MEASURES

ZONES = {
    "only_with": "solved only with",
    "broken": "broken by",
    "solved": "solved by both",
    "unsolved": "solved by neither",
}
Pair = Mapping[str, Any]


def users_of(found: Pair) -> list[Mapping[str, Any]]:
    """The users by falling gain."""
    return list((found.get("gains") or {}).get("users") or [])


def of_zone(found: Pair, k: int, zone: str) -> list[Mapping[str, Any]]:
    """Those of a zone at a depth."""
    named = next((part["zones"] for part in found.get("zones") or [] if part.get("k") == k), {})
    members = set((named.get(zone) or {}).get("users") or [])
    return [row for row in users_of(found) if row["user"] in members]


def depths(found: Pair) -> list[int]:
    """At which depths the zones were taken."""
    return [part["k"] for part in found.get("zones") or []]


def zones_table(found: Pair, k: int) -> pd.DataFrame:
    """How many users are in each zone. Markdown."""
    parts = next((part["zones"] for part in found.get("zones") or [] if part.get("k") == k), {})
    known = [(words, parts[name]) for name, words in ZONES.items() if name in parts]
    marks = {"solved only with": ":blue[**▲**] ", "broken by": ":orange[**▼**] "}
    return pd.DataFrame(
        {
            "target among the first": [f"{marks.get(words, '')}{words}" for words, _ in known],
            "users": [str(part["n"]) for _, part in known],
            "share": [f"{part['share']:.0%}" for _, part in known],
            "95 % interval": [f"{part['low']:.0%} to {part['high']:.0%}" for _, part in known],
        }
    )


def difference_sentence(experiment: Experiment, without: str, with_: str) -> str:
    """How the second row differs from the first over users. Plain text; empty where it was not tested."""
    test, labels = experiment.test(DECIDING, without, with_), experiment.labels
    if test is None:
        return ""
    told = "" if test.get("p") is None else f", {p_text(test['p'])}"
    if test.get("p_holm") is not None:
        told += f", Holm {p_cell(test['p_holm']).strip('*')}"
    counts = ""
    if None not in (wins := test.get("wins"), losses := test.get("losses")):
        counts = f"; it is better for {wins} of the users and worse for {losses}"
    return (
        f"{labels[with_]} against {labels[without]}: {signed(test['mean'], 3)} {MEASURES[DECIDING]} "
        f"({between(test)}{told}){counts}."
    )


def users_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Users with gain, ranks and effect, to sort. Plain text and numbers."""
    frame = {
        "user": [plain(row["user"], 40) for row in rows],
        "gain": [row["gain"] for row in rows],
        "rank before": [row.get("rank_before") for row in rows],
        "rank after": [row.get("rank_after") for row in rows],
    }
    if any(row.get("effect") is not None for row in rows):
        frame["effect"] = [row.get("effect") for row in rows]
    return pd.DataFrame(frame)


def correlated(found: Pair) -> str:
    """Whether effects go with gains, in a sentence. Plain text; empty where effects were not measured."""
    gained = found.get("gains") or {}
    if not any(row.get("effect") is not None for row in users_of(found)):
        return ""
    known = gained.get("effect")
    if not known:
        return "Too few users, or all alike: no rank correlation of effect and gain."
    return (
        f"Rank correlation (Spearman) of effect and gain: {signed(known['spearman'])} "
        f"({signed(known['low'])} to {signed(known['high'])}, {p_text(known['p'])}) over "
        f"{plural(known['n'], 'user')}."
    )


def ends(found: Pair) -> str:
    """Who gains and who loses most, in a sentence. Plain text."""
    users = users_of(found)
    if not users:
        return ""
    best, worst = users[0], users[-1]
    parts = []
    if best["gain"] > 0:
        parts.append(f"{plain(best['user'], 40)} gains most ({_ranks(best)})")
    if worst["gain"] < 0:
        parts.append(f"{plain(worst['user'], 40)} loses most ({_ranks(worst)})")
    return f"{'; '.join(parts)}." if parts else "No user gains or loses."


def _ranks(row: Mapping[str, Any]) -> str:
    before, after = (rank_number(row.get(name)) for name in ("rank_before", "rank_after"))
    return f"rank {before} to {after}, {signed(row['gain'], 3)}"
