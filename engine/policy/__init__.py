"""Policies: prompts in production. A file in, prompts out (`deployed`), and what makes such a file (`made`).

Writing texts and messages needs neither store nor model; tokens need the model's tokenizer.
"""
