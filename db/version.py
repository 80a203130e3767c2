"""The engine's version, part of every run key.

Bumped whenever the numbers of a run change for the same inputs, so that stored runs are never mixed up with
what the current code would compute.
"""

ENGINE_VERSION = "3"
