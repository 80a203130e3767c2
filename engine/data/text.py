"""Text as it comes out of other people's files: lines in bounded memory, and titles made fit to show.

Boundary: knows bytes, lines and titles; knows no format, column or data set.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from db.errors import DataError
from engine.data.encodings import (
    SINGLE_LETTERS,
    WESTERN,
    encoding_question,
    guess_encoding,
    not_utf8,
    splits_by_bytes,
)
from engine.data.files import Broken, Member, Stream, binary_reason
from engine.data.report import Report

CHUNK = 256 << 10  # bytes read at once; their rows take a fraction of a second
HEAD = 256 << 10  # bytes looked at to recognise a file
MAX_LINE = 4 << 20  # bytes; longer lines are skipped and counted
ODD_LINES = 0.05  # of the lines may be in another encoding; beyond, a person says which
MAX_TITLE = 500  # characters, the most that shops allowed; longer titles are shortened at a word

Tick = Callable[[float, str], None]
Bad = Callable[[str, str, int, str], None]  # reason, file, line, detail

_TAGS = (
    "a|abbr|b|big|blockquote|br|center|code|dd|div|dl|dt|em|font|h[1-6]|hr|i|img|input|label|li|ol|p|pre|q|s|"
    "script|small|span|strike|strong|style|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul"
)
_SCRIPT = re.compile(r"<(script|style)\b[^<>]*>.*?(</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(rf"</?({_TAGS})(\s[^<>]*)?/?(>|$)|<!--.*?(-->|$)", re.IGNORECASE | re.DOTALL)
# C0/C1 controls, zero-width marks, direction overrides, lone surrogates, non-characters
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff]"
)
_DIRTY = re.compile(f"[&<]|{_CONTROL.pattern}|\\s\\s|[^\\S ]|^\\s|\\s$")


def clean_title(raw: str) -> str:
    """`raw` with HTML entities unescaped, HTML tags and control characters gone, whitespace collapsed.

    Idempotent on its own output except for text that spells an entity after two rounds of unescaping.
    Longer than MAX_TITLE characters is shortened at a word and ends in an ellipsis. Empty stays empty.
    """
    if len(raw) <= MAX_TITLE and not _DIRTY.search(raw):
        return raw
    text = raw[: 16 * MAX_TITLE]
    for _ in range(2):  # shops store `&amp;amp;`
        text = html.unescape(text)
    without = _TAG.sub(" ", _SCRIPT.sub(" ", text))
    for candidate in (without, text):
        words = " ".join(_CONTROL.sub(" ", candidate).split())
        if words:
            return words if len(words) <= MAX_TITLE else _shorten(words)
    return ""


def _shorten(words: str) -> str:
    cut = words[: MAX_TITLE - 1]
    head, space, _ = cut.rpartition(" ")
    return (head if space and len(head) > MAX_TITLE // 2 else cut) + "\u2026"


@dataclass(frozen=True)
class Block:
    """Some whole lines. `first` is the 1-based number of the first; `ended`: the last has its line end."""

    first: int
    text: str
    ended: bool = True

    def lines(self) -> list[str]:
        return self.text.split("\n")


def text_head(member: Member, encoding: str | None = None) -> list[str]:
    """The first whole lines of a text member; raises Broken with the reason when it is not text."""
    head = member.head(HEAD)
    if not head:
        raise Broken("the file is empty")
    if reason := binary_reason(head):
        raise Broken(reason)
    encoding = member.encoding or encoding or guess_encoding(head).name
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff").replace("\x00", "")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(head) >= HEAD and len(lines) > 1:
        lines.pop()  # cut by the peek, not by the file
    return lines


def blocks(
    member: Member, report: Report, tick: Tick, bad: Bad, encoding: str | None = None, *, skip: int = 0
) -> Iterator[Block]:
    """Blocks of about CHUNK bytes of whole lines, decoded, line ends normalised, NUL bytes dropped.

    `skip` leaves out the first lines (a header) but keeps counting them. The encoding is the person's, the
    format's (`encoding`) or found; where it is not clear the report asks. Single lines that are not in it are
    read as Windows-1252 or with marks for what is not readable, and counted. Lines over MAX_LINE bytes are
    dropped and go to `bad`. Raises DataError naming file and line when the stream breaks off.
    """
    try:
        head = member.head()
    except Broken as error:
        raise DataError(f"{member.name}, line 1: {error}. Nothing was imported.") from None
    encoding = _encoding_of(member, head, encoding, report)
    odd = Odd()
    newline = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
    line = 1
    with member.open() as stream:
        for data, ended in _whole_lines(stream, member, bad, encoding, newline):
            if data is None:  # a line that was too long
                line += 1
                continue
            text = _decode(data, encoding, member, line, report, odd)
            first, line = line, line + text.count("\n") + 1
            if first == 1:
                text = text.removeprefix("\ufeff")
            tick(stream.fraction, f"{member.name}: {line - 1:,} lines")
            if first <= skip:
                rest = text.split("\n")[skip - first + 1 :]
                if not rest:
                    continue
                first, text = skip + 1, "\n".join(rest)
            yield Block(first, text, ended)
    report.files[member.name] = line - 1
    if not member.encoding and odd.count > max(3, ODD_LINES * line):
        report.ask(encoding_question(member.name, odd.start, not_utf8(odd.start)))


@dataclass
class Odd:
    """Lines that are not in the encoding of their file: how many, and the first of them."""

    count: int = 0
    start: bytes = b""

    def take(self, line: bytes) -> None:
        """Count a line."""
        self.count += 1
        if len(self.start) < CHUNK:
            self.start += line + b"\n"


def _encoding_of(member: Member, head: bytes, format_says: str | None, report: Report) -> str:
    """The encoding to read a member in; a note where it is not UTF-8, a question where it is not clear."""
    if member.encoding:
        try:
            codecs.getincrementaldecoder(member.encoding)().decode(head)
        except UnicodeDecodeError as error:
            line = head[: error.start].count(b"\n") + 1
            raise DataError(
                f"{member.name}, line {line}: it is not in the encoding {member.encoding}. Nothing was "
                "imported."
            ) from None
        return member.encoding
    if format_says:
        return format_says
    guess = guess_encoding(head)
    if guess.name != "utf-8" and not guess.name.startswith(("utf-16", "utf-32")):
        called = "Windows-1252" if guess.name == WESTERN else guess.name
        report.note(
            f"{member.name} is not UTF-8; it was read as {called} (confidence {guess.confidence:.0%})."
        )
    if not guess.sure:
        report.ask(encoding_question(member.name, head, guess))
    return guess.name


def _whole_lines(
    stream: Stream, member: Member, bad: Bad, encoding: str, newline: bytes
) -> Iterator[tuple[bytes | None, bool]]:
    """(bytes of whole lines without the last line end, ended); (None, True) stands for one dropped line."""
    carry, line, skipping = b"", 1, False
    try:
        for chunk in _chunks(stream, encoding, newline):
            if skipping:
                _, end, chunk = chunk.partition(b"\n")
                if not end:
                    continue
                skipping = False
                line += 1
                yield None, True
            whole, end, carry = (carry + chunk).rpartition(b"\n")
            if end:
                yield whole, True
                line += whole.count(b"\n") + 1
            if len(carry) > MAX_LINE:
                bad("line too long", member.name, line, f"more than {MAX_LINE >> 20} MiB without a line end")
                carry, skipping = b"", True
    except Broken as error:
        raise DataError(
            f"{member.name}, line {line}: {error}. Nothing was imported; get the file again and retry."
        ) from None
    if skipping:
        yield None, True
    elif carry:
        yield carry, False


def _chunks(stream: Stream, encoding: str, newline: bytes) -> Iterator[bytes]:
    """The stream's bytes, as UTF-8 where lines cannot be parted before decoding; old Mac line ends as `\\n`.

    May raise Broken.
    """
    whole = splits_by_bytes(encoding)
    decoder = None if whole else codecs.getincrementaldecoder(encoding)(errors="replace")
    while chunk := stream.read(CHUNK):
        if decoder:
            chunk = decoder.decode(chunk).encode("utf-8")
        yield chunk.replace(b"\r", b"\n") if newline == b"\r" else chunk


def _decode(data: bytes, encoding: str, member: Member, line: int, report: Report, odd: Odd) -> str:
    if b"\x00" in data:
        for offset, part in enumerate(data.split(b"\n")):
            if b"\x00" in part:
                report.repair("NUL bytes removed from the line", member.name, line + offset)
        data = data.replace(b"\x00", b"")
    encoding = encoding if splits_by_bytes(encoding) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\n".join(
            _decode_line(part, encoding, member, line + offset, report, odd)
            for offset, part in enumerate(data.split(b"\n"))
        )
    if "\r" in text:
        text = text.replace("\r\n", "\n").removesuffix("\r")
    return text


def _decode_line(data: bytes, encoding: str, member: Member, line: int, report: Report, odd: Odd) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        odd.take(data)
        if encoding == "utf-8" and not_utf8(data) == SINGLE_LETTERS:
            report.repair("line not UTF-8, read as Windows-1252", member.name, line)
            return data.decode(WESTERN, errors="replace")
        report.repair(f"letters not readable as {encoding} in the line", member.name, line)
        return data.decode(encoding, errors="replace")
