"""Demonstrations as gradient steps: pure tensor code that knows no prompts, items, models or store.

| module | computes | source |
|---|---|---|
| dual | attention as a dual model: forms A, B, C, sample weights | arXiv 2504.04386, 2310.13220, 2212.10559 |
| effects | the effect of each demonstration, and which estimator takes it | reconstructs arXiv 2504.04386 |
| shapley | Shapley values, exact and by strata | Shapley 1953; arXiv 1306.4265 |
| path | Shapley values as an integral over the chance of being in the prompt | Owen 1972 |
| aumann | the integral over weights, with gradients | arXiv 1703.01365 |
| agreement | leave-one-out, and how far scores agree with a truth | |
| verify | the identities of `dual` against what a layer really gave | |
"""
