"""Ranking candidates after a shared prompt: log-probabilities, scoring modes, weights, edits."""
