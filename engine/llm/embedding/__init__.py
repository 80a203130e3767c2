"""Titles as vectors: a language model's own states, or a sentence encoder's."""
