"""What prompts of a policy's model are written on: text and messages from the file alone, tokens by a
tokenizer that is loaded when it is first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from db.canonical import digest
from db.errors import BadInput, ModelError
from db.policies import Model
from engine.context import EMBEDDED as FOLDER
from engine.endpoint.text import TextEncoder, messages, shown
from engine.prompts.encode import CUTS, PieceEncoder
from engine.prompts.parse import built_in
from engine.prompts.probes import prompts
from engine.prompts.segments import ANSWERED, ASKED, TAIL

if TYPE_CHECKING:
    from engine.llm.loading.load import Wording

EMBEDDED = "embedded"
"""The source, in files, of the model that ships with the project."""

_BESIDE_ASCII = 11  # tokens that a byte of other letters becomes at most, as normal forms can lengthen texts


@dataclass(frozen=True)
class Paper:
    """The wording of one model. `source`: where its tokenizer is; the file's own unless told otherwise."""

    model: Model
    source: str

    def __post_init__(self) -> None:
        if self.model.cut not in CUTS:
            raise BadInput(
                f"The policy cannot be used: model.cut is {self.model.cut[:40]!r}, not one of "
                f"{', '.join(CUTS)}. Write it again with `dualens policy`."
            )

    @property
    def served(self) -> bool:
        """Whether the model is behind an endpoint, whose server has the tokenizer."""
        return self.model.unit == "bytes"

    def text(self, pieces: Sequence[str]) -> str:
        """What the model reads."""
        if self.served:
            return shown(self._server.joined(pieces))
        return "".join(map(self._text_of, pieces))

    def messages(self, pieces: Sequence[str]) -> tuple[list[dict[str, str]], str]:
        """The prompt as chat messages without the chat template's marks, and how the answer begins."""
        if self.served:
            system = [{"role": "system", "content": self.model.system}] if self.model.system else []
            return [*system, *messages(self._server.joined(pieces))], ""
        said, role, current = [], "user", ""
        for piece in pieces:
            if piece not in (ASKED, ANSWERED, TAIL):
                current += CUTS[self.model.cut].text(piece)
                continue
            said.append({"role": role, "content": current})
            role, current = "user" if piece == ANSWERED else "assistant", ""
        return (said, current) if role == "assistant" else ([*said, {"role": role, "content": current}], "")

    def at_most(self, pieces: Sequence[str]) -> int:
        """More tokens than any tokenizer makes of these pieces."""
        extra = sum(map(_bound, (*self.model.header, *(self.model.turns or ()))))
        marks = sum(piece in (ASKED, ANSWERED) for piece in pieces)
        return sum(_bound(CUTS[self.model.cut].text(piece)) for piece in pieces) + extra * (1 + marks)

    @cached_property
    def encoder(self) -> PieceEncoder:
        """Raises ModelError where the tokenizer is not there, or is another than the file's."""
        if self.served:
            return self._server
        wording = self._wording()
        if digest_of(wording.encoder) != self.model.tokenizer:
            raise ModelError(
                f"The tokenizer of {self.source} is not the one that this policy of {self.model.name} was "
                "written for: its tokens differ. Give that model's folder: load_policy(path, model=FOLDER)."
            )
        return wording.encoder

    @cached_property
    def _server(self) -> TextEncoder:
        return TextEncoder(self.model.cut != "no blank lines", self.model.writes)

    def _wording(self) -> Wording:
        from engine.llm.loading.load import wording

        try:
            return wording(str(FOLDER) if self.source == EMBEDDED else self.source)
        except ModelError as error:
            raise ModelError(
                f"The tokenizer of {self.model.name}, which makes the tokens, cannot be read: {error} "
                "Give its folder: load_policy(path, model=FOLDER)."
            ) from error

    def _text_of(self, piece: str) -> str:
        if piece in (ASKED, ANSWERED):
            return (self.model.turns or ("", ""))[piece == ANSWERED]
        return CUTS[self.model.cut].text(piece, *self.model.header)


def digest_of(encoder: PieceEncoder) -> str:
    """What tells a tokenizer from another: its tokens of the probe prompts."""
    return digest([encoder.joined(pieces) for pieces in prompts(built_in("plain"))])


def _bound(text: str) -> int:
    if not text:
        return 0
    ascii_ = sum(letter.isascii() for letter in text)
    return 2 + ascii_ + _BESIDE_ASCII * (len(text.encode("utf-8", "surrogatepass")) - ascii_)
