"""Conventional recommenders, to say whether an LLM with demonstrations is worth its price.

Boundary: interactions that may be known in, scores of items out; nothing here knows prompts or LLMs. All are
ranked on the candidate lists the LLM is ranked on.

| kind | module | source |
|---|---|---|
| `popularity` | `popularity` | how often an item was bought |
| `itemknn` | `itemknn` | cosine with shrinkage, as tuned in arXiv 1907.06902 |
| `bm25` | `bm25` | titles like those of the history (Lucene's BM25, arXiv 2407.03618) |
| `sasrec` | `sasrec`, `training` | arXiv 1808.09781 with cross-entropy over the whole catalogue |
| `sasrec-scaled` | the same | with the scaled sampled cross-entropy of arXiv 2408.14238 |
"""
