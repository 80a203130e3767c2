"""Every field of every request reaches the command line, the digest of a run and the documentation.

A field that one of them forgets fails here; links and Compare: tests/dashboard/test_every_field.py.
"""

from dataclasses import MISSING, replace
from pathlib import Path
from typing import Any

import pytest
import typer

from db import datasets, models
from db.models import ModelInfo
from db.requests import (
    Chosen,
    ExperimentRequest,
    OptimizeRequest,
    RunRequest,
    StudyRequest,
    TuneRequest,
    request_digest,
)
from db.requests.base import Request
from db.requests.fields import RequestField, described
from db.store import Store
from engine.__main__ import app
from engine.commands.options import parameter, read
from tests.toys import toy_columns

REQUESTS: dict[type[Request], tuple[str, ...]] = {
    RunRequest: ("rank", "effects", "recommend", "spread", "forward", "pool"),
    OptimizeRequest: ("optimize",),
    TuneRequest: ("tune",),
}
OF_GROUPS = (StudyRequest, ExperimentRequest)  # commands of commands
FIELDS = [(request, field) for request in (*REQUESTS, *OF_GROUPS) for field in described(request)]
IDS = [f"{request.__name__}.{field.name}" for request, field in FIELDS]

# Another valid value for each field whose type, bounds and choices do not give one.
OTHERS: dict[str, Any] = {
    "dataset": "second",
    "user": "u2",
    "model": "second",
    "base": "second",
    "name": "mine",
    "demos": "bm25:3",
    "hint": "itemknn",
    "embedding": "/models/encoder",
    "perturb": "ridge:0.2",
    "prescore": "second",
    "keep": "0123456789abcdef*0.5@2",
    "template": "films",
    "single": "second",
    "recicl": "second",
    "demonstrations": (Chosen("a", 2.0), Chosen("b")),
    "weights": (1.0, 0.0, 2.0, 1.0),
    "study": "drift",
    "sources": ("neighbours",),
    "periods": 8,
    "reference": "none",
    "systems": ("mine",),
}
# The same where a field has several.
MANY: dict[str, Any] = {
    "model": ("second",),
    "demos": ("bm25:3",),
    "template": ("films",),
    "history": (5,),
    "hint": ("itemknn",),
    "perturb": ("ridge:0.2",),
}


def other(field: RequestField) -> Any:
    """A valid value that is not the default."""
    for others in (OTHERS, MANY):
        if isinstance(others.get(field.name), field.kind):
            return others[field.name]
    if field.choices:
        name = next(name for name in field.choices if name not in (field.default, *_parts(field.default)))
        return (name,) if field.kind is tuple else name
    if field.kind is bool:
        return not field.default
    if field.kind in (int, float):
        low = field.low if field.low is not None else 1
        return int(low) if int(low) != field.default else int(low) + 1
    return OTHERS[field.name]


def _parts(default: Any) -> tuple[Any, ...]:
    return default if isinstance(default, tuple) else ()


def least(request: type[Request]) -> Request:
    """The request with its required fields only."""
    values = {"dataset": "toy", "user": "u1", "study": "recicl"}
    return request(**{f.name: values[f.name] for f in described(request) if f.default is MISSING})


@pytest.mark.parametrize(("request_", "field"), FIELDS, ids=IDS)
def test_every_field_goes_through_json_and_says_what_it_asks(
    request_: type[Request], field: RequestField
) -> None:
    changed = replace(least(request_), **{field.name: other(field)})
    assert request_.from_json(changed.to_json()) == changed
    assert changed.to_json() != least(request_).to_json()
    assert len(field.asked.about) > 8
    assert field.asked.label
    assert not field.help.endswith("..")


@pytest.mark.parametrize(("request_", "field"), FIELDS, ids=IDS)
def test_every_field_is_read_from_the_command_line(request_: type[Request], field: RequestField) -> None:
    value = other(field)
    texts = {"demonstrations": "a*2,b", "weights": "1,0,2,1"}
    given = texts.get(field.name) or (",".join(map(str, value)) if isinstance(value, tuple) else value)
    changed = replace(least(request_), **{field.name: value})
    json = least(request_).to_json() | {field.name: read(field, given)}
    assert request_.from_json(json) == changed
    assert parameter(field, field.default).annotation is not None


@pytest.mark.parametrize("request_", REQUESTS)
def test_every_command_has_an_option_for_every_field(request_: type[Request]) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in REQUESTS[request_]:
        flags = {flag for option in commands[name].params for flag in option.opts}
        for field in described(request_):
            assert set(field.flags) <= flags, (name, field.name)


def test_every_study_field_is_an_option_of_a_study() -> None:
    studies = typer.main.get_command(app).commands["study"].commands  # type: ignore[attr-defined]
    flags = {flag for study in studies.values() for option in study.params for flag in option.opts}
    left = {field.name for field in described(StudyRequest) if not set(field.flags) & flags}
    assert left == {"study"}  # it is the command itself


def test_every_field_of_an_experiment_is_an_option_of_its_commands() -> None:
    commands = typer.main.get_command(app).commands["experiment"].commands  # type: ignore[attr-defined]
    for name in ("run", "plan"):
        flags = {flag for option in commands[name].params for flag in option.opts}
        for field in described(ExperimentRequest):
            assert set(field.flags) <= flags, (name, field.name)


@pytest.mark.parametrize("field", described(RunRequest), ids=lambda field: field.name)
def test_every_field_moves_the_digest_of_a_run(store: Store, field: RequestField) -> None:
    for number, name in enumerate(("toy", "second")):
        columns = toy_columns(users=4 + number)
        datasets.insert(store, name, columns, kind="", source="", fingerprint=name, report={})
    for name in ("embedded", "second"):
        facts = ("llama", 10, 512, {"turns": True})  # auto is turns, so one turn is another run
        models.register(store, ModelInfo(name, f"/{name}", f"revision of {name}", *facts))
    plain = least(RunRequest)
    assert isinstance(plain, RunRequest)
    changed = replace(plain, **{field.name: other(field)})
    assert request_digest(store, changed) != request_digest(store, plain)


@pytest.mark.parametrize(("request_", "field"), FIELDS, ids=IDS)
def test_every_field_stands_in_the_documentation(request_: type[Request], field: RequestField) -> None:
    pages = (Path(__file__).parents[1] / "docs" / "choices.md").read_text(encoding="utf-8")
    table = pages.partition(f"### {request_.__name__}\n")[2].partition("\n### ")[0]
    assert f"| `{field.name}` |" in table
