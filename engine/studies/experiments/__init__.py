"""Experiments: any grid of settings on the same users and candidate lists, and what may be concluded from it.

A *row* is one setting (a model with its demonstrations, template, history ...; a baseline; a copy; a system
from elsewhere). A *cell* is one user's list under one row and one draw of its random choices.
"""
