"""Segments to token ids, with the exact span of every segment, on any tokenizer.

Each piece is tokenized alone (and remembered), so no token ever crosses a border. The tokens that a tokenizer
adds before a text (a BOS, a [CLS]) and a chat template's header are determined once from the tokenizer. So is
how a text must be cut for the pieces' tokens to be those of the whole: see `CUTS`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from db.errors import BadInput, ModelError
from db.names import quoted
from engine.prompts.parse import built_in
from engine.prompts.probes import prompts
from engine.prompts.segments import ANSWERED, ASKED, BLANK, HEAD, INTRO, TAIL, Kind, Pieces, Segment
from engine.prompts.template import Template

if TYPE_CHECKING:  # a second to import, which texts of prompts do not need
    from transformers import PreTrainedTokenizerBase

_REMEMBERED = 500_000  # pieces; about 100 MB of short id tuples
_DAY = datetime(2024, 7, 26, tzinfo=UTC)  # what Llama's templates write where they do not know the day
_ANOTHER_DAY = datetime(2011, 11, 3, 5, 6, 7, tzinfo=UTC)
_DATE_PARTS = (*"aAdbBmyYHIpMSfjUWcxX", "-d", "-m")
# A message as prompts are: a chat template that counts, cuts, escapes or changes text is found out by it.
_MESSAGE = "Bought:\n- \"A\" & <b> 'c' {d} – é 日本\n\n" * 12
_ANCHORS = ("\n", ":", ".", "x", "0")  # tried in turn, should one merge with the piece behind it


@dataclass(frozen=True)
class Cut:
    """How the marks of a prompt become pieces: its introduction, and an empty line.

    parted: an empty line is no part of the line before it. opened: the first piece is tokenized together with
    what opens the text, as its beginning.
    """

    blank: Pieces
    parted: bool = False
    opened: bool = True

    def intro(self, text: str) -> Pieces:
        """The pieces of an introduction."""
        if text.endswith("\n\n") and (self.parted or not self.blank):
            return (text[:-1], *self.blank)
        return (text,)

    def text(self, piece: str, head: str = "", tail: str = "") -> str:
        """A piece as text, turns' marks aside. head, tail: what the chat template writes around a prompt."""
        if piece.startswith(INTRO):
            return head + "".join(self.intro(piece.removeprefix(INTRO)))
        return {HEAD: head, TAIL: tail, BLANK: "".join(self.blank)}.get(piece, piece)


AS_TUNED = "pieces"  # the only one before there were others: models tuned then go on with it
# Tried in this order; the first is taken whose tokens are those of the whole text.
CUTS = {
    AS_TUNED: Cut(("\n",), opened=False),
    "opened": Cut(("\n",)),
    "two line ends": Cut(("\n",), parted=True),
    # Tokenizers that make one token of two line ends would end an answer otherwise than it is scored.
    "no blank lines": Cut(()),
}


@dataclass(frozen=True)
class Span:
    """Tokens `start` to `stop` (exclusive) of a prompt belong to this segment."""

    kind: Kind
    index: int
    start: int
    stop: int


@dataclass(frozen=True)
class Encoded:
    """A prompt as token ids with one span per segment, in order."""

    ids: tuple[int, ...]
    spans: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def owners(self) -> list[int]:
        """Per token the demonstration it belongs to, or -1 for prefix, hint, query and answer."""
        counts = ((span.index if span.kind == "demo" else -1, span.stop - span.start) for span in self.spans)
        return [owner for owner, count in counts for _ in range(count)]

    def before(self, kind: Kind) -> Encoded:
        """The part of the prompt before the first segment of a kind; a hint counts as part of the query, as
        it is the user's own."""
        stops = (kind, "hint") if kind == "query" else (kind,)
        kept: list[Span] = []
        for span in self.spans:
            if span.kind in stops:
                break
            kept.append(span)
        return Encoded(self.ids[: kept[-1].stop if kept else 0], tuple(kept))


