"""Evaluation: how good a ranked list is, per run and over many runs."""
