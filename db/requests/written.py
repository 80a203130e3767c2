"""A request as the options of a command: the other way round from `engine.commands.options`."""

from collections.abc import Mapping
from typing import Any

from db.canonical import exact
from db.requests.base import Request
from db.requests.fields import RequestField, described
from db.requests.run import write_chosen


def options(request: Request, defaults: Mapping[str, Any], *fields: str) -> list[str]:
    """The options that differ from what the command takes by default, in the order of the request's fields.

    `defaults`: of the command, where they are others than the request's. `fields`: only these (default: all).
    """
    words: list[str] = []
    for field in described(type(request)):
        value = getattr(request, field.name)
        default = defaults.get(field.name, field.default)
        if (not fields or field.name in fields) and value is not None and value != default:
            words += _words(field, value)
    return words


def _words(field: RequestField, value: Any) -> list[str]:
    flag = field.flags[0]
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    text = _text(field, value)
    # A value that looks like an option is one to a shell's eyes: it is tied to its flag.
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


def _text(field: RequestField, value: Any) -> str:
    if field.name == "demonstrations":
        return write_chosen(value)
    if field.kind is tuple:
        return ",".join(exact(part) if isinstance(part, float) else str(part) for part in value)
    return str(value)
