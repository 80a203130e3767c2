"""Demonstrations as gradient steps: pure tensor code that knows no prompts, items, models or store.

| module | computes | source |
|---|---|---|
| dual | attention as a dual model: forms A, B, C, sample weights | arXiv 2504.04386, 2310.13220, 2212.10559 |
| effects | Shapley value or path integral of each demonstration | arXiv 1703.01365; reconstructs 2504.04386 |
| agreement | leave-one-out, and rank agreement with it | |
| verify | the identities of `dual` against what a layer really gave | |
"""
