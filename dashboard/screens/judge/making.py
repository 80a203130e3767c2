"""All blind comparisons, and the form that makes a new one of stored runs."""

import time
from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.state import session, widgets
from dashboard.text.formats import ago, plural
from dashboard.text.literal import md, plain
from dashboard.ui import rights
from dashboard.ui.notices import RECOMMEND, card, empty, heading, problem
from dashboard.ui.remembered import remembered
from db import judging, runs
from db.comparable import changed
from db.errors import NotFound
from db.judging import Judging, Setting, Two
from db.requests.fields import LONGEST_SEED
from db.runs import Run

DELETED = "judge-just-deleted"
SHOWN = 30
USERS = 20
OWN = ""
SETTINGS, PAIRS, THEIRS, WITHOUT = "settings", "pairs", "theirs", "without"


def draw(keys: Sequence[str]) -> None:
    """The form, and all comparisons. `keys`: of runs that were picked elsewhere."""
    store = session.store()
    known = judging.listing(store)
    undo()
    if not rights.reads_only():
        if not runs.count(store):
            about = "Rank users on Recommend, with and without demonstrations: their lists are judged here."
            empty("No stored runs to compare yet", about, 200, RECOMMEND)
        else:
            with card("judge-form", stretch=False):
                heading("New blind comparison", "People see two lists for one history, and pick one.")
                _form(_picked(keys))
    with card("judge-known", stretch=False):
        heading("Blind comparisons", "The newest first. Open one for its link and its results.")
        if not known:
            st.caption("None yet.")
        for one in known[:SHOWN]:
            _row(one)
        if len(known) > SHOWN:
            st.caption(f"{len(known) - SHOWN} older ones: `dualens judge list` lists all.")


def undo() -> None:
    """What was deleted last in this session, and the way back."""
    gone: int | None = widgets.kept(DELETED, None)
    if gone is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="judge-undo"):
        st.markdown("Deleted the comparison.", width="content")
        rights.change_button("Undo", key="judge-undo-delete", on_click=_restore, args=(gone,))


def delete(number: int) -> None:
    """Take a comparison off the list, and show the list."""
    judging.delete(session.store(), number)
    widgets.keep(DELETED, number)
    st.query_params.clear()


def _restore(number: int) -> None:
    judging.restore(session.store(), number)
    widgets.forget(DELETED)
    st.query_params["comparison"] = str(number)


def _row(one: Judging) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"judge-row-{one.id}"):
        st.page_link(
            "screens/judge/page.py",
            label=md(one.name, 60),
            query_params={"comparison": str(one.id)},
            width="content",
        )
        of = f"{plural(one.judgements, 'answer')} by {plural(one.judges, 'judge')}"
        st.caption(
            md(f"{plural(one.pairs, 'pair')}, {of}, {ago(one.created_at, time.time())}"), width="content"
        )


def _picked(keys: Sequence[str]) -> list[Run]:
    found = []
    for key in keys:
        try:
            found.append(runs.get(session.store(), key))
        except NotFound as error:
            problem(str(error))
    return found


def _form(picked: Sequence[Run]) -> None:
    ways = _ways(picked)
    way = next(iter(ways))
    if len(ways) > 1:
        way = remembered(
            st.segmented_control,
            "What is compared",
            f"judge-way-{'-'.join(ways)}",
            way,
            options=list(ways),
            format_func=ways.get,
            required=True,
        )
    if way == PAIRS:
        chosen = judging.by_history(picked)
    elif way == WITHOUT:
        chosen = judging.with_and_without(run.key for run in picked)
    elif way == THEIRS:
        chosen = _over(*_settings_of(picked))
    else:
        chosen = _of_settings()
    if chosen:
        _rest(chosen)


def _ways(picked: Sequence[Run]) -> dict[str, str]:
    """What can be compared, in words, what is likely meant first."""
    ways = {}
    if pairs := judging.by_history(picked):
        ways[PAIRS] = f"The picked runs: {plural(len(pairs), 'pair')}"
    if picked:
        ways[WITHOUT] = f"{plural(len(picked), 'picked run')} with and without demonstrations"
    if len(picked) == len("AB") and all(_settings_of(picked)):
        ways[THEIRS] = "Their two settings, over users"
    return {**ways, SETTINGS: "Other settings, over users"} if ways else {SETTINGS: "Settings, over users"}


def _settings_of(picked: Sequence[Run]) -> tuple[Setting | None, Setting | None]:
    """The settings of two runs of one data set, the older as A; None where they are the same or of two."""
    a, b = sorted(picked, key=lambda run: run.created_at)
    keys = [judging.setting_key(run.request) for run in (a, b)]
    if a.request.dataset != b.request.dataset or keys[0] == keys[1]:
        return None, None
    known = {one.key: one for one in judging.settings(session.store(), a.request.dataset)}
    return known.get(keys[0]), known.get(keys[1])


