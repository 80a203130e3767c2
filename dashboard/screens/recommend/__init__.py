"""Recommend: one user, the two lists, the mixing desk."""

BENCH = "bench"  # the key of the fragment that shows history, lists and desk
