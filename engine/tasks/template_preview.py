"""The prompt that a template writes for one user, part by part, for the editor's preview.

Boundary: a request and perhaps a text in, JSON out. A model here counts tokens; of one behind an endpoint the
server has the tokenizer and is not asked, so lengths are characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from db import datasets
from db.endpoints import IN_CHAT
from db.requests import RunRequest
from db.requests.settled import automatic
from engine.context import Context, Engine, resolve
from engine.endpoint.text import shown, text_of
from engine.prompts import Fitted, Template, fit, read
from engine.tasks.inputs import Inputs, gather
from engine.tasks.templates import ranking
from engine.tasks.title_lines import SPARE

if TYPE_CHECKING:
    from engine.llm.scoring.ranking import Reader, Task
REVIEW = "Arrived on time and works, but the lid leaks."
"""Stands for a review in [summary]: a request names none."""

TOP = 10  # titles asked for in [free], as many as `recommend` does
OTHERS = ("free", "rating", "explanation", "summary")
"""What is wanted of a model besides a ranking: sections of templates."""


@dataclass(frozen=True)
class _Paper:
    """What a prompt is written on: a model here or a server's. `text`: of ids."""

    reader: Reader
    text: Callable[[Sequence[int]], str]
    unit: str
    system: str = ""


def preview(
    engine: Engine, request: RunRequest, text: str | None = None, wanted: str | None = None
) -> dict[str, Any]:
    """The prompt that a request would send, as JSON: `segments` (kind, index, text, length in `unit`) and
    what was dropped.

    text: a template in place of the request's, read and not kept. wanted: one of `OTHERS`, in place of the
    request's scoring. The last segments are the ask about the first candidate (or about all, in one list) and
    the answer that is scored; of a text that the model writes there is none. Raises BadInput, NotFound and
    ModelError.
    """
    draft = None if text is None else read(text, "draft")
    request, wanted = _meant(engine, request, draft, wanted)
    context = resolve(engine, request, draft)
    if wanted:
        context = context.writing(wanted)
    wanted = wanted or context.request.scoring
    paper, inputs = _paper(context, wanted), gather(context)
    places, task = _task(context, inputs, wanted)
    fitted, asked, answer = _parts(context, inputs, task, wanted, paper)
    segments = [
        *([_segment("system", paper.system, len(paper.system))] if paper.system else []),
        *_shared(paper, fitted, places),
        *(
            _segment(kind, paper.text(ids), _length(paper, ids))
            for kind, ids in (("ask", asked), ("answer", answer))
            if ids
        ),
    ]
    return {
        "segments": segments,
        "length": sum(part["length"] for part in segments),
        "room": paper.reader.context_length,
        "unit": paper.unit,
        "dropped": [each.as_dict() for each in fitted.dropped],
        "scoring": wanted,
        "scorings": list(ranking(context.template)),
        "template": context.template.reference,
        "exact": paper.reader.encoder.exact_for(context.template),
    }


def _meant(
    engine: Engine, request: RunRequest, draft: Template | None, wanted: str | None
) -> tuple[RunRequest, str | None]:
    """The request as it can be looked up, and what is wanted in place of its scoring: as told, or a draft's
    first section, where that has none to rank with."""
    if draft is not None:
        request = replace(request, template="plain")
    if wanted:
        return replace(request, scoring="auto"), wanted
    if draft is None or request.scoring != "auto":
        return request, None
    scoring = automatic(engine.registered(request.model), ranking(draft), request.turns)
    if scoring in draft.scorings:
        return replace(request, scoring=scoring), None
    return request, draft.scorings[0]


def _paper(context: Context[RunRequest], wanted: str) -> _Paper:
    endpoint = context.model.endpoint
    if endpoint is None:
        words = context.engine.models.wording(context.model.source, context.model.revision)
        return _Paper(words, lambda ids: str(words.tokenizer.decode(list(ids))), "token")
    from engine.endpoint.answers import system_of
    from engine.endpoint.scoring import layout, way_of

    system, template = "", context.template
    if wanted in ranking(template):
        way = way_of(endpoint, context.model.name, wanted, template.turns)
        system = system_of(template, wanted) if way in IN_CHAT and wanted != "free" else ""
    writes = wanted in ("free", "explanation", "summary")
    return _Paper(layout(context.model, writes), shown, "character", system)


def _task(context: Context[RunRequest], inputs: Inputs, wanted: str) -> tuple[list[int], Task]:
    """Places of the demonstrations in the prompt, and the task with them. A server is sent those of weight 1,
    and rated ones alone show a rating."""
    task = inputs.tasks()[0]
    places = list(range(len(task.demos)))
    if context.model.endpoint is not None:
        from engine.endpoint.scoring import in_prompt

        places, _ = in_prompt(task)
    if wanted == "rating":
        places = [place for place in places if task.demos[place].rating is not None]
    if wanted == "summary":
        return [], replace(task, demos=(), weights=None, history=(), hint=())
    return places, replace(task, demos=tuple(task.demos[place] for place in places), weights=None)


def _parts(
    context: Context[RunRequest], inputs: Inputs, task: Task, wanted: str, paper: _Paper
) -> tuple[Fitted, Sequence[int], Sequence[int]]:
    """The fitted prompt, and the ids of what is asked behind it and of the answer that is scored."""
    from engine.llm.scoring.modes import candidate_rows
    from engine.llm.scoring.ranking import prepare
    from engine.tasks.free_answers import TOKENS
    from engine.tasks.rating import ratings_of

    encoder = paper.reader.encoder
    if wanted not in OTHERS:
        question, fitted, _, _ = prepare(paper.reader, task)
        row = candidate_rows(encoder, question)[0]
        border = len(row.ids) - row.scored
        return fitted, row.ids[:border], row.ids[border:]
    form, answer, most = context.form, (), TOKENS
    about = {"free": task.candidates, "summary": [REVIEW]}  # no target: pages show it after the run
    asked = encoder.joined(form.ask(about.get(wanted, task.candidates[:1])))
    if wanted == "free":
        longest = max(len(encoder.joined((f" {title}\n",))) for title in task.candidates)
        most = min(TOP, len(task.candidates)) * (longest + SPARE)
    if wanted == "rating":
        columns = datasets.columns(context.store, inputs.dataset.id)
        answer = encoder.joined(form.rating_answer(ratings_of(columns, inputs.dataset.name)[0]))
        most = len(answer)
    room = paper.reader.context_length - len(asked) - most
    return fit(encoder, task.template, wanted, task.demos, task.history, room, task.hint), asked, answer


def _shared(paper: _Paper, fitted: Fitted, places: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The segments that every candidate shares, with the places of demonstrations in what was asked for."""
    encoder = paper.reader.encoder
    for segment, span in zip(fitted.segments, fitted.encoded.spans, strict=True):
        text = encoder.text([segment])
        length = _length(paper, fitted.encoded.ids[span.start : span.stop])
        index = places[fitted.kept[segment.index]] if segment.kind == "demo" else 0
        yield _segment(segment.kind, text, length, index)


def _length(paper: _Paper, ids: Sequence[int]) -> int:
    if paper.unit == "token":
        return len(ids)
    return len(text_of(ids))  # without the names of roles


def _segment(kind: str, text: str, length: int, index: int = 0) -> dict[str, Any]:
    return {"kind": kind, "index": index, "text": text, "length": length}
