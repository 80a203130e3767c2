"""Finding, checking, loading and keeping language models, and the memory they will take."""
