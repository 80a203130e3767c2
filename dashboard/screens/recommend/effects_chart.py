"""One bar per demonstration of the desk: its effect with its interval; a tick: that one left out alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.text.formats import signed
from dashboard.text.literal import html

NUMBER_PX = 52  # room for the signed number at the right
BAR = 13  # pixels
PALE = 0.4  # opacity of a first guess


@dataclass(frozen=True)
class Bar:
    """What a demonstration adds to the measure (positive helps); None while it is not measured.

    `removal`: that one alone left out. `interval`: 95 %. `notes`: other readings, for the hover; plain text.
    """

    title: str
    effect: float | None
    removal: float | None
    mass: float | None
    interval: tuple[float, float] | None = None
    unit: str = "log-share"
    notes: tuple[str, ...] = ()

    @property
    def whisker(self) -> tuple[float, float] | None:
        """The interval, where the effect is estimated."""
        return self.interval if self.interval and self.interval[0] < self.interval[1] else None


def _hover(bar: Bar) -> str:
    if bar.effect is None:
        return "not measured yet"
    lines = [html(bar.title, 120), f"effect {signed(bar.effect, 3)} {html(bar.unit)}"]
    if bar.whisker:
        lines.append(f"95 % interval {' to '.join(signed(end, 3) for end in bar.whisker)}")
    if bar.removal is not None:
        lines.append(f"that one alone left out {signed(bar.removal, 3)} {html(bar.unit)}")
    lines += [html(note, 80) for note in bar.notes]
    if bar.mass is not None:
        lines.append(f"{bar.mass * 100:.1f} % of the attention")
    return "\n".join(lines)


def _number(bar: Bar, tentative: bool) -> str:
    if bar.effect is None:
        return "…"
    return f"≈ {signed(bar.effect, 1)}" if tentative else signed(bar.effect)


def span(bars: Sequence[Bar]) -> tuple[float, float]:
    """The range of the axis: zero inside, never so narrow that noise fills it."""
    values = [
        value
        for bar in bars
        for value in (bar.effect, bar.removal, *(bar.whisker or ()))
        if value is not None
    ]
    low, high = min([0.0, *values]), max([0.0, *values])
    least = 0.1
    if high - low < least:
        high = low + least
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def effects(bars: Sequence[Bar], row_px: int, *, stale: bool = False, tentative: bool = False) -> str:
    """Bars in desk order as SVG, one per row of `row_px` pixels.

    `stale` draws all in grey (measured again now), `tentative` pale: a first guess, of unknown error.
    """
    low, high = span(bars)

    def x(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    def kind(bar: Bar, up: str, down: str, none: str) -> str:
        value = bar.effect or 0.0
        return none if stale or not round(value, 2) else up if value > 0 else down

    def upright(value: float, y: float, half: float, width: float, name: str) -> str:
        place = f'x1="{x(value)}" x2="{x(value)}" y1="{y - half:g}" y2="{y + half:g}"'
        return f'<line class="{name}" {place} stroke-width="{width}"/>'

    def row(at: int, bar: Bar) -> str:
        y, effect = (at + 0.5) * row_px, bar.effect or 0.0
        size = 100 * abs(effect) / (high - low)
        parts = [
            f"<title>{_hover(bar)}</title>",
            f'<rect y="{at * row_px}" width="100%" height="{row_px}" opacity="0"/>',  # all of it is hovered
            f'<rect class="{kind(bar, "up", "down", "same")}" x="{x(min(effect, 0.0))}" y="{y - BAR / 2:g}" '
            f'width="{size:.2f}%" height="{BAR}" opacity="{PALE if tentative else 1}"/>',
        ]
        if bar.removal is not None:
            parts.append(upright(bar.removal, y, 5.5, 2.2, "muted" if stale else "text"))
        if bar.whisker is not None:
            start, end = bar.whisker
            line = f'x1="{x(start)}" x2="{x(end)}" y1="{y:g}" y2="{y:g}"'
            parts.append(f'<line class="muted" {line} stroke-width="1.5"/>')
            parts += [upright(value, y, 3.5, 1.5, "muted") for value in bar.whisker]
        ink = "muted" if tentative else kind(bar, "up_text", "down_text", "muted")
        heavy = "" if tentative or bar.effect is None else ' font-weight="700"'
        parts.append(
            f'<text class="{ink}" x="100%" y="{y:g}" dx="{NUMBER_PX - 2}" text-anchor="end" '
            f'dominant-baseline="central" font-size="14"{heavy}>{_number(bar, tentative)}</text>'
        )
        return f"<g>{''.join(parts)}</g>"

    tall = row_px * max(1, len(bars))
    zero = f'<line class="border" x1="{x(0)}" x2="{x(0)}" y1="0" y2="{tall}" stroke-width="1"/>'
    sides = f"margin: 0 {NUMBER_PX}px 0 2px; width: calc(100% - {NUMBER_PX + 2}px)"
    rows = "".join(row(at, bar) for at, bar in enumerate(bars))
    head = f'<svg role="img" aria-label="{html(describe(bars))}" height="{tall}" style="{sides}">'
    return f"{head}{zero}{rows}</svg>"


def describe(bars: Sequence[Bar]) -> str:
    """One sentence for screen readers."""
    parts = [
        f"{row}: {signed(bar.effect)}"
        + (f" (95 % interval {' to '.join(signed(end) for end in bar.whisker)})" if bar.whisker else "")
        for row, bar in enumerate(bars, start=1)
        if bar.effect is not None
    ]
    unit = bars[0].unit if bars else "log-share"
    return f"Effect of each demonstration, {unit}. " + (", ".join(parts) if parts else "Not measured yet.")