def _of_settings() -> list[Two]:
    """Two settings of a data set, and some of the users who have both."""
    store = session.store()
    cells = st.columns((1, 1.5, 1.5), gap="small")
    names = {name: plain(name, 60) for name in runs.values(store, "dataset")}
    with cells[0]:
        dataset = _select("Data set", "judge-dataset", names)
    known = judging.settings(store, dataset)
    fields = changed([one.request for one in known])
    labels = {
        one.key: f"{plain(judging.in_words(one.request, fields), 90)} · {plural(len(one.by_user), 'user')}"
        for one in known
    }
    with_some = {one.key: labels[one.key] for one in known if _demonstrates(one)} or labels
    with cells[2]:
        b = _select("B", f"judge-b-{dataset}", with_some)
    with cells[1]:
        own = {OWN: "the same runs without demonstrations"}
        a = _select("A", f"judge-a-{dataset}", own | {key: each for key, each in labels.items() if key != b})
    settings = {one.key: one for one in known}
    return _over(settings.get(a), settings[b])


def _demonstrates(setting: Setting) -> bool:
    chosen = setting.request.demonstrations
    return setting.request.demos != "none" if chosen is None else bool(chosen)


def _over(a: Setting | None, b: Setting | None) -> list[Two]:
    """Lists of both for as many of the users who have both as are asked for."""
    if b is None:
        return []
    both = len(judging.over_users(a, b, judging.READ, 0))
    if not both:
        st.caption("No user has runs of both. Choose others, or rank the same users with both.")
        return []
    most = min(both, judging.MOST)
    asked = remembered(
        st.number_input,
        "Users",
        "judge-users",
        min(USERS, most),
        "value",
        min_value=1,
        max_value=judging.MOST,
        width=180,
        help="Each is one pair. Drawn by the seed from those who have both.",
    )
    st.caption(f"{plural(both, 'user')} {'has' if both == 1 else 'have'} both.")
    return judging.over_users(a, b, min(asked, most), widgets.kept("judge-seed", 0))


def _rest(chosen: Sequence[Two]) -> None:
    """Name, question and what else a comparison has, and the button that makes it."""
    cells = st.columns((1.4, 2, 0.6, 0.6), vertical_alignment="bottom", gap="small")
    with cells[0]:
        remembered(
            st.text_input, "Name (judges do not see it)", "judge-new-name", "", "value", max_chars=100,
            placeholder="with or without demonstrations",
        )  # fmt: skip
    with cells[1]:
        remembered(
            st.text_input, "Question", "judge-question", judging.QUESTION, "value",
            max_chars=judging.LONGEST_REASON,
        )  # fmt: skip
    with cells[2]:
        remembered(
            st.number_input, "Titles", "judge-length", judging.LENGTH, "value", min_value=1,
            max_value=judging.LONGEST, help="Of each list, from the top. Both are cut to the same length.",
        )  # fmt: skip
    with cells[3]:
        remembered(
            st.number_input, "Seed", "judge-seed", 0, "value", min_value=0, max_value=LONGEST_SEED,
            help="Of the users, the order of the pairs and which list stands on the left.",
        )  # fmt: skip
    st.button(
        f"Create {plural(len(chosen), 'pair')}",
        key="judge-create",
        type="primary",
        on_click=_create,
        args=(list(chosen),),
    )


def _create(chosen: list[Two]) -> None:
    store = session.store()
    made = judging.make(store, chosen, widgets.kept("judge-length", judging.LENGTH))
    name = " ".join(widgets.kept("judge-new-name", "").split()) or " or ".join(made.labels)
    found = judging.create(
        store,
        name[:100].strip(),
        made,
        widgets.kept("judge-question", judging.QUESTION),
        widgets.kept("judge-seed", 0),
    )
    widgets.forget("judge-new-name")
    st.query_params.from_dict({"comparison": str(found.id)})


def _select(label: str, name: str, labels: Mapping[str, str]) -> str:
    """A select box of these options; the first one at first, and where the chosen one is there no more."""
    options = list(labels)
    answer = widgets.kept(name, options[0])
    answer = answer if answer in labels else options[0]
    key = widgets.showing(name, answer)
    st.selectbox(
        label,
        options,
        index=options.index(answer),
        key=key,
        format_func=lambda option: labels.get(option, str(option)),
        on_change=lambda: widgets.keep(name, st.session_state[key]),
    )
    return answer
