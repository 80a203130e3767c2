"""Prompts as text or messages, for servers that have the tokenizer: bytes of UTF-8 take the place of tokens.

So everything that lays out, fits and cuts prompts works on them unchanged (`engine.prompts`); lengths are in
bytes until the server has counted tokens.
"""

from collections.abc import Iterable, Sequence

from engine.prompts import PieceEncoder, Segment
from engine.prompts.encode import CUTS
from engine.prompts.segments import ANSWERED, ASKED, BLANK, HEAD, INTRO, TAIL, written

# No bytes: where the answer to the question begins, and where an answer of the model's own turn begins and
# ends in demonstrations that are turns.
_TAIL, _OPENED, _CLOSED = 256, 257, 258
_ROLES = {_OPENED: "\n\n[assistant]\n", _CLOSED: "\n\n[user]\n"}


class TextEncoder(PieceEncoder):
    """Pieces as bytes. `parting`: False where the server's tokenizer makes one token of two line ends, which
    would end an answer otherwise than it is scored: then prompts have no blank lines. `writes`: the model
    writes its answer, and what stands before that ("-") with it; else the answer's first token is read, and
    what stands before it ("Answer:") belongs to the question."""

    unit = "bytes"

    def __init__(self, parting: bool = True, writes: bool = False) -> None:
        self.chat, self.dated, self.exact = False, None, True
        self.cut, self.writes = "opened" if parting else "no blank lines", writes
        self._special = {
            HEAD: (),
            TAIL: (_TAIL,) if writes else (),
            ASKED: (_OPENED,) if writes else (),
            ANSWERED: (_CLOSED,),
            **({} if parting else {BLANK: ()}),
        }

    @property
    def header(self) -> list[str]:
        """None: the server writes it."""
        return ["", ""]

    def ids(self, piece: str) -> tuple[int, ...]:
        """The bytes of one piece."""
        if piece.startswith(INTRO):
            piece = "".join(CUTS[self.cut].intro(piece.removeprefix(INTRO)))
        special = self._special.get(piece)
        return tuple(written((piece,)).encode()) if special is None else special

    def joined(self, pieces: Iterable[str]) -> tuple[int, ...]:
        """The bytes of several pieces. An answer is the piece before its turn's end."""
        pieces, ids = tuple(pieces), []
        for piece, following in zip(pieces, (*pieces[1:], ""), strict=True):
            ids += [_OPENED] if following == ANSWERED and not self.writes else []
            ids += self.ids(piece)
        return tuple(ids)

    def whole(self, pieces: Iterable[str]) -> tuple[int, ...]:
        """The same: bytes never join."""
        return self.joined(pieces)

    def text(self, segments: Sequence[Segment]) -> str:
        """What the server is sent, with the roles of its turns where there are some."""
        ids = self.joined(piece for segment in segments for piece in segment.pieces)
        return shown(ids)


def text_of(ids: Iterable[int]) -> str:
    """The text of bytes."""
    return bytes(byte for byte in ids if byte < _TAIL).decode()


def shown(ids: Sequence[int]) -> str:
    """The text of bytes with the roles of the turns, where there are some."""
    parts, start = [], 0
    for place, byte in enumerate(ids):
        if byte in _ROLES:
            said = text_of(ids[start:place])
            parts += [said.strip() if byte == _CLOSED else said.strip("\n"), _ROLES[byte]]
            start = place
    return "".join(parts) + text_of(ids[start:])


def messages(ids: Sequence[int]) -> list[dict[str, str]]:
    """A chat's messages: the user's questions and the model's answers in turn, the last one a question."""
    ids = ids[: ids.index(_TAIL)] if _TAIL in ids else ids
    said, start = [], 0
    for place, byte in enumerate(ids):
        if byte in _ROLES:
            role = "user" if byte == _OPENED else "assistant"
            said.append({"role": role, "content": text_of(ids[start:place]).strip()})
            start = place
    return [*said, {"role": "user", "content": text_of(ids[start:])}]
