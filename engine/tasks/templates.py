"""Prompt templates: reading and keeping people's own."""

from __future__ import annotations

from pathlib import Path

from db import templates
from db.choices import SCORINGS, TEMPLATES
from db.errors import BadInput
from db.names import quoted
from db.store import Store
from db.templates import StoredTemplate
from engine.prompts import Template, read
from engine.prompts.parse import BUILT_IN


def text_of(store: Store, reference: str) -> str:
    """The text of a template. Raises NotFound."""
    if reference in TEMPLATES:
        return (BUILT_IN / f"{reference}.toml").read_text(encoding="utf-8")
    return templates.get(store, reference).text


def save(store: Store, name: str, text: str) -> StoredTemplate:
    """Check a text and keep it under a name. Raises BadInput with what is wrong and where."""
    templates.check_free(name)
    return templates.save(store, name, text, ranking(read(text, name)))


def saved_file(store: Store, path: str) -> StoredTemplate:
    """The template of a file, kept under the file's name, so that its runs can be read later. Raises
    BadInput."""
    file = Path(path).expanduser()
    try:
        with file.open(encoding="utf-8-sig") as opened:
            text = opened.read(templates.LARGEST + 1)
    except UnicodeDecodeError as error:
        raise BadInput(f"The template {path} is not UTF-8. Save it as UTF-8.") from error
    except OSError as error:
        raise BadInput(f"The template {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a NUL in the path
        raise BadInput(f"The template {quoted(path)} cannot be read: {error}.") from error
    return save(store, file.stem, text)


def ranking(template: Template) -> tuple[str, ...]:
    """The scorings it can rank by."""
    return tuple(scoring for scoring in SCORINGS if scoring in template.scorings)
