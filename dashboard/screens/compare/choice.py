"""Which two to four runs the Compare page shows: its pickers, its address, what it proposes at first."""

from collections.abc import Sequence
from dataclasses import fields, replace

import streamlit as st

from dashboard.state import links, session
from dashboard.state.waiting import Answer, ask
from dashboard.state.work import ENDED
from dashboard.ui import address, opening, progress, rights, run_picker, sharing
from dashboard.ui.notices import RECOMMEND, empty, looks, problem
from db import jobs, runs
from db.errors import NotFound
from db.requests import RunRequest
from db.runs import Run, RunSummary

PAGE = "compare"
SIDES = "abcd"
NEEDED = "ab"
_OF_DEMONSTRATIONS = (
    *("demonstrations", "weights", "keep", "prompts", "perturb", "prescore", "forward", "control_of"),
    "exclude_target_item",
)
_SECOND = "compare-second"  # the job of a second run, where the only one was to get company

Chosen = dict[str, Run | None]
"""By side; None where nothing is chosen yet."""


def choose() -> list[Run] | None:
    """Draw the pickers; the runs to compare, or None after saying what to do."""
    known = run_picker.listed(PAGE)
    stored = known.total if not known.words else runs.count(session.store())
    if stored < len(NEEDED):
        _too_few(stored)
        return None
    chosen = _chosen()
    _pickers(known, chosen)
    found = {side: run for side, run in chosen.items() if run is not None}
    if len(found) < len(chosen):
        empty("Choose two runs", "The list moves from A to B; the differences stand beside it.", 200)
        return None
    address.complete(PAGE, {side: run.key for side, run in found.items()})
    return list(found.values())


def _too_few(stored: int) -> None:
    if stored == 0:
        about = "Every run on Recommend is stored and can be compared here."
        empty("No stored runs yet", about, way=RECOMMEND)
    else:
        (only,) = runs.listing(session.store())
        _second(runs.get(session.store(), only.key))
    looks(PAGE)


def _second(run: Run) -> None:
    """A second run to compare the only one with: the same without what it has, or with it."""
    bare = not run.result["demonstrations"]
    other = _with(run.request, "neighbours:4" if bare else "none")
    about = "Change a demonstration, a weight or an option on Recommend and run again. Or start here:"
    empty("Only one run is stored so far", about)
    with st.container(horizontal_alignment="center", key="second-run"):
        if (known := st.session_state.get(_SECOND)) is not None:
            job = jobs.get(session.store(), known)
            if job.state not in ENDED:
                progress.watch(job, "Ranking")
                return
            if (error := Answer(job).error) is not None:
                problem(error)
        words = "with neighbours' demonstrations" if bare else "without demonstrations"
        rights.work_button(f"Run the same {words}", key="run-second", on_click=_run, args=(other,))


def _with(request: RunRequest, demos: str) -> RunRequest:
    """The same question with other demonstrations, chosen plainly."""
    usual = {each.name: each.default for each in fields(RunRequest) if each.name in _OF_DEMONSTRATIONS}
    return replace(request, **{**usual, "demos": demos})


def _run(request: RunRequest) -> None:
    st.session_state[_SECOND] = ask(session.store(), "rank", {"request": request.to_json()}, 0.0).job.id


def _chosen() -> Chosen:
    """The runs of the address (`a` to `d`: a key or its beginning) or picked last, else proposed ones."""
    params = st.query_params.to_dict() or links.kept(PAGE)
    asked = {side: params.get(side) for side in SIDES}
    if not any(asked.values()):
        proposed = propose(runs.listing(session.store()))
        return {side: runs.by_key(session.store(), key) for side, key in zip(NEEDED, proposed, strict=True)}
    found = {side: _found(side, key) for side, key in asked.items()}
    return {side: run for side, run in found.items() if run is not None or side in NEEDED}


def _found(side: str, key: str | None) -> Run | None:
    if not key:
        return None
    try:
        return runs.get(session.store(), key)
    except NotFound as error:
        problem(f"Run {side.upper()}: {error} Choose another one below.")
        return None


def propose(known: Sequence[RunSummary]) -> tuple[str, str]:
    """Of two runs at least, newest first: the newest that has an older one of the same user, after that one;
    else the two newest."""
    for at, newer in enumerate(known):
        for older in known[at + 1 :]:
            if (older.dataset, older.user_id) == (newer.dataset, newer.user_id):
                return older.key, newer.key
    return known[1].key, known[0].key


def another(known: Sequence[RunSummary], chosen: Sequence[Run]) -> str | None:
    """The newest run that is not chosen yet, of the user of the first one where there is one."""
    others = [run for run in known if run.key not in [each.key for each in chosen]]
    first = chosen[0].request
    alike = [run for run in others if (run.dataset, run.user_id) == (first.dataset, first.user)]
    return next((run.key for run in [*alike, *others]), None)


def _pickers(known: run_picker.Listed, chosen: Chosen) -> None:
    """A search, a select box for each run of what it finds, and ways to swap, add and drop runs."""
    keys = {side: run.key if run else None for side, run in chosen.items()}
    widths = (*(1 for _ in chosen), 0.6)
    cells = st.container(key="pickers").columns(widths, vertical_alignment="bottom", gap="xsmall")
    for cell, (side, run) in zip(cells, chosen.items(), strict=False):

        def picked(key: str | None, side: str = side) -> None:
            _show(keys | {side: key})

        with cell:
            run_picker.select(f"Run {side.upper()}", f"pick-run-{side}", known, run, picked)
    with cells[-1]:
        run_picker.search(PAGE)
    with run_picker.summary(PAGE, known):
        found = [run for run in chosen.values() if run is not None]
        if len(found) == len(chosen):
            st.button("Swap A and B", on_click=_show, args=(keys | {"a": keys["b"], "b": keys["a"]},))
            _more_or_fewer(known, keys, found)
            if len({run.key for run in found}) == len(found):
                sharing.draw(*(run.key for run in found))
                opening.in_judge(*(run.key for run in found))


def _more_or_fewer(known: run_picker.Listed, keys: dict[str, str | None], found: Sequence[Run]) -> None:
    if len(keys) < len(SIDES) and (key := another(known.runs, found)) is not None:
        st.button("Add a run", on_click=_show, args=(keys | {SIDES[len(keys)]: key},))
    if len(keys) > len(NEEDED):
        last = SIDES[len(keys) - 1]
        fewer = {side: key for side, key in keys.items() if side != last}
        st.button(f"Drop run {last.upper()}", key="drop-run", on_click=_show, args=(fewer,))


def _show(keys: dict[str, str | None]) -> None:
    """Write all runs to the address at once: one step in the browser's history."""
    params = {side: key for side, key in keys.items() if key}
    st.query_params.from_dict(params)
    links.keep(PAGE, params)  # only what a person picked: else the navigation opens the newest runs
