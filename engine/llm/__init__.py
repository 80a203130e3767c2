"""Language models: finding and loading them, the attention lens, scoring, and measuring demonstrations.

Knows models, prompts and lists of titles. Knows no store, no user and no data set.
"""
