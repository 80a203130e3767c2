"""Prompts of every layout with titles that part tokenizers: they show whether pieces tokenize as a whole.

Boundary: pieces of whole prompts, answers included. No tokenizer.
"""

from functools import cache

from engine.prompts.segments import (
    LAYOUTS,
    Example,
    Pieces,
    label_answer,
    render,
    title_answer,
    yes_no_answer,
)

# Digits, marks at both ends, accents (also decomposed), other scripts, and words as contractions begin.
TITLES = (
    "Star Wars: Episode 1",
    "2,400 DPI Mouse (Black)",
    "L'Oréal Cafe\u0301 №5",
    '"Quoted" & more!',
    "(Bracketed) [Set of 12]",
    "-- dashes --",
    "iPhone's USB3.0 HDMI™ ½",
    "日本語 タイトル",
    "😀 Party 🎮",
    "100% Cotton...",
    "#1 Dad",
    "'s a title",
    "¿Qué? ¡Hola!",
    "a",
    "7",
    "?!",
)


@cache
def prompts() -> tuple[Pieces, ...]:
    """The pieces of a prompt of every layout, with two demonstrations, with and without a hint."""
    history, demos = (
        TITLES[4:9],
        (Example(TITLES[9:12], TITLES[3]), Example(TITLES[12:15], TITLES[15], False)),
    )
    made: list[Pieces] = []
    for scoring, layout in LAYOUTS["plain"].items():
        answers = {"yes_no": yes_no_answer(True), "listwise": label_answer(1, 30)}
        answer = answers.get(scoring, title_answer(TITLES[0]))
        for hint in ((), TITLES[1:3]):
            shared = render("plain", scoring, demos, history, hint)
            made.append(
                (*(p for segment in shared for p in segment.pieces), *layout.ask(TITLES[:3]), *answer)
            )
    return tuple(dict.fromkeys(made))
