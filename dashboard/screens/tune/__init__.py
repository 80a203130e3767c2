"""Tune: train a model on a data set and watch it."""
