"""Conventional recommenders, to say whether an LLM with demonstrations is worth its price.

Boundary: interactions that may be known in, scores of items out; nothing here knows prompts or LLMs. All are
ranked on the candidate lists the LLM is ranked on, and one rule holds for all, demonstrations included:
nothing at or after the target's moment is known (`fitting.RULE`).

To add one: a file here that defines what `scorer.Baseline` asks for (`LEARNS`, `fit`, `load`), and a row in
`db.choices.BASELINES`.

| kind | module | source |
|---|---|---|
| `popularity` | `popularity` | how often an item was bought |
| `itemknn` | `itemknn` | cosine with shrinkage, as tuned in arXiv 1907.06902 |
| `bm25` | `bm25` | titles like those of the history (Lucene's BM25, arXiv 2407.03618) |
| `itemknn-popularity`, `bm25-popularity` | `popularity_ties` | the same with ties broken by popularity |
| `sasrec` | `sasrec`, `sasrec_network`, `sasrec_training` | arXiv 1808.09781, cross-entropy over all items |
| `sasrec-scaled` | the same | with the scaled sampled cross-entropy of arXiv 2408.14238 |
"""
