"""Two texts as one, word by word: what only A has is struck through, what only the other has underlined."""

import difflib
import re
from collections.abc import Iterator

from dashboard.text.literal import block

CONTEXT = 2  # lines that are the same, shown around those that differ
MOST_WORDS = 3_000  # of a passage; a longer one is shown as replaced as a whole
_WORDS = re.compile(r"\s+|[^\s\w]|\w+")
GAP = '<span class="gap">⋯</span>'


def html(a: str, b: str, label: str) -> str:
    """Both texts as HTML; lines far from any difference are left out. label: for screen readers."""
    parts = list(_passages(a.splitlines(), b.splitlines()))
    if not parts:
        return "<p>Word for word the same.</p>"
    return (
        f'<div class="texts words" tabindex="0" role="group" aria-label="{label}">{"<br>".join(parts)}</div>'
    )


def _passages(a: list[str], b: list[str]) -> Iterator[str]:
    """Lines with their differences, and a gap for those left out."""
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    end = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        if group[0][1] > end:
            yield GAP
        for tag, start_a, stop_a, start_b, stop_b in group:
            if tag == "equal":
                yield block("\n".join(a[start_a:stop_a]))
            else:
                yield words("\n".join(a[start_a:stop_a]), "\n".join(b[start_b:stop_b]))
        end = group[-1][2]
    if 0 < end < len(a):
        yield GAP


def words(a: str, b: str) -> str:
    """One passage with its words marked, as HTML."""
    left, right = _WORDS.findall(a), _WORDS.findall(b)
    if max(len(left), len(right)) > MOST_WORDS:
        return _marked("del", [a]) + _marked("ins", [b])
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    parts = []
    for tag, start_a, stop_a, start_b, stop_b in matcher.get_opcodes():
        if tag == "equal":
            parts.append(block("".join(left[start_a:stop_a])))
        else:
            parts += [_marked("del", left[start_a:stop_a]), _marked("ins", right[start_b:stop_b])]
    return "".join(parts)


def _marked(tag: str, some: list[str]) -> str:
    text = block("".join(some))
    return f"<{tag}>{text}</{tag}>" if text else ""
