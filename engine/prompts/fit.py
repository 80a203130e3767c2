"""Fitting a prompt into a model's context: oldest query history first, then whole demonstrations.

Knows token counts and segments; says what it left out. Nothing is ever cut in the middle of a title.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from db.errors import ModelError
from engine.prompts.encode import Encoded, PieceEncoder, encode
from engine.prompts.segments import Example, Segment
from engine.prompts.template import Template, render


@dataclass(frozen=True)
class Dropped:
    """One thing left out. `kind` is "history" or "demo"; `index` is its place in what was asked for."""

    kind: str
    index: int
    title: str
    tokens: int

    def as_dict(self) -> dict[str, str | int]:
        """Ready for JSON."""
        return {"kind": self.kind, "index": self.index, "title": self.title, "tokens": self.tokens}


@dataclass(frozen=True)
class Fitted:
    """A prompt that fits. `kept`: places, in the list asked for, of the demonstrations still in it."""

    segments: tuple[Segment, ...]
    encoded: Encoded
    kept: tuple[int, ...]
    history: tuple[str, ...]
    dropped: tuple[Dropped, ...]


def fit(
    encoder: PieceEncoder,
    template: Template,
    scoring: str,
    demos: Sequence[Example],
    history: Sequence[str],
    room: int,
    hint: Sequence[str] = (),
) -> Fitted:
    """The longest form of the prompt of at most `room` tokens (the candidates' own tokens not counted).

    Drops the oldest query history first (at least one item stays), then whole demonstrations from the one
    farthest from the query; a hint always stays. Where no demonstration can stay, the history that had to
    make room for them is there again. Raises ModelError where even the bare query is too long.
    """
    kept = list(range(len(demos)))
    shown = list(history)
    segments = render(template, scoring, demos, shown, hint)
    encoded = encode(encoder, segments)
    dropped: list[Dropped] = []
    while len(encoded) > room:
        before = len(encoded)
        if len(shown) > 1:
            kind, index, title = "history", len(history) - len(shown), shown.pop(0)
        elif kept:
            kind, index = "demo", kept.pop(0)
            title = demos[index].answer
        else:
            raise ModelError(
                f"The prompt needs {before} {encoder.unit} besides the answer and the model has room for "
                f"{max(room, 0)}. All demonstrations and all but one item of the history were already left "
                "out: choose a model with a longer context, or a shorter template."
            )
        segments = render(template, scoring, [demos[b] for b in kept], shown, hint)
        encoded = encode(encoder, segments)
        dropped.append(Dropped(kind, index, title, before - len(encoded)))
    if demos and not kept:
        bare = fit(encoder, template, scoring, [], history, room, hint)
        return replace(bare, dropped=(*(lost for lost in dropped if lost.kind == "demo"), *bare.dropped))
    return Fitted(tuple(segments), encoded, tuple(kept), tuple(shown), tuple(dropped))
