"""Prompt templates: reading and keeping people's own, and what one writes for a user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db import templates
from db.choices import SCORINGS, TEMPLATES
from db.errors import BadInput
from db.names import quoted
from db.requests import RunRequest
from db.requests.settled import automatic
from db.store import Store
from db.templates import StoredTemplate
from engine.context import Engine, resolve
from engine.tasks.inputs import gather

if TYPE_CHECKING:
    from engine.prompts import Template


def text_of(store: Store, reference: str) -> str:
    """The text of a template. Raises NotFound."""
    from engine.prompts.parse import BUILT_IN

    if reference in TEMPLATES:
        return (BUILT_IN / f"{reference}.toml").read_text(encoding="utf-8")
    return templates.get(store, reference).text


def save(store: Store, name: str, text: str) -> StoredTemplate:
    """Check a text and keep it under a name. Raises BadInput with what is wrong and where."""
    from engine.prompts import read

    templates.check_free(name)
    return templates.save(store, name, text, ranking(read(text, name)))


def saved_file(store: Store, path: str) -> StoredTemplate:
    """The template of a file, kept under the file's name. Raises BadInput."""
    from engine.prompts.parse import LARGEST

    file = Path(path).expanduser()
    try:
        with file.open(encoding="utf-8-sig") as opened:
            text = opened.read(LARGEST + 1)
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


def preview(engine: Engine, request: RunRequest, text: str | None = None) -> dict[str, Any]:
    """The prompt that a request would send, as JSON: `segments` (kind, index, text, tokens) and what was
    dropped.

    text: a template in place of the request's, read and not kept. The last segments are the ask about the
    first candidate (or about all, in one list) and the answer that is scored. Raises BadInput, NotFound and
    ModelError.
    """
    from engine.llm.scoring.modes import candidate_rows
    from engine.llm.scoring.ranking import prepare
    from engine.prompts import read

    draft = None if text is None else read(text, "draft")
    if draft is not None:
        request = replace(request, template="plain", scoring=_scoring(engine, request, draft))
    context = resolve(engine, request, draft)
    inputs = gather(context)
    loaded, task = context.loaded, inputs.tasks()[0]
    question, fitted, _, _ = prepare(loaded, task)
    encoder = loaded.encoder
    shared = [
        {
            "kind": segment.kind,
            "index": fitted.kept[segment.index] if segment.kind == "demo" else 0,
            "text": encoder.text([segment]),
            "tokens": span.stop - span.start,
        }
        for segment, span in zip(fitted.segments, fitted.encoded.spans, strict=True)
    ]
    row = candidate_rows(encoder, question)[0]
    ids = list(row.ids)
    asked, answer = ids[: len(ids) - row.scored], ids[len(ids) - row.scored :]
    decode = loaded.tokenizer.decode
    rest = [
        {"kind": kind, "index": 0, "text": decode(part), "tokens": len(part)}
        for kind, part in (("ask", asked), ("answer", answer))
        if part
    ]
    return {
        "segments": [*shared, *rest],
        "tokens": len(fitted.encoded) + len(ids),
        "context_length": loaded.context_length,
        "dropped": [each.as_dict() for each in fitted.dropped],
        "scoring": context.request.scoring,
        "scorings": list(ranking(context.template)),
        "template": context.template.reference,
        "exact": encoder.exact_for(context.template),
    }


def _scoring(engine: Engine, request: RunRequest, draft: Template) -> str:
    """The request's scoring; auto is what it means with a template that has the draft's sections."""
    if request.scoring != "auto":
        return request.scoring
    known = ranking(draft)
    if not known:
        raise BadInput("The template can rank by no scoring: it needs [title], [yes_no] or [listwise].")
    return automatic(engine.registered(request.model), known, request.turns)
