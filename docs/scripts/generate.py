"""Write the pages of the documentation that are made from the code: `python -m docs.scripts.generate`.

`commands.md` comes from the command line's own options and help texts, `python.md` from the docstring of
`dualens`, `choices.md` from `db.choices` and the fields of `db.requests`; what `docs.scripts.measure` kept is
put between the marks `<!-- measured: NAME -->` and `<!-- end -->` of the results pages and the README;
`<!-- measured: NAME, only: A; B -->` puts only those parts of it there that begin with A or B.
`--check` writes nothing and fails where a page is stale; a test does the same.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1]
MADE = "*Made by `python -m docs.scripts.generate` from {source}; change it there.*"
PROGRAM = "dualens"
_BLOCK = re.compile(r"(<!-- measured: ([\w-]+)(?:, only: (.+?))? -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> dict[str, str]:
    """File name -> text of every generated page."""
    return {"commands.md": commands(), "python.md": python(), "choices.md": choices(), **results()}


def results() -> dict[str, str]:
    """File name -> text of the pages that show measurements, with the measurements that were kept."""
    paths = {str(path.relative_to(FOLDER)): path for path in sorted(FOLDER.glob("results*.md"))}
    paths["../README.md"] = FOLDER.parent / "README.md"
    return {name: _BLOCK.sub(_measurement, path.read_text(encoding="utf-8")) for name, path in paths.items()}


def _measurement(block: re.Match[str]) -> str:
    path = FOLDER / "measured" / f"{block[2]}.md"
    kept = path.read_text(encoding="utf-8").strip() if path.is_file() else "Not measured yet."
    if block[3] and path.is_file():
        kept = _parts(kept, tuple(block[3].split("; ")), f"`docs/measured/{path.name}`")
    return f"{block[1]}\n{kept}\n\n{block[4]}"


def _parts(kept: str, begin: tuple[str, ...], where: str) -> str:
    """The command and those parts of what it printed that begin so; tables by their first heading."""
    command, *printed = kept.split("\n\n")
    chosen = [part for part in printed if part.removeprefix("| ").startswith(begin)]
    missed = [each for each in begin if not any(part.removeprefix("| ").startswith(each) for part in printed)]
    if missed:
        raise ValueError(f"{where} has no part that begins with {', '.join(missed)}.")
    return "\n\n".join([f"{command} All that it printed: {where}.", *chosen])


def commands() -> str:
    """Every command with its options, in the order of the command line's own help."""
    from typer.main import get_command

    from dualens import command_line

    lines = [
        "# Commands",
        "",
        f"`{PROGRAM}` without arguments opens the dashboard. In a checkout, `python -m {PROGRAM} COMMAND` "
        f"does the same as `{PROGRAM} COMMAND`. Each has `--help`. `--json` prints JSON instead of tables.",
        "",
        MADE.format(source="the command line (`engine/commands/`, `dashboard/__main__.py`)"),
    ]
    root = get_command(command_line())
    found = list(_commands(root, PROGRAM))
    lines += ["", "| command | what it does |", "|---|---|"]
    lines += [f"| [`{name}`](#{_slug(name)}) | {_cell(command.help)} |" for name, command in found]
    for name, command in found:
        lines += ["", f"## {name}", "", _sentence(command.help), "", *_parameters(command.params)]
        if command.epilog:
            example = command.epilog.removeprefix("Example: ").replace("python -m engine", PROGRAM)
            lines += ["", "```", example, "```"]
    return "\n".join(lines) + "\n"


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _parameters(parameters: Sequence[Any]) -> list[str]:
    rows = [
        (_names(each), _cell(getattr(each, "help", None)), _default(each))
        for each in parameters
        if each.name != "help"
    ]
    return _table(("option", "meaning", "default"), rows) if rows else ["No options."]


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    names = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(f"`{name}`" for name in names)


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value == "" or value == [] or callable(value):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`"


def python() -> str:
    """The docstring of `dualens`, whose examples run as tests, and the methods of a workspace."""
    import dualens

    first, *rest = inspect.cleandoc(dualens.__doc__ or "").split("\n\n")
    lines = ["# Python", "", first, "", MADE.format(source="`dualens.py`")]
    for part in rest:
        lines += ["", *(["```", part, "```"] if part.startswith(">>>") else [part])]
    rows = [
        (f"`{name}{_arguments(method)}`", _cell(method.__doc__))
        for name, method in vars(dualens.Workspace).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]
    lines += ["", "## Workspace", "", *_table(("method", "what it does"), rows)]
    policy = inspect.cleandoc(dualens.load_policy.__doc__ or "")
    lines += ["", "## Policies", "", f"`load_policy{_all_arguments(dualens.load_policy)}`: {policy}", ""]
    lines += ["More: [Prompts in production](production.md).", "", "## Notebooks", "", NOTEBOOKS, ""]
    lines += [f"- [{title}](notebooks/{path.name})" for path, title in notebooks()]
    return "\n".join(lines) + "\n"


NOTEBOOKS = "Examples on this interface, which the tests run from top to bottom:"


def notebooks() -> list[tuple[Path, str]]:
    """The notebooks and their titles."""
    paths = sorted((FOLDER / "notebooks").glob("*.ipynb"))
    first = [json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"][0] for path in paths]
    return [(path, title.strip().removeprefix("# ")) for path, title in zip(paths, first, strict=True)]


def _arguments(method: Any) -> str:
    names = [
        f"**{each.name}" if each.kind is each.VAR_KEYWORD else each.name
        for each in inspect.signature(method).parameters.values()
    ]
    return f"({', '.join(names[1:])})"


def _all_arguments(function: Any) -> str:
    return f"({', '.join(inspect.signature(function).parameters)})"


def choices() -> str:
    """Every name a person may choose, one table per kind, then the fields of every request."""
    from db.choices import TABLES

    lines = [
        "# Choices",
        "",
        "Every name that a request, a form or an option accepts, then the fields of each request. "
        "*Needs* says what must be there for a choice; *source* is the paper it follows. "
        "[Methods](methods.md) names the functions.",
        "",
        MADE.format(source="`db/choices.py` and `db/requests/`"),
    ]
    for title, table in TABLES.items():
        rows = [
            (f"`{choice.name}`", choice.label, _amount(choice), choice.needs, _source(choice.paper))
            for choice in table.values()
        ]
        lines += ["", f"## {title}", "", *_table(("name", "label", "what it does", "needs", "source"), rows)]
    return "\n".join([*lines, *_requests()]) + "\n"


def _amount(choice: Any) -> str:
    """What a choice does; with its amount, where it takes one."""
    most = getattr(choice, "most", None)
    about = _cell(choice.about[:1].upper() + choice.about[1:])
    return about if most is None else f"{about} (default {choice.amount:g}, at most {most:g})"


def _source(paper: str) -> str:
    """A paper, with arXiv numbers as links."""
    return re.sub(r"\b(\d{4}\.\d{4,5})\b", r"[\1](https://arxiv.org/abs/\1)", paper)


def _requests() -> Iterator[str]:
    from db import requests
    from db.requests.fields import described

    yield from (
        "",
        "## Fields of requests",
        "",
        "A run, a study, an optimization and a tuning are each one request.",
    )
    for name in requests.__all__:
        request = getattr(requests, name)
        if not (isinstance(request, type) and name.endswith("Request")):
            continue
        rows = [
            (f"`{each.name}`", _cell(each.asked.about), _bounds(each), _field_default(each))
            for each in described(request)
        ]
        yield from ("", f"### {name}", "", *_table(("field", "meaning", "takes", "default"), rows))


def _bounds(field: Any) -> str:
    if field.choices is not None:
        return ", ".join(f"`{name}`" for name in field.choices)
    if field.low is not None and field.high is not None:
        return f"{field.low:,g} to {field.high:,}"
    kinds = {bool: "yes or no", float: "a positive number", tuple: "a list"}
    return kinds.get(field.kind, "text")


def _field_default(field: Any) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return ""
    if isinstance(field.default, bool):
        return "yes" if field.default else "no"
    if isinstance(field.default, tuple):
        return ", ".join(f"`{part}`" for part in field.default)
    return f"`{field.default}`"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _cell(text: str | None) -> str:
    """Help text as one table cell: its first paragraph, in the program's own name."""
    first = (text or "").strip().split("\n\n")[0].replace("\n", " ")
    return first.replace("python -m engine", PROGRAM).replace("|", "\\|")


def _sentence(text: str | None) -> str:
    return _cell(text).replace("\\|", "|")


def _slug(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def stale() -> list[str]:
    """Names of generated pages whose file is not what the code says."""
    return [
        name
        for name, text in pages().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check only compare them."""
    if "--check" in arguments:
        names = stale()
        if names:
            print(f"Stale: {', '.join(names)}. Run python -m docs.scripts.generate.", file=sys.stderr)
        return 1 if names else 0
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
