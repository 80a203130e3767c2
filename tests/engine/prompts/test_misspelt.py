"""Misspelt and shortened titles: close to what they were, the same every time, never empty."""

from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.misspelt import cut_short, misspelt

titles = st.lists(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9), min_size=1, max_size=9
)
draws = st.integers(1, 50)


@given(words=titles, seed=st.integers(0, 99), draw=draws, rate=st.floats(0, 1))
def test_noise_keeps_a_title_recognisable(words: list[str], seed: int, draw: int, rate: float) -> None:
    title = " ".join(words)
    slipped, cut = misspelt(title, rate, seed, draw), cut_short(title, rate, seed, draw)
    assert (slipped, cut) == (misspelt(title, rate, seed, draw), cut_short(title, rate, seed, draw))
    assert slipped.strip()
    assert len(slipped.split()) == len(title.split())
    assert all(abs(len(a) - len(b)) <= 1 for a, b in zip(slipped.split(), title.split(), strict=True))
    assert cut
    assert title.split()[: len(cut.split())] == cut.split()
    assert misspelt(title, rate, seed, 0) == cut_short(title, rate, seed, 0) == title


def test_the_rate_is_the_share_of_words_misspelt() -> None:
    title = " ".join(f"word{i}x" for i in range(2000))
    changed = [a != b for a, b in zip(misspelt(title, 0.3, 0, 1).split(), title.split(), strict=True)]
    assert 0.25 < sum(changed) / 2000 < 0.35
    assert misspelt(title, 0.0, 0, 1) == title
    assert misspelt(title, 0.3, 0, 1) != misspelt(title, 0.3, 0, 2)
    lengths = [len(cut_short(title, 0.5, 0, draw).split()) for draw in range(1, 200)]
    assert min(lengths) < 1050
    assert max(lengths) > 1950
    assert min(lengths) >= 1000
