"""Blind comparisons: made here, judged through a link, and what came out."""
