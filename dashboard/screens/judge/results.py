"""What came out of a blind comparison, for whoever made it."""

import json

import streamlit as st

from dashboard.charts.dots import describe as describe_dots
from dashboard.charts.dots import dots
from dashboard.screens.judge import blind, effect_chart, making, results_text
from dashboard.screens.judge.results_text import EVEN
from dashboard.state import session
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui import rights
from dashboard.ui.chart import chart, data_of
from dashboard.ui.notices import card, colours, empty, heading
from db import judging
from db.judging import Judging, words

MEASURE = "B's share, ties half"


def draw(number: int) -> None:
    """All cards of one comparison, unless this window is in the midst of judging it."""
    found = judging.get(session.store(), number)
    if _in_the_midst(found):
        return
    store = session.store()
    pairs, who = judging.pairs(store, found), judging.judges(store, found)
    said = judging.judgements(store, found)
    outcome = judging.outcome(found, pairs, who, said)
    with card("judge-head", stretch=False):
        _head(found)
    if not said:
        empty("Nobody has judged a pair yet", "Send the link above. What people say is shown here.", 160)
    else:
        _outcome(outcome, pairs)
        reasons = results_text.reasons(said, who)
        if not reasons.empty:
            with card("judge-reasons", stretch=False):
                heading("Reasons", "As they were given, by pair.")
                st.dataframe(reasons, hide_index=True, alt="Reasons by pair and judge")
        heading("In one sentence", md(words.sentence(outcome)))


def _in_the_midst(found: Judging) -> bool:
    """Say so where this window judges the comparison and has not finished."""
    name = blind.judging_here(found.id)
    judge = judging.find_judge(session.store(), found, name) if name else None
    if judge is None or judge.judged >= found.pairs:
        return False
    left = plural(found.pairs - judge.judged, "pair")
    empty(
        f"You have {left} left to judge",
        "Results say which list is which, so they are shown once you have finished.",
        160,
    )
    with st.container(horizontal=True, horizontal_alignment="center", gap="small"):
        st.page_link(
            "screens/judge/page.py",
            label="Continue judging",
            query_params={"judge": found.token, "as": judge.name},
            width="content",
        )
        st.button("Stop judging here", key="judge-stop", on_click=blind.here, args=(found.id, None))
    return True


def _head(found: Judging) -> None:
    a, b = found.labels
    heading(
        md(found.name),
        md(f"“{found.question}” {plural(found.pairs, 'pair')} of up to {found.length} titles."),
    )
    st.markdown(f"**A** {md(a)} :gray[against] **B** {md(b)}")
    for sentence in results_text.left_out(found):
        st.caption(f":orange[Note:] {md(sentence)}")
    st.caption("Send this link to the people who judge. It says nothing of what is compared.")
    st.code(link(found), language=None)
    stem = f"dualens-judgements-{found.id}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="judge-actions"):
        st.page_link(
            "screens/judge/page.py",
            label="Judge it yourself",
            query_params={"judge": found.token},
            width="content",
        )
        store = session.store()
        st.download_button(
            "CSV",
            lambda: judging.as_csv(store, found),
            f"{stem}.csv",
            "text/csv",
            key="judge-csv",
            on_click="ignore",
            help="One row for each answer, with the numbers of both lists.",
        )
        st.download_button(
            "JSON",
            lambda: json.dumps(judging.as_json(store, found), indent=1, ensure_ascii=False),
            f"{stem}.json",
            "application/json",
            key="judge-json",
            on_click="ignore",
            help="Results, answers, and the lists as they were shown.",
        )
        rights.change_button(
            "Delete",
            key="judge-delete",
            on_click=making.delete,
            args=(found.id,),
            help="Takes it off the list, and its link stops working. Undo brings it back.",
        )
        st.button("All comparisons", key="judge-all", on_click=st.query_params.clear)


def link(found: Judging) -> str:
    """The judges' address, as complete as this page knows its own."""
    own = (st.context.url or "judge").partition("?")[0]
    return f"{own}?judge={found.token}"


def _outcome(outcome: dict, pairs: list[judging.Pair]) -> None:
    left, right = st.columns(2, gap="small")
    with left, card("judge-shares"):
        heading("Preferences", "How far B was preferred, ties half, with 95 % intervals. The dashes: chance.")
        rows = results_text.share_dots(outcome)
        chart(
            dots(rows, MEASURE, colours(), EVEN, 1.0, room=130),
            key="judge-dots",
            alt=describe_dots(rows, MEASURE),
            name="preferences",
            rows=data_of(rows),
        )
        st.table(results_text.preferences(outcome), border="horizontal", hide_index=True)
    with right, card("judge-effects"):
        heading(
            "Preferences and effects", "Each point is a pair: what its demonstrations add, and B's share."
        )
        points = results_text.points(pairs, outcome["by_pair"])
        if points:
            chart(
                effect_chart.scatter(points, colours()),
                key="judge-effects-chart",
                alt=effect_chart.describe(points),
                name="preferences and effects",
            )
            st.caption("Blue: effect and people say the same. Orange diamonds: the opposite.")
        else:
            st.caption("What the demonstrations of these runs add was not measured.")
    with card("judge-measures", stretch=False):
        heading(
            "Against numbers", "Judges of one pair are averaged first: intervals count pairs, not answers."
        )
        st.table(results_text.measures(outcome), border="horizontal", hide_index=True)
    with card("judge-pairs", stretch=False):
        heading("Pairs", "B's share over the judges of each pair, and what A and B are there.")
        columns = st.column_config
        forms = {"B's share": "%.2f", "NDCG@10 of A": "%.3f", "of B": "%.3f", "effect, B − A": "%+.2f"}
        st.dataframe(
            results_text.by_pair(pairs, outcome["by_pair"]),
            hide_index=True,
            height=260,
            column_config={name: columns.NumberColumn(name, format=form) for name, form in forms.items()},
            alt="Each pair with its share and numbers",
        )
