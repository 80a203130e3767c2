"""A story as slides: plain values and HTML out. No Streamlit, no store."""

from collections.abc import Iterator
from dataclasses import dataclass

from dashboard.report import document
from dashboard.report.story import Story, Table
from dashboard.text import marked
from dashboard.text.literal import html

ROWS = 12  # of a table on a slide; the report has them all
LONG, LONGER = 110, 220  # letters of a finding that are set smaller


@dataclass(frozen=True)
class Slide:
    """One step. `finding`: what it says; `reading`: how to read what is shown; `points`: sentences under it;
    `careful`: Markdown, what forbids comparing."""

    title: str
    finding: str
    reading: str = ""
    pictures: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    points: tuple[str, ...] = ()
    careful: tuple[str, ...] = ()


def of(story: Story) -> list[Slide]:
    """The steps of a story, then its limits: who is shown a finding is shown what weakens it."""
    shown = [
        Slide(
            step.title,
            step.finding,
            step.about,
            step.pictures,
            step.tables[:1] if not step.pictures else (),
            step.more,
            story.careful if at == 0 else (),
        )
        for at, step in enumerate(story.steps)
    ]
    if story.limits:
        shown.append(Slide("Limits", "What these findings do not say", points=story.limits))
    return shown


def head(slide: Slide) -> str:
    """The finding in large letters, and how to read what is under it."""
    size = "longer" if len(slide.finding) > LONGER else "long" if len(slide.finding) > LONG else "short"
    careful = "".join(f"<p class='careful'>{marked.html(reason)}</p>" for reason in slide.careful)
    reading = f"<p class='reading'>{html(slide.reading)}</p>" if slide.reading else ""
    return (
        f"<div class='presented'><p class='step'>{html(slide.title)}</p>"
        f"<h1 class='{size}'>{html(slide.finding)}</h1>{careful}{reading}</div>"
    )


def body(slide: Slide) -> str:
    """The sentences and tables under the finding."""
    points = "".join(f"<li>{html(each)}</li>" for each in slide.points)
    return f"<div class='presented'>{f'<ul>{points}</ul>' if points else ''}{''.join(_tables(slide))}</div>"


def _tables(slide: Slide) -> Iterator[str]:
    for table in slide.tables:
        yield document.table(Table(table.title, table.head, table.rows[:ROWS]), level=2)
        if len(table.rows) > ROWS:
            yield f"<p class='reading'>{len(table.rows) - ROWS} more rows are in the report.</p>"


def foot(story: Story, at: int, count: int) -> str:
    """What is presented, and where it stands."""
    return f"<p class='presented-foot'>{html(story.title)} · {html(story.about)} · {at + 1} of {count}</p>"
