"""Effects as dots, drawn alike wherever Explain shows some."""

from dashboard.charts.dots import Dot, describe, dots
from dashboard.ui.chart import chart, data_of
from dashboard.ui.notices import colours

LABEL_PX = 250
AXES = {"margin": "change of the log of the target's share", "loss": "nats off the target's loss"}
"""What each measure of effects is, at an axis."""


def effect_chart(rows: list[Dot], key: str, measure: str) -> None:
    """One row per demonstration."""
    chart(
        dots(rows, AXES[measure], colours(), 0.0, None, LABEL_PX),
        key=key,
        alt=describe(rows, f"Effect: {AXES[measure]}"),
        name="effects",
        rows=data_of(rows),
    )
