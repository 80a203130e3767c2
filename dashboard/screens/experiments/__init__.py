"""Experiments: any grid of settings on the same users."""
