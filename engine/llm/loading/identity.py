"""What a model's numbers depend on besides what it is asked: part of the key of everything it computes.

Libraries count with their full version: a release that only mends faults is where a model's mistake is
mended. The build (CPU or CUDA) does not count, as the device does.
"""

from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("torch", "transformers", "tokenizers")
ENCODERS = ("sentence-transformers", *LIBRARIES)


@dataclass(frozen=True)
class Identity:
    """revision: of every byte of the model's files. dtype: such as float32, never auto. device: its kind,
    cpu or cuda. libraries: names and versions."""

    revision: str
    dtype: str
    device: str
    libraries: str

    def as_dict(self) -> dict[str, str]:
        """Ready for a digest: every field."""
        return asdict(self)


@cache
def versions(names: tuple[str, ...] = LIBRARIES) -> str:
    """Such as "torch 2.9.1, transformers 5.0.0", read from what is installed without importing it."""
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "none"
