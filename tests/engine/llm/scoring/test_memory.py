"""The cache against a plain model of it: what was used least recently goes first, and bytes are counted."""

from collections import OrderedDict
from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from engine.llm.scoring.memory import PrefillCache

KEYS = st.lists(st.integers(0, 8), max_size=6)


@given(st.lists(KEYS, max_size=12), st.integers(1, 30))
def test_every_question_is_answered_and_the_budget_kept(questions: list[list[int]], budget: int) -> None:
    cache, model = PrefillCache(limit_bytes=budget), OrderedDict[int, None]()
    for keys in questions:
        asked: list[Hashable] = []

        def make(missing: list[Hashable], asked: list[Hashable] = asked) -> list[str]:
            asked.extend(missing)
            return [f"value {key}" for key in missing]

        found = cache.get_all(keys, make, lambda value: 2 + int(value[-1]))
        assert found == [f"value {key}" for key in keys]
        assert asked == [key for key in dict.fromkeys(keys) if key not in model]
        for key in keys:
            if key in model:
                model.move_to_end(key)
        for key in asked:
            model[key] = None  # type: ignore[index]
            while len(model) > 1 and sum(2 + key for key in model) > budget:
                model.popitem(last=False)
        assert cache.nbytes == sum(2 + key for key in model)
        assert all(key in cache for key in model)
    cache.clear()
    assert cache.nbytes == 0


def test_one_that_is_kept_while_another_is_made_counts_once() -> None:
    cache = PrefillCache()

    def make() -> str:
        return cache.get("a", lambda: "inner", len)

    assert cache.get("a", make, len) == "inner"
    assert cache.nbytes == len("inner")
