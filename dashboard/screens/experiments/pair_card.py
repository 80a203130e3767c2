"""Any two rows of an experiment: their difference, who gains and who loses, zones, effect against gain. A
click on a user opens both lists side by side."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboard.screens.experiments import pair_text
from dashboard.screens.experiments.effect_chart import describe_effects, effect_points
from dashboard.screens.experiments.experiment_text import DECIDING, Experiment
from dashboard.screens.experiments.gain_chart import describe_gains, gain_bars
from dashboard.state import asking, session
from dashboard.state.waiting import Answer
from dashboard.text.literal import md
from dashboard.ui import forms, progress, rights
from dashboard.ui.chart import chart
from dashboard.ui.notices import colours, heading, problem
from dashboard.ui.remembered import remembered
from db import jobs
from db.experiments import MEASURES

KIND = "experiment_pair"
WAIT_S = 1.5
ROOM_PX = 560
ALL = "all"
_GAIN = st.column_config.NumberColumn(format="%+.3f", width="small")
_RANK = st.column_config.NumberColumn(format="%g", width="small")


def draw(experiment: Experiment) -> None:
    """The card of a finished experiment with two rows at least."""
    labels, job, found = experiment.labels, experiment.job.id, experiment.found
    heading("Two rows, user by user", "Who gains and who loses from the first row to the second, and why.")
    keys = list(labels)
    other = found.get("contender") or found.get("challenger")
    other = other if other in keys and other != experiment.reference else _first_other(keys, experiment)
    left, right = st.columns(2, gap="small")
    named = {"format_func": lambda key: labels.get(key, key)}
    with left:
        without = forms.choose("From", f"experiment-from-{job}", keys, experiment.reference, **named)
    with right:
        with_ = forms.choose("To", f"experiment-to-{job}", keys, other, **named)
    if without == with_:
        st.caption("Choose two different rows.")
        return
    if said := pair_text.difference_sentence(experiment, without, with_):
        st.markdown(f"**{md(said)}**")
    payload = {"experiment": job, "without": without, "with": with_}
    stored = _stored(payload)
    if stored is not None:
        _drawn(job, stored)
    elif rights.reads_only():
        st.caption(f"{rights.READS_ONLY} Nobody has compared these two rows yet.")
    else:
        answer = asking.once(f"experiment-pair-{job}", KIND, payload, WAIT_S)
        progress.later(answer, "Comparing two rows", ROOM_PX, partial(_answered, job))


def _first_other(keys: Sequence[str], experiment: Experiment) -> str:
    return next(key for key in keys if key != experiment.reference)


def _stored(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What was found before: cells never change."""
    done = jobs.about(session.store(), KIND, dict(payload))
    return next((job.result for job in done if job.state == jobs.COMPLETED), None)


def _answered(job: int, answer: Answer) -> None:
    if answer.result is None:
        problem(answer.error or "The engine gave no reason.")
    else:
        _drawn(job, answer.result)


def _drawn(job: int, found: Mapping[str, Any]) -> None:
    users = pair_text.users_of(found)
    if not users:
        st.caption("No user has a list under both rows.")
        return
    measure = MEASURES[DECIDING]
    left, right = st.columns((1.35, 1), gap="medium")
    with left:
        st.markdown("**Users by gain**")
        st.caption(
            f"{md(pair_text.ends(found))} A bar is a user, up and blue where the second row is better. Click "
            "one to see both lists side by side."
        )
        key = f"experiment-gains-{job}"
        figure = gain_bars(users, measure, colours())
        chart(
            figure,
            key,
            describe_gains(users, measure),
            "gains by user",
            pair_text.users_table(users).to_dict("records"),
            on_select="rerun",
            selection_mode="points",
        )
        _clicked(key, users)
        if said := pair_text.correlated(found):
            _effects(job, found, said)
    with right:
        _zones(job, found)
    if found.get("users", len(users)) > len(users):
        st.caption(f"The {len(users):,} users at both ends are listed, of {found['users']:,}.")


def _effects(job: int, found: Mapping[str, Any], said: str) -> None:
    users = [row for row in pair_text.users_of(found) if row.get("effect") is not None]
    st.markdown("**Effect against gain**")
    st.caption(
        "Do demonstrations that move the model toward the target also lift its rank? "
        f"A point is a user. {md(said)}"
    )
    key = f"experiment-effects-{job}"
    chart(
        effect_points(users, MEASURES[DECIDING], colours()),
        key,
        describe_effects(users, (found.get("gains") or {}).get("effect")),
        "effect against gain",
        pair_text.users_table(users).to_dict("records"),
        on_select="rerun",
        selection_mode="points",
    )
    _clicked(key, users)


def _zones(job: int, found: Mapping[str, Any]) -> None:
    depths = pair_text.depths(found)
    zone, k = ALL, depths[-1] if depths else 10
    st.markdown("**Zones**")
    if depths:
        k = remembered(
            st.segmented_control,
            "Target among the first",
            f"experiment-depth-{job}",
            depths[-1],
            options=depths,
            required=True,
            format_func=lambda depth: f"first {depth}",
        )
        st.table(pair_text.zones_table(found, k), border="horizontal", hide_index=True)
        names = {ALL: "all users", **pair_text.ZONES}
        zone = forms.choose(
            "Users",
            f"experiment-zone-{job}",
            list(names),
            ALL,
            format_func=lambda name: names.get(name, name),
        )
    rows = pair_text.users_of(found) if zone == ALL else pair_text.of_zone(found, k, zone)
    if not rows:
        st.caption("No user is in this zone.")
        return
    st.caption("Select a user to see both lists side by side.")
    key = f"experiment-users-{job}-{k}-{zone}"
    st.dataframe(
        pair_text.users_table(rows),
        key=key,
        hide_index=True,
        height=min(330, 40 + 35 * len(rows)),
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "gain": _GAIN,
            "effect": _GAIN,
            "rank before": _RANK,
            "rank after": _RANK,
        },
        alt="Users with their gain and the rank of their target under both rows",
    )
    _clicked(key, rows, _row)


def _point(state: Any) -> int | None:
    """The place of the user that was clicked in a chart: bars and marks tell it by x or by their order."""
    points = state.selection.get("points") or []
    if not points:
        return None
    point = points[0]
    return round(point["x"]) - 1 if point.get("curve_number") == 1 else point.get("point_index")


def _row(state: Any) -> int | None:
    return next(iter(state.selection.rows), None)


def _clicked(
    key: str, users: Sequence[Mapping[str, Any]], place: Callable[[Any], int | None] = _point
) -> None:
    """Open what was clicked: both runs in Compare, or the only one in Explain."""
    state = st.session_state.get(key)
    at = place(state) if state and state.get("selection") else None
    if at is None or not 0 <= at < len(users):
        return
    runs = [users[at].get(name) for name in ("run_before", "run_after")]
    known = [run for run in runs if run]
    if len(set(known)) == 2:
        st.switch_page("screens/compare/page.py", query_params={"a": known[0], "b": known[1]})
    if known:
        st.switch_page("screens/explain/page.py", query_params={"run": known[0]})
    st.caption(f"{md(users[at]['user'], 40)}: neither row has stored runs; only rows of models have.")
