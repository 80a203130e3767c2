"""Speed of effects, ranking and the demonstration bank, compared with other ways to compute the same numbers.

Only ratios within one run are compared, never times across machines; each time is shown with its floor: the
flops of its products at the measured rate of this machine.
"""