class PieceEncoder:
    """Token ids of single pieces for one tokenizer. Not thread-safe: one per loaded model.

    Attributes: `chat` says whether the tokenizer's chat template wraps the prompt; `dated` is the date that
    template gets where it asks for today's, always the same, so that runs can be repeated; else None.
    `unit` is what lengths count. `cut` is the one of `CUTS` that is used, and `exact` whether its tokens are
    those of the whole text, for the template `plain`; `exact_for` says so of another one.
    """

    unit = "tokens"

    def __init__(self, tokenizer: PreTrainedTokenizerBase, cut: str | None = None) -> None:
        """cut: the one that a model was tuned with; by default the first that is exact, else the first."""
        self.tokenizer = tokenizer
        self._known: dict[str, tuple[int, ...]] = {}
        self._adds_blank = self._adds_a_blank()
        self._head_text, self._tail_text = self._chat_texts(_DAY)
        self.chat = bool(self._head_text or self._tail_text)
        dated = self.chat and self._chat_texts(_ANOTHER_DAY) != (self._head_text, self._tail_text)
        self.dated = f"{_DAY:%d %B %Y}" if dated else None
        self._marks = self._opening()
        self._turns: tuple[str, str] | None = None
        self.cut, self.exact = self._chosen(cut)

    @property
    def header(self) -> list[str]:
        """What the chat template writes before and behind the prompt; both empty where there is none."""
        return [self._head_text, self._tail_text]

    def ids(self, piece: str) -> tuple[int, ...]:
        """Token ids of one piece, tokenized on its own."""
        ids = self._known.get(piece)
        if ids is None:
            if len(self._known) >= _REMEMBERED:
                self._known = {}
            ids = self._known[piece] = self._ids_of(piece)
        return ids

    def joined(self, pieces: Iterable[str]) -> tuple[int, ...]:
        """The ids of several pieces one after the other."""
        return tuple(i for piece in pieces for i in self.ids(piece))

    def answers(self, choices: Sequence[Pieces]) -> list[tuple[int, ...]]:
        """The ids of answers that are compared. Raises ModelError where the tokenizer writes two alike."""
        known: dict[tuple[int, ...], str] = {}
        for pieces in choices:
            answer, ids = "".join(pieces).strip(), self.joined(pieces)
            if ids in known:
                raise ModelError(
                    f"The model's tokenizer has the same tokens for the answers {quoted(known[ids])} and "
                    f"{quoted(answer)}, so no score tells them apart. Use another scoring, a template with "
                    "other words, or another model."
                )
            known[ids] = answer
        return list(known)

    def text(self, segments: Sequence[Segment]) -> str:
        """What the model is shown, as text, with the chat template's header where there is one."""
        return self._text(piece for segment in segments for piece in segment.pieces)

    def whole(self, pieces: Iterable[str]) -> tuple[int, ...]:
        """The ids that the tokenizer gives to the text of the pieces; what spells a control token becomes one
        where there is a chat template."""
        return self._begun(self._text(pieces))

    def _text(self, pieces: Iterable[str]) -> str:
        return "".join(map(self._text_of, pieces))

    def _text_of(self, piece: str) -> str:
        if piece in (ASKED, ANSWERED):
            return self.turns[piece == ANSWERED]
        return CUTS[self.cut].text(piece, self._head_text, self._tail_text)

    @property
    def turns(self) -> tuple[str, str]:
        """What the chat template writes between a user's message and the model's, and behind that one up to
        the user's next. Raises BadInput where there is no chat template, ModelError where it has no turns."""
        if not self.chat:
            raise BadInput(
                "turns: the model has no chat template, so its prompts have one turn. Choose turns one."
            )
        if self._turns is None:
            self._turns = self._between_turns()
        return self._turns

    @property
    def converses(self) -> bool:
        """Whether demonstrations can be turns of a conversation."""
        try:
            return bool(self.turns)
        except (BadInput, ModelError):
            return False

    def exact_for(self, template: Template) -> bool:
        """Whether the tokens of this template's prompts are those of the whole texts, on the probes."""
        if template == built_in("plain"):
            return self.exact
        return all(self.joined(pieces) == self.whole(pieces) for pieces in prompts(template))

    def _chosen(self, asked: str | None) -> tuple[str, bool]:
        """The cut that is used, and whether it is exact on the probes."""
        for self.cut in CUTS if asked is None else (asked,):
            self._known = {}
            if all(self.joined(pieces) == self.whole(pieces) for pieces in prompts(built_in("plain"))):
                return self.cut, True
        self._known = {}
        return asked or AS_TUNED, False

    def _ids_of(self, piece: str) -> tuple[int, ...]:
        cut = CUTS[self.cut]
        if piece == HEAD:
            return self._begun(self._head_text)
        if piece == TAIL:
            return self._header(self._tail_text)
        if piece in (ASKED, ANSWERED):
            return self._header(self.turns[piece == ANSWERED])
        if piece == BLANK:
            return self.joined(cut.blank)
        if piece.startswith(INTRO):
            first, *rest = cut.intro(piece.removeprefix(INTRO))
            if cut.opened:
                return (*self._begun(self._head_text + first), *self.joined(rest))
            return (*self.ids(HEAD), *self.joined((first, *rest)))
        return self._alone(piece, self._plain)

    def _header(self, text: str) -> tuple[int, ...]:
        """The chat template's text before a turn; a line's end may depend on the dash that follows it."""
        if not text:
            return ()
        dash, ids = self._plain("x-")[-1:], self._alone(f"{text}-", self._with_special)
        if CUTS[self.cut].opened and ids[-1:] == dash:
            return ids[:-1]
        return self._alone(text, self._with_special)

    def _begun(self, text: str) -> tuple[int, ...]:
        """The ids of the beginning of a text, with the special tokens that open it."""
        ids = self._with_special(text) if self.chat else self._plain(text)
        return ids if ids[: len(self._marks)] == self._marks else (*self._marks, *ids)

    def _alone(self, piece: str, encode: Callable[[str], tuple[int, ...]]) -> tuple[int, ...]:
        """Some tokenizers put a blank before a text: tokenize behind an anchor and strip it."""
        for anchor in _ANCHORS if self._adds_blank else ():
            opening, ids = self._plain(anchor), encode(anchor + piece)
            if ids[: len(opening)] == opening:
                return ids[len(opening) :]
        return encode(piece)

    def _plain(self, text: str) -> tuple[int, ...]:
        # split_special_tokens: a title that spells "<|im_end|>" stays text and never becomes a control token.
        return tuple(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def _with_special(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def _adds_a_blank(self) -> bool:
        tokens = self.tokenizer.convert_ids_to_tokens(list(self._plain("a")))
        return bool(tokens) and str(tokens[0]).startswith(("▁", "Ġ"))

    def _opening(self) -> tuple[int, ...]:
        """The special tokens the tokenizer itself puts before every text."""
        whole = tuple(self.tokenizer.encode("a", add_special_tokens=True))
        bare = self._plain("a")
        for start in range(len(whole) - len(bare) + 1):
            if bare and whole[start : start + len(bare)] == bare:
                return whole[:start]
        return ()

    def _chat_texts(self, day: datetime) -> tuple[str, str]:
        """The template's text before and behind the user's message, as it would be written on that day."""
        template = getattr(self.tokenizer, "chat_template", None)
        if not template:
            return "", ""
        if isinstance(template, dict) and "default" not in template:
            raise ModelError(
                f"The model has {len(template)} chat templates ({', '.join(map(str, template))}) and none "
                "of them is called default. In its tokenizer_config.json, call the one that fits plain "
                "questions default, or remove chat_template: prompts are then written without one."
            )
        mark = uuid.UUID(int=0).hex
        try:
            written = self._conversation([mark], day)
        except Exception as error:  # a template is a program of somebody else's
            raise ModelError(
                f"The model's chat template cannot be used: it failed on one plain user message "
                f"({str(error).rstrip('.')}). "
                "Remove or correct chat_template in the model's folder."
            ) from error
        head, shown, tail = written.partition(mark)
        if not shown or not self._shows((head, tail), day):
            how = "changes the text of" if shown else "does not show"
            raise ModelError(
                f"The model's chat template {how} the user's message, so no prompt can be written with it. "
                "Remove or correct chat_template in the model's folder."
            )
        return head, tail

    def _shows(self, around: Sequence[str], day: datetime) -> bool:
        """Whether the chat template writes messages between these texts as they are, but perhaps for white
        space at their ends."""
        try:
            rest = self._conversation([_MESSAGE] * (len(around) - 1), day)
        except Exception:  # a template is a program of somebody else's
            return False
        for before in around[:-1]:
            shown = next(
                (text for text in (_MESSAGE, _MESSAGE.strip()) if rest.startswith(before + text)), None
            )
            if shown is None:
                return False
            rest = rest[len(before) + len(shown) :]
        return rest == around[-1]

    def _between_turns(self) -> tuple[str, str]:
        marks = [uuid.UUID(int=n).hex for n in range(5)]
        try:
            written = self._conversation(marks, _DAY)
        except Exception as error:  # a template is a program of somebody else's
            written = str(error)
        parts = []
        for mark in marks:
            before, shown, written = written.partition(mark)
            parts += [before] if shown else []
        expected = [self._head_text, *parts[1:3], *parts[1:3], self._tail_text]
        if [*parts, written] != expected or not self._shows(expected, _DAY):
            raise ModelError(
                "turns: the model's chat template does not write the turns of a conversation one like the "
                "other, so demonstrations cannot be turns. Choose turns one."
            )
        return parts[1], parts[2]

    def _conversation(self, messages: Sequence[str], day: datetime) -> str:
        """The chat template's text of messages by the user and the model in turn, up to the model's next."""
        roles = ("user", "assistant")
        written = self.tokenizer.apply_chat_template(
            [{"role": roles[n % 2], "content": message} for n, message in enumerate(messages)],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
            chat_template=_on(day, self.tokenizer.get_chat_template()),
        )
        return str(written)


def _on(day: datetime, template: str) -> str:
    """The template with that day for today: it finds a `strftime_now` of its own before the library's, which
    knows no other day. The line's end belongs to the macro (trim_blocks), so nothing more is written."""
    if "strftime_now" not in template:
        return template
    parts = "".join(f"|replace({f'%{part}'!r}, {day.strftime(f'%{part}')!r})" for part in _DATE_PARTS)
    return f"{{% macro strftime_now(form) %}}{{{{ form{parts} }}}}{{% endmacro %}}\n{template}"


def encode(encoder: PieceEncoder, segments: Sequence[Segment]) -> Encoded:
    """Ids of the segments joined, with one span per segment."""
    ids: list[int] = []
    spans: list[Span] = []
    for segment in segments:
        start = len(ids)
        ids.extend(encoder.joined(segment.pieces))
        spans.append(Span(segment.kind, segment.index, start, len(ids)))
    return Encoded(tuple(ids), tuple(spans))
