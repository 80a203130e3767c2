"""Experiments as YAML files: what a person writes or exports, and what `experiment run FILE` reads."""

from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from db.errors import BadInput
from db.names import quoted
from db.requests.experiment import ExperimentRequest
from db.requests.fields import described, field_of

LONGEST = 1_000_000  # bytes of a file


class _Plain(yaml.SafeLoader):
    """YAML without references, which can make a small file fill the memory, and without repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(None, None, "references (*name) are not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise ConstructorError(None, None, f"{twice[0]!r} is there twice")
        return super().construct_mapping(node, deep)


def read_file(path: str | Path) -> ExperimentRequest:
    """The experiment of a file. Raises BadInput, which names the file and what to correct."""
    path = Path(path).expanduser()
    try:
        with path.open("rb") as handle:
            content = handle.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise BadInput(f"{path} has more than {LONGEST:,} bytes: that is no file of an experiment.")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not text in UTF-8.") from error
    try:
        return read(text)
    except BadInput as refusal:
        raise BadInput(f"{path}: {refusal}") from None


def read(text: str) -> ExperimentRequest:
    """The experiment that a text describes; an axis may be one value or a list. Raises BadInput."""
    try:
        found = yaml.load(text, Loader=_Plain)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"not YAML: {_first_line(error)}") from error
    if not isinstance(found, dict):
        raise BadInput(
            "expected the fields of an experiment, such as `dataset: simulated`, each on a line of its own, "
            f"got {quoted(found)}."
        )
    return ExperimentRequest.from_fields(
        {str(name): _value(str(name), given) for name, given in found.items()}
    )


def written(request: ExperimentRequest, *comments: str) -> str:
    """The file of an experiment: the fields that are not as they are by default, under comments."""
    lines = "".join(f"# {' '.join(comment.split())}\n" for comment in comments)
    fields = {
        field.name: list(value) if isinstance(value, tuple) else value
        for field in described(ExperimentRequest)
        if (value := getattr(request, field.name)) != field.default
    }
    return lines + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)


def _value(name: str, given: Any) -> Any:
    """A value as a request has it: one of an axis as a list, and what YAML took for nothing or a truth value
    where a name stands, as the word it was."""
    if name not in {field.name for field in described(ExperimentRequest)}:
        return given  # refused by name
    field = field_of(ExperimentRequest, name)
    if field.kind is not tuple or (given is None and field.optional):
        return str(given) if field.kind is str and isinstance(given, int | float) else given
    parts = given if isinstance(given, list) else [given]
    return [_word(part) for part in parts] if field.part is str else parts


def _word(part: Any) -> Any:
    """`none` where YAML read nothing (null, ~), a number as its digits."""
    if part is None:
        return "none"
    return str(part) if isinstance(part, int | float) and not isinstance(part, bool) else part


def _first_line(error: Exception) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    where = f" (line {mark.line + 1})" if mark is not None else ""
    return f"{problem or str(error).splitlines()[0]}{where}."
