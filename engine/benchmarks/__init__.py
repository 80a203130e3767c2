"""How fast effects, ranking and the demonstration bank are, beside other ways to the same numbers.

Ratios of one run, never times across machines; and each time beside its floor, the flops its products need
at the rate at which this machine multiplies.
"""
