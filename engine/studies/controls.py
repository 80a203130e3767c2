"""Controls in a study: copies of the demonstrations without a model, placebos, and what both say in words.

A model that is shown demonstrations may learn from them, repeat them or only take their format. The copies
repeat; the placebos keep the format, and where the windows are the same, their items. What the model adds to
the copies, and the demonstrations to the placebos, is a paired difference over users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.choices import COMPARED, COPIES, FILLED_BY
from engine.demos import selection
from engine.evaluation.statistics import better, paired_tests, together
from engine.studies import table_cells
from engine.studies.copied import PLACEBOS
from engine.studies.recicl_claim import in_words
from engine.studies.table_cells import Table

DECIDING = "ndcg10"  # the measure the sentences speak of
BLIND = (
    "Copies cannot count the target's item where what shows it was left out: that the model is above them "
    "says nothing of it."
)

Values = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Per strategy or control and measure the values per user [users], users in the same order everywhere."""


def notes(names: Sequence[str], of: str, measured: Sequence[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Which demonstrations the controls among `names` take, and how near the placebos come to them.

    measured: of each user, by placebo, what `measured` of its strategy says; the numbers add up.
    """
    if not any(name in names for name in (*COPIES, *PLACEBOS)):
        return []
    said = [
        f"Controls take the demonstrations of {FILLED_BY[of].label}: copies count, without a model, those "
        "that the prompt has room for; placebos stand in their place."
    ]
    for name in PLACEBOS:
        users = [user[name] for user in measured if name in user]
        if users:
            summed = {part: sum(user[part] for user in users) for part in users[0]}
            said.append(selection.strategy(name).said(summed))
    return said


def left_out(excluded: int, chosen: int) -> str:
    """How many demonstrations were left out over all users, because they show the target's item."""
    return (
        f"Demonstrations that show the target's item were left out after the choice, {excluded} of {chosen} "
        "in all. This takes knowledge of the target: it tells what remains without them and chooses nothing."
    )


def adds(
    values: Values, model: str, measures: Mapping[str, str], seed: int, label: str = "", blind: bool = False
) -> dict[str, Any] | None:
    """What a model with demonstrations adds to the controls: `{of, tests, said}`; None without any of them.

    model: its name among `values`; label: what sentences call its demonstrations. measures: name -> as papers
    write it. tests: paired differences from each control, `p_holm` corrected for all controls of a measure.
    said: a sentence from the stronger copy and one from each placebo. blind: what shows the target's item was
    left out, so that copies cannot count it.
    """
    controls = [name for name in (*COPIES, *PLACEBOS) if name in values]
    if model not in values or not controls:
        return None
    found = {}
    for measure in measures:
        rows = np.array([values[model][measure] - values[name][measure] for name in controls])
        found[measure] = together(paired_tests(rows, seed))
    tests = {
        name: {measure: found[measure][place] for measure in measures} for place, name in enumerate(controls)
    }
    means = {name: float(values[name][DECIDING].mean()) for name in (model, *controls)}
    return {
        "of": model,
        "tests": [{"better": model, "than": name, **test} for name, test in tests.items()],
        "said": sentences(
            means,
            model,
            {name: test[DECIDING] for name, test in tests.items()},
            measures[DECIDING],
            label or COMPARED[model].label,
            blind,
        ),
    }


def sentences(
    means: Mapping[str, float],
    model: str,
    tests: Mapping[str, Mapping[str, Any]],
    measure: str,
    label: str,
    blind: bool = False,
) -> list[str]:
    """What the model adds to the stronger copy, and its demonstrations to each placebo."""
    said = []
    copies_here = [name for name in COPIES if name in tests]
    if copies_here and blind:
        said.append(BLIND)
    elif copies_here:
        best = max(copies_here, key=means.__getitem__)
        said.append(
            f"With {label} the model reaches {measure} {means[model]:.3f}, {COMPARED[best].label} "
            f"{means[best]:.3f}. {_verdict('the model adds', 'to copying', tests[best])}"
        )
    for name in PLACEBOS:
        if name in tests:
            verdict = _verdict("its demonstrations add", "to this placebo", tests[name])
            said.append(f"{_capital(COMPARED[name].label)}: {means[name]:.3f}. {verdict}")
    return said


def table(compared: Mapping[str, Any]) -> Table:
    """The paired differences from the controls, for the command line."""
    measures = [name for name, value in compared["tests"][0].items() if isinstance(value, Mapping)]
    rows = [
        [
            _in_short(test["better"]),
            test["than"],
            *(table_cells.difference(test[measure]) for measure in measures),
        ]
        for test in compared["tests"]
    ]
    return ["paired difference of", "and control", *measures], rows


def _in_short(name: str | Sequence[str]) -> str:
    return name if isinstance(name, str) else " ".join(name)


def _verdict(who: str, what: str, test: Mapping[str, Any]) -> str:
    """In words whether a paired difference is one, by its p with Holm's correction."""
    found = in_words(test)
    if better(test):
        return f"{_capital(who)} something {what}: {found}."
    if better({**test, "mean": -test["mean"]}):
        return f"{_capital(who)} nothing {what}, which is better: {found}."
    return f"It is not sure that {who} anything {what}: {found}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
