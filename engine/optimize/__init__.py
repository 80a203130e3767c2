"""Two-stage optimization: demonstrations chosen (stage 1), weighted (stage 2) and guarded against harm.

Boundary: `optimize(engine, OptimizeRequest)` gives the stored result with its path; `optimized` gives
what a strategy spec (`greedy:K`, `twostage:K`) puts before a query. Everything is decided on probes, past
purchases of the user and of similar ones; the target is never read. A reconstruction of LRGD's two stages
(arXiv 2504.04386), whose exact formulas were not available to us.
"""

from engine.optimize.optimized_strategies import is_optimized, optimized
from engine.optimize.two_stage import optimize

__all__ = ["is_optimized", "optimize", "optimized"]
