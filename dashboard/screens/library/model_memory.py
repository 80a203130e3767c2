"""How much memory a model will take where the engine runs, from what its configuration says. No Streamlit.

The engine counts again, exactly, when it loads the model; this is what a person can know before that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.text.formats import size
from db.models import ModelInfo
from db.settings import Settings
from db.workers import Worker

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}  # of one number
USUAL = {"cuda": "bfloat16", "cpu": "float32"}  # where the settings say auto
PROMPT = 1000  # tokens that the sentence counts for
ROOM = 1.2  # times the weights: loading and the passes need some beside them


@dataclass(frozen=True)
class Machine:
    """Where models are loaded. `free`: bytes that could be allocated there now, None where unknown here."""

    device: str
    dtype: str
    free: int | None

    @property
    def about(self) -> str:
        """One sentence for under the table. Plain text."""
        free = f", where {size(self.free)} are free now" if self.free is not None else ""
        return f"Memory of the weights in {self.dtype} on {self.device}{free}. Models are loaded at use."


@dataclass(frozen=True)
class Needs:
    """Bytes of a model's weights and of the keys and values of 1,000 tokens (None where unknown)."""

    weights: int
    prompt: int | None
    host: Machine

    @property
    def fits(self) -> bool | None:
        """Whether it can be loaded now; None where that is not known."""
        return None if self.host.free is None else self.weights * ROOM <= self.host.free

    @property
    def verdict(self) -> str:
        """For a table cell."""
        return {None: "–", True: "yes", False: "no: too large"}[self.fits]

    @property
    def sentence(self) -> str:
        """What it takes and whether that is there. Plain text."""
        prompt = "" if self.prompt is None else f", and {size(self.prompt)} per {PROMPT:,} tokens of a prompt"
        text = f"Loading takes about {size(self.weights)} in {self.host.dtype} on {self.host.device}{prompt}."
        if self.fits is False:
            text += f" Only {size(self.host.free)} are free: free some memory, or use a smaller model."
        return text


def machine(alive: Sequence[Worker], settings: Settings, free_here: int) -> Machine:
    """The machine of the running engine, or without one what its settings say.

    `free_here`: bytes of memory free on this machine; a GPU's memory is known to the engine alone.
    """
    device = alive[0].device if alive else settings.device
    device = "cpu" if device == "auto" else device
    kind = device.partition(":")[0]
    dtype = settings.dtype if settings.dtype in BYTES else USUAL.get(kind, "float32")
    return Machine(device, dtype, free_here if kind == "cpu" else None)


def needs(model: ModelInfo, host: Machine) -> Needs:
    """What this model takes on that machine."""
    bytes_each = BYTES[host.dtype]
    shape = [model.details.get(name) for name in ("layers", "key_value_heads", "hidden_size", "heads")]
    known = [number for number in shape if isinstance(number, int) and number > 0]
    prompt = None
    if len(known) == len(shape):
        layers, shared, hidden, heads = known
        prompt = 2 * layers * shared * (hidden // heads) * bytes_each * PROMPT
    return Needs(model.parameters * bytes_each, prompt, host)
