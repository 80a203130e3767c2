"""Versions of libraries that numbers depend on, for keys. Imports none of them.

They count in full: a release that only mends faults is where a model's mistake is mended. The build (CPU or
CUDA) does not count, as the device does.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("torch", "transformers", "tokenizers")


@cache
def versions(names: tuple[str, ...] = LIBRARIES) -> str:
    """Such as "torch 2.9.1, transformers 5.0.0", read from what is installed without importing it."""
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "none"
