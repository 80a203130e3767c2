"""Recommend: one user, the two lists, the mixing desk."""
