"""Present: a run, a comparison or a study step by step, for a meeting."""
