"""A story as one HTML file: opens offline, prints, asks nobody for anything.

It holds no script, and its content security policy lets the browser run none and fetch nothing: what a title
says stays text, whatever it says.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from dashboard.report.story import LONGEST_TEXT, Step, Story, Table, Text
from dashboard.text import marked
from dashboard.text.formats import moment
from dashboard.text.literal import block, html
from dashboard.ui.theme import DARK, LIGHT, Palette

MOST_BYTES = 6_000_000
MANY_ROWS = 30  # a longer table is folded; it is printed whole
MOST_ROWS = 1_000  # of a table; the rest is left out, and said
SHEET = Path(__file__).with_name("report.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def document(story: Story, now: float) -> str:
    """The file's content. now: when it is written, unix seconds."""
    parts = [
        f"<header><p class='kind'>Dualens · report: {html(story.kind)}</p><h1>{html(story.title)}</h1>",
        f"<p class='about'>{html(story.about)}</p></header>",
        _careful(story.careful),
        _findings(story.steps),
        *(_step(at, step) for at, step in enumerate(story.steps, start=1)),
        _section("Method", _items(story.method)),
        _section("Limits", _items(story.limits)),
        _section("Everything else", *(table(each) for each in story.tables), *map(_text, story.texts)),
        _reproduce(story),
        f"<footer>Written {moment(now)} UTC. This file is complete: it loads nothing.</footer>",
    ]
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{POLICY}"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{html(story.title)}</title>'
        f"<style>{css()}</style></head>\n<body><main>{''.join(parts)}</main></body></html>\n"
    )


@cache
def css() -> str:
    """The style sheet with the colours of both themes."""
    sheet = SHEET.read_text(encoding="utf-8")
    classes = "\n".join(f".{name} {{ color: var(--{name}) }}" for name in vars(LIGHT))
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {_colours(DARK)} }} }}"
    printed = f"@media print {{ :root {{ color-scheme: light; {_colours(LIGHT)} }} }}"
    return f":root {{ {_colours(LIGHT)} }}\n{dark}\n{printed}\n{classes}\n{sheet}"


def _colours(palette: Palette) -> str:
    return " ".join(f"--{name}: {value};" for name, value in vars(palette).items())


def _careful(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    said = "".join(f"<li>{marked.html(reason)}</li>" for reason in reasons)
    return f"<section class='careful'><h2>Careful</h2><ul>{said}</ul></section>"


def _findings(steps: Sequence[Step]) -> str:
    said = "".join(
        f'<li><a href="#step-{at}">{html(step.finding)}</a></li>' for at, step in enumerate(steps, 1)
    )
    return f"<section class='findings'><h2>In short</h2><ol>{said}</ol></section>"


def _step(at: int, step: Step) -> str:
    figures = "".join(f"<figure>{picture}</figure>" for picture in step.pictures)
    about = f"<p class='reading'>{html(step.about)}</p>" if step.about else ""
    return (
        f'<section id="step-{at}"><h2>{at}. {html(step.title)}</h2>'
        f'<p class="finding">{html(step.finding)}</p>'
        f"{about}{figures}{_items(step.more)}{''.join(table(each) for each in step.tables)}</section>"
    )


def _section(title: str, *parts: str) -> str:
    body = "".join(parts)
    return f"<section><h2>{html(title)}</h2>{body}</section>" if body else ""


def _items(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html(each)}</li>' for each in sentences)}</ul>" if sentences else ""


def table(shown: Table, level: int = 3) -> str:
    """A table under a heading of this level; one of many rows is folded, of too many only the first stay."""
    rows, left = shown.rows[:MOST_ROWS], len(shown.rows) - MOST_ROWS
    numeric = [_is_numeric([row[at] for row in rows]) for at in range(len(shown.head))]

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(_cell(cell, tag, n) for cell, n in zip(cells, numeric, strict=True)) + "</tr>"

    head, body = row(shown.head, "th"), "".join(row(cells, "td") for cells in rows)
    whole = f"<div class='scroll'><table><thead>{head}</thead><tbody>{body}</tbody></table></div>"
    title = html(shown.title)
    if left > 0:
        whole += f"<p class='reading'>{left:,} more rows are left out.</p>"
    if len(shown.rows) > MANY_ROWS:
        return f"<details><summary>{title} ({len(shown.rows):,} rows)</summary>{whole}</details>"
    return f"<h{level}>{title}</h{level}>{whole}"


def _cell(cell: str, tag: str, numeric: bool) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    return f"<{tag}{scope}{' class=n' if numeric else ''}>{marked.html(cell)}</{tag}>"


_NUMERIC = frozenset("0123456789.,+−-–%▲▼ ")


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers and what stands for none."""
    return all(set(cell) <= _NUMERIC or cell in ("new", "gone") for cell in cells)


def _text(text: Text) -> str:
    body = text.body
    if not text.html:
        left = len(body) - LONGEST_TEXT
        body = block(body[:LONGEST_TEXT]) + (f"\n… {left:,} more letters are left out." if left > 0 else "")
        body = f"<pre>{body}</pre>"
    return f"<details><summary>{html(text.title)}</summary>{body}</details>"


def _reproduce(story: Story) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{html(name)}</th><td><code>{html(value)}</code></td></tr>"
        for name, value in story.facts.items()
    )
    commands = "\n".join(_commands(story.commands))
    return (
        "<section><h2>How to reproduce</h2>"
        "<p class='reading'>The same inputs have the same key: these commands find the stored numbers or "
        "compute them again.</p>"
        f"<pre class='commands'>{commands}</pre><h3>What the numbers depend on</h3>"
        f"<div class='scroll'><table class='facts'><tbody>{rows}</tbody></table></div></section>"
    )


def _commands(commands: Sequence[str]) -> Iterator[str]:
    for each in dict.fromkeys(commands):
        yield block(each)
