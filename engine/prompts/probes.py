"""Prompts of every form with titles that part tokenizers: they show whether pieces tokenize as a whole.

Boundary: pieces of whole prompts, answers included. No tokenizer.
"""

from functools import lru_cache

from engine.prompts.segments import Disliked, Example, Pieces, label_answer, title_answer
from engine.prompts.template import Template, render

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


@lru_cache(maxsize=64)  # each draft that is typed is a template
def prompts(template: Template) -> tuple[Pieces, ...]:
    """The pieces of a prompt of every form, with two demonstrations, with and without a hint."""
    history = (*TITLES[4:8], Disliked(TITLES[8]))
    demos = (Example(TITLES[9:12], TITLES[3], True, 4.0), Example(TITLES[12:15], TITLES[15], False, 1.5))
    made: list[Pieces] = []
    for scoring in template.scorings:
        form = template.form(scoring)
        answers = {
            "yes_no": form.yes_no_answer(True),
            "listwise": label_answer(1, 30),
            "rating": (" 4\n",),
        }
        answer = answers.get(scoring, title_answer(TITLES[0]))
        for hint in ((), TITLES[1:3]):
            shared = render(template, scoring, demos, history, hint)
            made.append((*(p for segment in shared for p in segment.pieces), *form.ask(TITLES[:3]), *answer))
    return tuple(dict.fromkeys(made))
