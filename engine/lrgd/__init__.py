"""Demonstrations as gradient steps: pure tensor code that knows no prompts, items, models or store.

| module | computes | source |
|---|---|---|
| dual | attention as a dual model: forms A, B, C, sample weights | arXiv 2504.04386, 2310.13220, 2212.10559 |
| effects | the effect of each demonstration, and which estimator takes it | reconstructs arXiv 2504.04386 |
| shapley | Shapley values from all coalitions, and interactions | Shapley 1953; Grabisch and Roubens 1999 |
| kriging | Shapley values from some coalitions, with intervals | Matheron 1969 |
| aumann | the integral over weights, with gradients | arXiv 1703.01365 |
| agreement | leave-one-out, and how far scores agree with a truth | |
| verify | the identities of `dual` against what a layer really gave | |
"""
