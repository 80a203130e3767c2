"""The words for how long something still takes, the same on pages and in commands."""

_UNITS = ((5400.0, 3600.0, "h"), (90.0, 60.0, "min"), (0.0, 1.0, "s"))  # from so many seconds on


def time_left(low_s: float | None, high_s: float | None) -> str:
    """Such as "2 to 4 min left", "about 30 s left" or "a few seconds left"; "" while nothing is known."""
    if low_s is None or high_s is None:
        return ""
    if high_s < 10:
        return "a few seconds left"
    size, name = next((size, name) for least, size, name in _UNITS if high_s >= least)
    step = 5 if name == "s" else 1
    low, high = (max(step, round(value / size / step) * step) for value in (low_s, high_s))
    return f"about {high} {name} left" if low == high else f"{low} to {high} {name} left"
