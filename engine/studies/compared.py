"""The strategies that a study compares, in the order of its table."""

from db.choices import STRATEGIES

NONE, RANDOM, BM25, TWO_STAGE = "none", "random", "bm25", "twostage"


def spec(name: str, k: int) -> str:
    """The strategy at k demonstrations, as a run's `demos` takes it."""
    return name if name == NONE else f"{name}:{k}"


def label(name: str) -> str:
    """What the strategy is called in tables and sentences."""
    return STRATEGIES[name].label
