"""Guided start: a minute on stored runs, for who comes first."""
