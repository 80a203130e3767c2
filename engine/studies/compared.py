"""Which strategies a study compares, in the order of its table, and what they are called.

Those of `engine.demos.strategies` that are there: one that is added there appears once it has a name here.
"""

from engine.demos.strategies import registry

LABELS = {
    "none": "no demonstrations",
    "random": "random windows",
    "recent": "neighbours' newest windows (recent)",
    "bm25": "BM25",
    "neighbours": "neighbours' windows",
    "proximal": "own earlier windows (proximal)",
    "global": "clusters' middles (global)",
    "aggregated": "several users merged (aggregated)",
    "embedding": "nearest in meaning (embedding)",
    "mmr": "MMR",
    "dpp": "DPP",
    "votek": "Vote-k",
    "greedy": "greedy by effect",
    "twostage": "two-stage optimization",
}

COMPARED = tuple(name for name in LABELS if name in registry.NAMES)
"""The strategies compared."""

NONE, RANDOM, BM25, TWO_STAGE = "none", "random", "bm25", "twostage"


def spec(name: str, k: int) -> str:
    """The strategy at k demonstrations, as a run's `demos` takes it."""
    return name if name == NONE else f"{name}:{k}"
