"""Pictures of a story as SVG that scales: no script, no font, nothing fetched.

Plotly would be 4.7 MB in every file. Here the text for the pointer is a `<title>` and what it is over stands
out by the style sheet (`report.css`, `dashboard.ui.drawing.STYLE`). The class of a part is the name of its
colour in the palette. All numbers are also in a table beside the picture.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from dashboard.charts import bump
from dashboard.charts.base import letters
from dashboard.charts.bump import Row
from dashboard.charts.dots import Dot
from dashboard.text.formats import number, signed
from dashboard.text.literal import html, plain

WIDE = 1000  # of every picture, in units of its own
ROW, HEAD = 26, 34
FONT = 14
LETTER = 15 / 12  # letters are as much wider here as `letters` counts them: other fonts, capitals, bold
LABEL = 330  # room for the names of rows
VALUE = 80  # room for their numbers
AXIS = 40
WIDTHS = {"target": 3.2, "up": 1.8, "down": 1.4, "same": 1.4}


def picture(tall: float, label: str, body: str) -> str:
    """The SVG element around a body; `label`: what it shows, for screen readers."""
    return (
        f'<svg class="picture" role="img" aria-label="{html(label)}" viewBox="0 0 {WIDE} {tall:g}" '
        f'font-size="{FONT}">{body}</svg>'
    )


def text(x: float, y: float, words: str, name: str = "text", anchor: str = "start", more: str = "") -> str:
    """A line of text around (x, y); `words`: HTML already."""
    return (
        f'<text class="{name}" x="{x:g}" y="{y:g}" text-anchor="{anchor}" dominant-baseline="central"{more}>'
        f"{words}</text>"
    )


def fitted(words: str, room: float) -> str:
    """As much of a title as fits into this width, as HTML."""
    return html(words, letters(words, room / LETTER))


def line(name: str, x1: float, y1: float, x2: float, y2: float, width: float = 1, more: str = "") -> str:
    """A straight line."""
    ends = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
    return f'<line class="{name}" {ends} stroke-width="{width:g}"{more}/>'


# Lists


def lists(rows: Sequence[Row], heads: Sequence[str], most: int = 20) -> str:
    """What moved between ranked lists: titles at both sides, a curve per item, ranks on the way."""
    lines = bump.places(rows, most)
    most = min(most, lines)
    tall = HEAD + lines * ROW + 6
    side = 345 if len(heads) == len("AB") else 290
    across = [side + (WIDE - 2 * side) * at / (len(heads) - 1) for at in range(len(heads))]
    inside = [
        row for row in rows if row.is_target or any(rank and rank <= most for rank in row.ranks)
    ]  # the target is drawn last and lies on top
    ordered = sorted(inside, key=lambda row: list(WIDTHS)[::-1].index(bump.kind(row)))
    body = "".join(_item(row, heads, across, most) for row in ordered)
    ends = ("end", *("middle" for _ in heads[1:-1]), "start")
    named = "".join(
        text(x, HEAD / 2 - 2, html(head, 40), "muted", anchor)
        for x, head, anchor in zip(across, heads, ends, strict=True)
    )
    return picture(tall, bump.describe(rows, heads), named + body)


def _item(row: Row, heads: Sequence[str], across: Sequence[float], most: int) -> str:
    """One item: its curve, its dots and, where it has a place at a side, its title there."""
    name = bump.kind(row)

    def y(rank: int | None) -> float:
        return HEAD + (min(rank or most + 1, most + 1) - 0.5) * ROW

    stations = [y(rank) for rank in row.ranks]
    curve = f"M{across[0]:g} {stations[0]:g}" + "".join(
        f"C{x1 + (x2 - x1) * 0.45:g} {y1:g} {x2 - (x2 - x1) * 0.45:g} {y2:g} {x2:g} {y2:g}"
        for (x1, x2), (y1, y2) in zip(pairwise(across), pairwise(stations), strict=True)
    )
    parts = [
        f"<title>{bump.hover(row, heads)}</title>",
        f'<path class="{name}" d="{curve}" stroke-width="{WIDTHS[name]}"/>',
    ]
    last = len(across) - 1
    for at, (x, place, rank) in enumerate(zip(across, stations, row.ranks, strict=True)):
        if rank is None or (rank > most and not row.is_target):
            continue
        parts.append(f'<circle class="{name}" cx="{x:g}" cy="{place:g}" r="4"/>')
        ink, heavy = ("target_text", ' font-weight="700"') if row.is_target else ("text", "")
        if at == 0:
            title = fitted(row.title, x - 58)
            parts += [
                text(x - 12, place, str(rank), "muted", "end"),
                text(x - 42, place, title, ink, "end", heavy),
            ]
        elif at == last:
            moved = text(WIDE, place, bump.mark(row), f"{_ink(name)} number", "end")
            title = fitted(row.title, WIDE - x - 42 - 58)
            parts += [
                text(x + 12, place, str(rank), "muted"),
                text(x + 42, place, title, ink, "start", heavy),
                moved,
            ]
        else:
            parts.append(text(x, place - 11, str(rank), "muted", "middle", ' font-size="11"'))
    return f'<g class="item">{"".join(parts)}</g>'


def _ink(name: str) -> str:
    return {"up": "up_text", "down": "down_text", "target": "target_text"}.get(name, "muted")


# Effects


def effects(rows: Sequence[tuple[str, Mapping[str, Any]]], unit: str) -> str:
    """A bar per demonstration (its name, its effect as `db.effect_results` says): right helps, left hurts."""
    values = [
        value
        for _, entry in rows
        for value in (entry["effect"], entry.get("leave_one_out"), *(entry.get("interval") or ()))
        if value is not None
    ]
    axis = Axis(min([0.0, *values]), max([0.05, *values]), LABEL + 14, WIDE - VALUE)
    tall = len(rows) * 34 + AXIS
    body = [axis.ticks(len(rows) * 34, f"effect, {unit}", signed_=True)]
    for at, (name, entry) in enumerate(rows):
        body.append(_bar(axis, (at + 0.5) * 34, at + 1, name, entry, unit))
    shown = ", ".join(f"{at}: {signed(entry['effect'])}" for at, (_, entry) in enumerate(rows, start=1))
    return picture(tall, f"Effect of each demonstration, {unit}. {shown}.", "".join(body))


def _bar(axis: "Axis", y: float, place: int, name: str, entry: Mapping[str, Any], unit: str) -> str:
    effect = entry["effect"]
    kind = "same" if not round(effect, 2) else "up" if effect > 0 else "down"
    start, end = sorted((axis.x(0.0), axis.x(effect)))
    hover = [f"{place}. {html(name, 160)}", f"effect {signed(effect, 3)} {html(unit)}"]
    parts = [f'<rect class="{kind}" x="{start:g}" y="{y - 8:g}" width="{end - start:.2f}" height="16"/>']
    alone, interval = entry.get("leave_one_out"), entry.get("interval")
    if alone is not None:
        parts.append(line("text", axis.x(alone), y - 7, axis.x(alone), y + 7, 2.4))
        hover.append(f"that one alone left out {signed(alone, 3)} {html(unit)}")
    if interval and interval[0] < interval[1]:
        low, high = interval
        parts.append(line("muted", axis.x(low), y, axis.x(high), y, 1.6))
        hover.append(f"95 % interval {signed(low, 3)} to {signed(high, 3)}")
    label = text(LABEL, y, f"{place}&#160; {fitted(name, LABEL - 30)}", anchor="end")
    value = text(WIDE, y, signed(effect), f"{_ink(kind)} number", "end", ' font-weight="700"')
    over = f'<rect x="0" y="{y - 17:g}" width="{WIDE}" height="34" opacity="0"/>'
    return f'<g class="item"><title>{chr(10).join(hover)}</title>{over}{label}{"".join(parts)}{value}</g>'


# Means with intervals


def dots(rows: Sequence[Dot], measure: str, reference: float | None = None) -> str:
    """A row per mean with its interval; `reference`: a value to compare with, dashed."""
    values = [v for row in rows for v in (row.mean, row.low, row.high) if v is not None]
    values += [] if reference is None else [reference]
    axis = Axis(min(values, default=0.0), max(values, default=1.0), LABEL + 14, WIDE - VALUE, pad=0.05)
    tall = len(rows) * ROW
    body = [axis.ticks(tall, measure)]
    if reference is not None:
        dash = ' stroke-dasharray="5 4"'
        body.append(line("muted", axis.x(reference), 0, axis.x(reference), tall, 1.3, dash))
    for at, row in enumerate(rows):
        y = (at + 0.5) * ROW
        hover = f"{html(row.label, 100)}\n{html(measure)} {number(row.mean, 3)}"
        parts = [text(LABEL, y, fitted(row.label, LABEL - 6), anchor="end")]
        if row.low is not None and row.high is not None:
            ends = axis.x(row.low), y, axis.x(row.high), y
            parts.append(line(row.colour, *ends, 3.5, ' opacity="0.5"'))
            hover += f" (95 % interval {number(row.low, 3)} to {number(row.high, 3)})"
        hover += f"\n{html(row.hover, 160)}" if row.hover else ""
        parts.append(f'<circle class="{row.colour}" cx="{axis.x(row.mean):g}" cy="{y:g}" r="5.5"/>')
        parts.append(text(WIDE, y, number(row.mean, 3), "text number", "end", ' font-weight="700"'))
        over = f'<rect x="0" y="{y - ROW / 2:g}" width="{WIDE}" height="{ROW}" opacity="0"/>'
        body.append(f'<g class="item"><title>{hover}</title>{over}{"".join(parts)}</g>')
    shown = ", ".join(f"{plain(row.label, 60)} {number(row.mean, 3)}" for row in rows)
    return picture(tall + AXIS, f"{measure}: {shown}.", "".join(body))


# Lines over periods


def lines(
    series: Sequence[Mapping[str, Any]], measure: str, style: Mapping[str, tuple[str, str, float]]
) -> str:
    """A line per series over the periods since the cut. series: as `drift_chart.drift` takes them; `style`:
    colour, dash and width by the name of a series."""
    shown = [each for each in series if each["points"]]
    right, tall = WIDE - 270, 380
    points = [point for each in shown for point in each["points"]]
    elapsed = sorted({point["elapsed"] for point in points}) or [0]
    means = [point["mean"] for point in points]
    axis = Axis(min(means, default=0.0), max(means, default=1.0), tall - 10.0, 10.0, pad=0.06)
    step = (right - 70) / max(1, elapsed[-1] - elapsed[0])

    def x(value: float) -> float:
        return 60 + (value - elapsed[0]) * step

    body = [
        line("border", 60, axis.x(tick), right, axis.x(tick))
        + text(50, axis.x(tick), number(tick, axis.digits), "muted number", "end")
        for tick in axis.values
    ]
    body += [text(x(value), tall + 10, f"{value:g}", "muted", "middle") for value in elapsed]
    body.append(text((60 + right) / 2, tall + 32, "periods since the cut", "muted", "middle"))
    ends = _apart([axis.x(each["points"][-1]["mean"]) for each in shown], 18.0)
    for each, end in zip(shown, ends, strict=True):
        name, dash, width = style[each["name"]]
        dashes = DASHES.get(dash, "")
        places = [(x(point["elapsed"]), axis.x(point["mean"])) for point in each["points"]]
        path = "M" + "L".join(f"{a:g} {b:g}" for a, b in places)
        hover = [html(each["label"], 80)] + [
            f"period {point['elapsed']:g}: {number(point['mean'], 3)} ({number(point['low'], 3)} to "
            f"{number(point['high'], 3)}), {point['n']} users"
            for point in each["points"]
        ]
        parts = [f'<path class="{name}" d="{path}" stroke-width="{width:g}"{dashes}/>']
        parts += [f'<circle class="{name}" cx="{a:g}" cy="{b:g}" r="3.5"/>' for a, b in places]
        ink = {"up": "up_text", "text": "text"}.get(name, "muted")
        parts.append(text(right + 12, end, fitted(each["label"], 255), ink))
        body.append(f'<g class="item"><title>{chr(10).join(hover)}</title>{"".join(parts)}</g>')
    told = "; ".join(
        f"{plain(each['label'], 60)} from {number(each['points'][0]['mean'], 3)} to "
        f"{number(each['points'][-1]['mean'], 3)}"
        for each in shown
    )
    return picture(tall + 46, f"{measure} over the periods since the cut. {told}.", "".join(body))


DASHES = {
    "dash": ' stroke-dasharray="9 5"',
    "dot": ' stroke-dasharray="2 4"',
    "dashdot": ' stroke-dasharray="9 4 2 4"',
}


def _apart(places: Sequence[float], least: float) -> list[float]:
    """The places moved down as far as needed to stand `least` apart, each under the one above it."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    found = list(places)
    for above, at in pairwise(order):
        found[at] = max(found[at], found[above] + least)
    return found


