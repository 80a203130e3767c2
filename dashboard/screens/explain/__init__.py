"""Explain: one run's effects, how sure and how steady they are."""
