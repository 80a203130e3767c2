"""What judges see: two lists for one history, without a hint at which is which, and three answers.

Nothing of a pair but its titles reaches the browser. The name stands in the address, so a reload continues
where it stopped; the navigation is left out, as other pages say which run is which.
"""

from collections.abc import Sequence

import streamlit as st

from dashboard.state import session
from dashboard.text.formats import plural
from dashboard.text.literal import md
from dashboard.ui import bare, rights
from dashboard.ui.notices import card, heading, problem
from dashboard.ui.titles import whole
from db import judging
from db.errors import Conflict, DualensError, NotFound
from db.judging import TIE, Judge, Judgement, Judging, Pair

NAME = "judge-name"
KNOWN = "judge-known"
BACK = "judge-back"
NOTE = "judge-note"
HERE = "judging-here"
LEFT, RIGHT = "left", "right"
HISTORY_PX = 420
ONE_LINE = 44  # letters that fit beside each other on a laptop; else all titles get two lines
READ_ONLY = "Nobody judges here: this dashboard was started with --read-only. Nothing is kept."


def draw(token: str) -> None:
    """The next pair of whoever the address names; before, who that is; behind the last, thanks."""
    bare.draw()
    store = session.store()
    try:
        found = judging.by_token(store, token)
    except NotFound as error:
        with st.container(key="judge-welcome"):
            problem(str(error))
        return
    name = str(st.query_params.get("as", ""))
    judge = None if rights.reads_only() else judging.find_judge(store, found, name)
    if judge is None:
        _welcome(found, name)
        return
    here(found.id, judge.name)
    said = {each.pair: each for each in judging.judgements(store, found, judge)}
    order = judging.order(found, judge)
    left_over = [number for number, _ in order if number not in said]
    back = st.session_state.get(BACK)
    if back in said or left_over:
        _pair(found, judge, order, said, back if back in said else left_over[0])
    else:
        _thanks(found, judge, order)


def here(number: int, name: str | None) -> None:
    """Remember that a comparison is judged in this window under this name, or (None) no more."""
    st.session_state.setdefault(HERE, {})[number] = name


def judging_here(number: int) -> str | None:
    """Under which name a comparison is judged in this window."""
    return st.session_state.get(HERE, {}).get(number)


def _welcome(found: Judging, name: str) -> None:
    with st.container(key="judge-welcome"):
        st.header(md(found.question), anchor=False)
        st.markdown(
            f"You will see {plural(found.pairs, 'pair')} of lists, each pair for the history of one person. "
            "Pick the list that answers the question better, or call it a tie. A reason helps, but is not "
            "needed. You can stop at any time and continue later with the same link and name."
        )
        if rights.reads_only():
            st.info(READ_ONLY)
            return
        st.text_input("Your name", name, key=NAME, max_chars=60, placeholder="as the results will show it")
        token = found.token
        st.button("Start", key="judge-start", type="primary", on_click=_start, args=(token,))
        if known := st.session_state.get(KNOWN):
            who, judged = known
            st.warning(
                md(
                    f"Somebody judges as “{who}” already: {judged} of {plural(found.pairs, 'pair')}. "
                    "Continue if that is you; else choose another name."
                )
            )
            st.button(f"Continue as {md(who, 40)}", key="judge-continue", on_click=_enter, args=(token, who))


def _start(token: str) -> None:
    """Begin under the name that was typed, unless somebody has it already: then ask."""
    store, name = session.store(), " ".join(st.session_state[NAME].split())
    found = judging.by_token(store, token)
    there = judging.find_judge(store, found, name) if name else None
    if there is not None:
        st.session_state[KNOWN] = (there.name, there.judged)
        return
    _enter(token, name)


def _enter(token: str, name: str) -> None:
    store = session.store()
    judge = judging.join(store, judging.by_token(store, token), name)
    st.session_state.pop(KNOWN, None)
    st.query_params["as"] = judge.name


