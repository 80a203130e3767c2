"""Texts of pages, commands and documentation hold none of the phrases that the style rules out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("dashboard", "db/requests", "db/choices.py", "engine/commands")
TEXTS = ("README.md", "CONTRIBUTING.md", "docs")
INSTEAD = {  # phrase (a regular expression) -> what to write
    r"\b(goes|go|going|went|gone) on\b": "resume, continue",
    r"\blearnt\b": "learned, trained on",
    r"\beverybody\b": "every user",
    r"\bdisturb": "perturb",
    r"\bread (it )?again\b": "process again",
    r"\basked about\b": "evaluated",
    r"\bone question to\b": "evaluate over",
    r"\bhidden from (the question|all)\b": "masked for",
    r"\bnever written\b": "removed from the prompt",
    r"\btypical of\b": "representative",
    r"\bwas made for\b": "default",
    r"\btold (of|below|above)\b": "described",
    r"\b(was|were) studied yet\b": "no study yet",
    r"\bweigh(s|ed|ing)?\b": "weight, weighted",
    r"\blook(s|ed)? through\b": "consider, score",
    r"\brivals?\b": "other scores",
    r"\bof whom\b": "whose",
    r"\b1 steps\b": "1 step",
}


def python_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is not a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def visible() -> Iterator[tuple[str, str]]:
    """Place and text of what a person reads: strings with a blank, and the documentation line by line."""
    for place in CODE:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for line, text in python_strings(file):
                if " " in text:
                    yield f"{file.relative_to(ROOT)}:{line}", text
    for place in TEXTS:
        path = ROOT / place
        for file in sorted(path.glob("*.md")) if path.is_dir() else [path]:
            for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                yield f"{file.relative_to(ROOT)}:{line}", re.sub(r"`[^`]*`", "", text)


@pytest.mark.parametrize("phrase", INSTEAD)
def test_no_page_text_or_help_holds_a_phrase_to_avoid(phrase: str) -> None:
    found = [f"{place}: {text[:90]!r}" for place, text in visible() if re.search(phrase, text, re.IGNORECASE)]
    assert not found, f"write {INSTEAD[phrase]!r}"
