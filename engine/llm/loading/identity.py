"""What a model's numbers depend on besides what it is asked: part of the key of everything it computes."""

from dataclasses import asdict, dataclass

from engine.libraries import LIBRARIES

HALF = ("bfloat16", "float16")
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
        """Ready for a digest: every field, and what models in half precision did not always do."""
        return {**asdict(self), **({"predictions": "float32"} if self.dtype in HALF else {})}