def _pair(
    found: Judging,
    judge: Judge,
    order: Sequence[tuple[int, str]],
    said: dict[int, Judgement],
    number: int,
) -> None:
    """One pair with its answers."""
    numbers = [each for each, _ in order]
    place, before = numbers.index(number), said.get(number)
    with st.container(key="judge-pair", gap="small"):
        st.header(md(found.question), anchor=False)
        with st.container(
            horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="judge-line"
        ):
            st.caption(
                f"Pair {place + 1} of {found.pairs}, {len(said)} judged, as {md(judge.name, 40)}",
                width="content",
            )
            st.text_input(
                "Reason (optional, before you pick)",
                before.reason if before else "",
                key=_reason(number),
                max_chars=judging.LONGEST_REASON,
                width=380,
            )
            _answers(found, judge, numbers, number, before)
        if note := st.session_state.pop(NOTE, None):
            st.warning(md(note))
        if before:
            shown = "a tie" if before.choice == TIE else f"the {_side(before.choice, before.left)} list"
            st.caption(f"You picked {shown}. Picking again replaces it.")
        _lists(judging.pair(session.store(), found, number), dict(order)[number])


def _answers(
    found: Judging, judge: Judge, numbers: Sequence[int], number: int, before: Judgement | None
) -> None:
    with st.container(horizontal=True, width="content", gap="small", key="judge-answers"):
        place = numbers.index(number)
        earlier = numbers[place - 1] if place else None
        st.button(
            "Back", key="judge-back-button", type="tertiary", shortcut="B", disabled=earlier is None,
            on_click=_back, args=(earlier,),
        )  # fmt: skip
        for label, choice, key in (
            ("Left list", LEFT, "Left"),
            ("Tie", TIE, "T"),
            ("Right list", RIGHT, "Right"),
        ):
            st.button(
                label,
                key=f"judge-{choice}-{number}",
                type="secondary" if choice == TIE else "primary",
                shortcut=key,
                on_click=_pick,
                args=(found.token, judge.name, number, choice, before is not None),
            )


def _lists(pair: Pair, left: str) -> None:
    a, b = pair.lists
    shown = (a, b) if left == judging.A else (b, a)
    lines = 2 if any(len(title) > ONE_LINE for listed in shown for title in listed.titles) else 1
    cells = st.columns((1, 1.25, 1.25), gap="small")
    with cells[0], card("judge-history"):
        heading("History", "The newest first.")
        with st.container(height=HISTORY_PX, border=False):
            st.html(titles(pair.history[::-1], 1))
    for cell, name, listed in zip(cells[1:], (LEFT, RIGHT), shown, strict=True):
        with cell, card(f"judge-{name}"):
            heading(f"{name.capitalize()} list", "The best first.")
            st.html(titles(listed.titles, lines))


def titles(shown: Sequence[str], lines: int) -> str:
    """Titles as a numbered list in HTML, each of so many lines."""
    return f'<ol class="judged">{"".join(f"<li>{whole(title, lines=lines)}</li>" for title in shown)}</ol>'


def _thanks(found: Judging, judge: Judge, order: Sequence[tuple[int, str]]) -> None:
    with st.container(key="judge-thanks"):
        st.header(f"Thank you, {md(judge.name, 40)}", anchor=False)
        st.markdown(
            f"You judged all {plural(found.pairs, 'pair')}. Whoever sent you the link sees what came out. "
            "You can still change an answer."
        )
        st.button(
            "Back to the last pair", key="judge-last", shortcut="B", on_click=_back, args=(order[-1][0],)
        )


def _back(number: int) -> None:
    st.session_state[BACK] = number


def _pick(token: str, name: str, number: int, choice: str, again: bool) -> None:
    """Keep an answer, and let the next pair come. The pair is the one the button stood at."""
    store = session.store()
    found = judging.by_token(store, token)
    judge = judging.find_judge(store, found, name)
    if judge is None:
        raise DualensError("Nobody judges under this name any more. Open the link again. Nothing was kept.")
    left = dict(judging.order(found, judge))[number]
    side = choice if choice == TIE else left if choice == LEFT else _other(left)
    reason = st.session_state.get(_reason(number), "")
    st.session_state.pop(BACK, None)
    try:
        judging.record(store, found, judge, number, side, reason, replace=again)
    except Conflict as error:
        st.session_state[NOTE] = str(error)


def _other(side: str) -> str:
    return judging.B if side == judging.A else judging.A


def _side(choice: str, left: str) -> str:
    return LEFT if choice == left else RIGHT


def _reason(number: int) -> str:
    return f"judge-reason-{number}"
