"""What a model's numbers depend on besides what it is asked: part of the key of everything it computes."""

from dataclasses import asdict, dataclass

from engine.libraries import LIBRARIES

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