class Axis:
    """A range of values along a range of places, with round ticks."""

    def __init__(self, low: float, high: float, start: float, end: float, pad: float = 0.0) -> None:
        room = (high - low) * pad or (0.0 if high > low else 0.05)
        self.low, self.high, self.start, self.end = low - room, high + room, start, end
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        self.step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough)
        self.digits = max(0, -math.floor(math.log10(self.step) + 1e-9))

    def x(self, value: float) -> float:
        """The place of a value."""
        return round(self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low), 2)

    @property
    def values(self) -> list[float]:
        """The round values inside."""
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [at * self.step for at in range(first, last + 1)]

    def ticks(self, tall: float, title: str, *, signed_: bool = False) -> str:
        """Quiet upright lines with their values under a picture of this height, and what they count."""
        return "".join(self._ticks(tall, title, signed if signed_ else number))

    def _ticks(self, tall: float, title: str, written: Any) -> Iterator[str]:
        for value in self.values:
            name = "muted" if not round(value, 9) else "border"
            yield line(name, self.x(value), 0, self.x(value), tall)
            yield text(self.x(value), tall + 12, written(value, self.digits), "muted number", "middle")
        middle = (self.start + self.end) / 2
        yield text(middle, tall + 30, html(title, 80), "muted", "middle")
