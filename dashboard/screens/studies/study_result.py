"""What a finished study found: chart, table and tests, whichever study it is; and its downloads."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts.dots import Dot, dots
from dashboard.charts.dots import describe as describe_dots
from dashboard.screens.studies.comparison_tables import (
    agreements,
    bars_table,
    gain_numbers,
    guard_sentence,
    score_dots,
    scores_table,
    strategy_details,
    strategy_dots,
    strategy_table,
    truths,
)
from dashboard.screens.studies.conclusion import added
from dashboard.screens.studies.drift_chart import describe, drift
from dashboard.screens.studies.evidence import evidence_table
from dashboard.screens.studies.study_text import (
    Study,
    grid,
    measured,
    points,
    tests,
)
from dashboard.text import cells
from dashboard.text.literal import md
from dashboard.ui import forms
from dashboard.ui.chart import chart, data_of
from dashboard.ui.notices import colours, empty
from dashboard.ui.remembered import remembered

FEW = 2  # long names that stand side by side; more of them are a list to choose from
MANY = 8  # paired tests; more are shown when asked for
ROOM_PX = 300  # kept while there is nothing to show
NUMBER = st.column_config.NumberColumn(format="%.3f", width="small")


def result(study: Study) -> None:
    """Every part the result has."""
    found, measures = study.found, study.measures()
    if not measures:
        empty("Nothing was measured", "The result holds neither cells nor series.", ROOM_PX)
        return
    if found.get("scores"):
        _faithfulness(study)
        return
    measure = _choice("Measure", f"study-measure-{study.job.id}", measures)
    if study.what is not None and study.what.reads:
        st.caption(study.what.reads)
    if found.get("strategies"):
        _strategies(study, measure)
    if found.get("evidence"):
        table(evidence_table(found))
        st.markdown("**Rankings by titles**")
    if found.get("cells"):
        table(grid(found, measure))
    if found.get("series"):
        _series(study, measure)
    _controls(study, measure)
    compared = tests(found, measure)
    if compared.empty:
        return
    if len(compared) > MANY:
        with st.expander(f"Paired tests over users ({len(compared)})", key=f"study-tests-{study.job.id}"):
            _tests(compared)
    else:
        st.markdown("**Paired tests over users**")
        _tests(compared)


def _controls(study: Study, measure: str) -> None:
    """What is learnt, and what is retrieval or format, where the study has controls."""
    said = added(study.found)
    if not said:
        return
    st.markdown("**What the model adds to its demonstrations, and they to their format**")
    for sentence in said:
        st.caption(md(sentence))
    table(tests(study.found["controls"], measure))


def _tests(compared: pd.DataFrame) -> None:
    st.caption(
        "Two-sided permutation tests; the interval holds what the test does not reject. Holm: p corrected "
        "for all tests made together (of strategies, all pairs; controls apart), on which the verdict rests. "
        "A difference below zero means the first is worse."
    )
    table(compared)


def _choice(label: str, key: str, options: Sequence[str], names: dict[str, str] | None = None) -> str:
    """One of several; nothing is drawn where there is nothing to choose."""
    if len(options) < 2:
        return options[0]
    label_of = measured if names is None else lambda name: names.get(name, name)
    if names and len(options) > FEW:
        return forms.choose(label, key, options, options[0], format_func=label_of)
    return remembered(
        st.segmented_control,
        label,
        key,
        options[0],
        options=options,
        required=True,
        format_func=label_of,
        label_visibility="collapsed",
    )


def _series(study: Study, measure: str) -> None:
    series, name = study.found["series"], measured(measure)
    figure, table = drift(series, name, colours()), points(study.found)
    chart(figure, f"drift-{study.job.id}", describe(series, name), name, table.to_dict("records"))
    with st.popover("All numbers", key="study-points"):
        st.dataframe(
            table,
            hide_index=True,
            height=320,
            width=620,
            column_config=dict.fromkeys(("mean", "low", "high"), NUMBER),
            alt=f"{name} of every series, periods since the model was frozen",
        )


def _dots(
    rows: list[Dot], measure: str, key: str, line: float | None = None, most: float | None = None
) -> None:
    figure = dots(rows, measure, colours(), line, most)
    chart(figure, key, describe_dots(rows, measure), measure, data_of(rows))


def _strategies(study: Study, measure: str) -> None:
    rows, line = strategy_dots(study.found, measure)
    _dots(rows, f"{measured(measure)}, mean over users", f"dots-{study.job.id}", line)
    if guarded := guard_sentence(study.found):
        st.caption(md(guarded))
    st.markdown("**All strategies**")
    st.caption(
        "Bold: the highest mean, and p below 0.05 after Holm's correction (paired permutation tests of "
        "NDCG@10, all pairs of strategies). Target shown: users for whom a demonstration shows the target's "
        f"item.{' Controls have no p here: they are compared below.' if study.found.get('controls') else ''}"
    )
    table(strategy_table(study.found))
    with st.expander("Against random and BM25, and what choosing took", key=f"study-more-{study.job.id}"):
        st.caption("Shown: mean number of demonstrations in the prompt. Choosing: mean time to choose them.")
        table(strategy_details(study.found))


def _faithfulness(study: Study) -> None:
    found, job = study.found, study.job.id
    against = truths(found)
    truth = _choice("Against", f"study-truth-{job}", list(against), against)
    measures = agreements(found, truth)
    if not measures:
        empty("Nothing was measured", "No score was compared with this truth.", ROOM_PX)
        return
    measure = _choice("Measure", f"study-agreement-{job}", measures)
    if study.what is not None and study.what.reads:
        st.caption(study.what.reads)
    name = f"{measured(measure)} with {against[truth]}"
    _dots(score_dots(found, truth, measure), name, f"dots-{job}", None, 1.0)
    cells = gain_numbers(found)
    if cells:
        for cell, (label, value, note) in zip(st.columns(len(cells), gap="small"), cells, strict=True):
            cell.metric(label, value, delta=note, delta_color="off", delta_arrow="off")
    bars = bars_table(found)
    if not bars.empty:
        st.markdown("**What effects should reach**")
        table(bars)
    with st.popover("All numbers", key="study-points"):
        st.dataframe(
            scores_table(found),
            hide_index=True,
            height=320,
            width=720,
            column_config=dict.fromkeys(("mean", "low", "high"), NUMBER),
            alt="Agreement of every score with every truth",
        )


def table(frame: pd.DataFrame) -> None:
    """A table whose cells are Markdown."""
    st.table(frame, border="horizontal", hide_index=True)


def take_away(study: Study) -> None:
    """Downloads of the result."""
    found, stem = study.found, f"dualens-study-{study.job.id}"
    whole = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    st.download_button("JSON", whole, f"{stem}.json", "application/json", key=f"json-{study.job.id}")
    frame = numbers(found)
    if not frame.empty:
        st.download_button("CSV", cells.csv(frame), f"{stem}.csv", "text/csv", key=f"csv-{study.job.id}")


def numbers(found: dict[str, Any] | Any) -> pd.DataFrame:
    """Every estimate of a result as one long table: what, which measure, mean and interval."""
    rows: list[dict[str, Any]] = []

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            if "mean" in value:
                ends = {name: value.get(name) for name in ("mean", "low", "high", "n", "p", "p_holm")}
                rows.append({"what": " / ".join(path), **ends})
            else:
                for name, each in value.items():
                    walk(each, (*path, str(name)))
        elif isinstance(value, list):
            for at, each in enumerate(value):
                named = (
                    each.get("name") or each.get("row") or each.get("better")
                    if isinstance(each, dict)
                    else None
                )
                more = each.get("column") or each.get("than") if isinstance(each, dict) else None
                walk(each, (*path, str(named if named is not None else at), *([str(more)] if more else [])))

    walk({name: each for name, each in found.items() if name not in ("request", "model")}, ())
    return pd.DataFrame(rows)
