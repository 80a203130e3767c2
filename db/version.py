"""Two versions: of the package, and of the numbers it computes.

`VERSION` is the package's: pyproject.toml reads it here, `dualens --version` prints it. `ENGINE_VERSION` is
part of every run key: it is raised whenever the numbers of a run change for the same inputs, so that stored
runs are never mixed up with what the current code would compute. A release that changes no number leaves it
unchanged.
"""

VERSION = "0.2.0"
ENGINE_VERSION = "4"
