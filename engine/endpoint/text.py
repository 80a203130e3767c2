"""Prompts as text, for servers that have the tokenizer: the bytes of UTF-8 take the place of tokens.

So everything that lays out, fits and cuts prompts works on them unchanged (`engine.prompts`); lengths are in
bytes until the server has counted tokens.
"""

from collections.abc import Iterable, Sequence

from db.errors import BadInput
from engine.prompts import PieceEncoder, Segment
from engine.prompts.encode import CUTS
from engine.prompts.segments import BLANK, HEAD, INTRO, TAIL, written

_TAIL = 256  # no byte: where a chat's question ends and the answer begins


class TextEncoder(PieceEncoder):
    """Pieces as bytes. `parting`: False where the server's tokenizer makes one token of two line ends, which
    would end an answer otherwise than it is scored: then prompts have no blank lines."""

    def __init__(self, parting: bool = True, chat: bool = False) -> None:
        self.chat, self.dated, self.exact = chat, None, True
        self.cut = "opened" if parting else "no blank lines"
        self._special = {HEAD: (), TAIL: (_TAIL,), **({} if parting else {BLANK: ()})}

    @property
    def header(self) -> list[str]:
        """None: the server writes it."""
        return ["", ""]

    @property
    def turns(self) -> tuple[str, str]:
        """Raises BadInput: what stands between turns is the server's to write."""
        raise BadInput("turns: an endpoint is sent one message, which has no turns. Choose one.")

    def ids(self, piece: str) -> tuple[int, ...]:
        """The bytes of one piece."""
        if piece.startswith(INTRO):
            piece = "".join(CUTS[self.cut].intro(piece.removeprefix(INTRO)))
        special = self._special.get(piece)
        return tuple(written((piece,)).encode()) if special is None else special

    def joined(self, pieces: Iterable[str]) -> tuple[int, ...]:
        """The bytes of several pieces."""
        return tuple(byte for piece in pieces for byte in self.ids(piece))

    def whole(self, pieces: Iterable[str]) -> tuple[int, ...]:
        """The same: bytes never join."""
        return self.joined(pieces)

    def text(self, segments: Sequence[Segment]) -> str:
        """What the server is sent."""
        return text_of(self.joined(piece for segment in segments for piece in segment.pieces))


def text_of(ids: Iterable[int]) -> str:
    """The text of bytes."""
    return bytes(byte for byte in ids if byte < _TAIL).decode()


def before_tail(ids: Sequence[int]) -> Sequence[int]:
    """The question without what stands where a chat's answer begins."""
    return ids[: ids.index(_TAIL)] if _TAIL in ids else ids
