"""The leaderboard of a finished experiment: which measure, against which row; dots, tests, all numbers."""

from collections.abc import Sequence

import streamlit as st

from dashboard.charts.dots import Dot, describe, dots
from dashboard.screens.experiments import leaderboard_tables
from dashboard.screens.experiments.experiment_text import DECIDING, NO_MEAN, Experiment
from dashboard.text.literal import md
from dashboard.ui import forms
from dashboard.ui.chart import chart, data_of
from dashboard.ui.notices import colours, empty
from db.experiments import MEASURES

MOST = 24  # rows that are drawn at first
LABELS_PX = 330
ROOM_PX = 300
NUMBER = st.column_config.NumberColumn(format="%.3f", width="small")


def draw(experiment: Experiment) -> None:
    """Every part that the result has."""
    measures = experiment.measures()
    if not measures:
        empty("Nothing was measured", "The result holds no rows.", ROOM_PX)
        return
    labels, job = experiment.labels, experiment.job.id
    left, right = st.columns((1, 1.6), gap="small")
    with left:
        start = DECIDING if DECIDING in measures else next(iter(measures))
        measure = forms.choose(
            "Measure",
            f"experiment-measure-{job}",
            list(measures),
            start,
            format_func=lambda name: measures.get(name, name),
        )
    with right:
        reference = forms.choose(
            "Compared with",
            f"experiment-against-{job}",
            list(labels),
            experiment.reference,
            format_func=lambda key: labels.get(key, key),
        )
    _chart(experiment, measure, measures[measure], reference)
    for sentence in (leaderboard_tables.controls(experiment), leaderboard_tables.spread(experiment)):
        if sentence:
            st.caption(md(sentence))
    _tests(experiment, measure, reference)
    _numbers(experiment)


def _chart(experiment: Experiment, measure: str, words: str, reference: str) -> None:
    rows, line = leaderboard_tables.dots_of(experiment, measure, reference)
    tested = (
        "Blue and orange: above or below the reference row beyond chance (paired tests, Holm). "
        if experiment.test(measure, reference, _other(experiment, reference))
        else ""
    )
    st.caption(
        f"Mean over users and 95 % interval, best first. {tested}The dashed line is the reference row, ◆."
    )
    dots_chart(rows, words, f"experiment-dots-{experiment.job.id}", line)


def _other(experiment: Experiment, reference: str) -> str:
    return next((row["key"] for row in experiment.rows if row["key"] != reference), "")


def dots_chart(rows: Sequence[Dot], words: str, key: str, line: float | None = None) -> None:
    """Rows as dots with their intervals; of many the first, until all are asked for."""
    shown = list(rows)
    if len(rows) > MOST and not st.toggle(f"All {len(rows)} rows", key=f"{key}-all"):
        shown = shown[:MOST]
    figure = dots(shown, f"{words}, mean over users", colours(), line, room=LABELS_PX)
    chart(figure, key, describe(shown, words), words, data_of(rows))


def _tests(experiment: Experiment, measure: str, reference: str) -> None:
    compared = leaderboard_tables.compared(experiment, measure, reference)
    if compared.empty and measure != DECIDING and measure not in NO_MEAN:
        measure = DECIDING
        compared = leaderboard_tables.compared(experiment, measure, reference)
    if compared.empty:
        return
    words = MEASURES.get(measure, measure)
    st.markdown(f"**Differences in {md(words)} from {md(experiment.labels[reference])}**")
    st.caption(
        "Paired by user; p by sign flips, Holm's correction over the rows of this table. Win, tie and loss "
        "count users. Smallest detectable: the true difference that these users show with 80 % power."
    )
    with st.container(key="experiment-tests"):
        st.table(compared, border="horizontal", hide_index=True)


def _numbers(experiment: Experiment) -> None:
    frame = leaderboard_tables.table(experiment)
    with st.expander("All measures, to sort", key=f"experiment-numbers-{experiment.job.id}"):
        st.caption("Means over users. Click a column's head to sort by it.")
        words = [name for name in frame.columns if name not in ("row", "kind", "draws")]
        st.dataframe(
            frame,
            hide_index=True,
            column_config={
                "row": st.column_config.TextColumn(width="medium", pinned=True),
                **dict.fromkeys(words, NUMBER),
            },
            alt="Every measure of every row",
        )
