"""Studies as pages show them: what can be asked, and the tables a `study` job's result is made of.

Boundary: a job's payload, partial and result in; Markdown tables, numbers and sentences out. No Streamlit,
no store. A result is drawn from the parts it has, whatever study it is of: `cells` (row, column, estimates),
`series` (points over periods), `tests` (paired differences), `notes`; estimates are `{mean, low, high, n}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import pandas as pd

from dashboard.screens.studies.trust import trusted
from dashboard.state.work import Work
from dashboard.text.formats import (
    number,
    plural,
    seconds,
    signed,
)
from dashboard.text.literal import md, plain
from db.choices import STRATEGIES, STUDIES, StudyChoice

SURE = 0.05
NO_BREAK = "\u00a0"
MEASURES = {
    "ndcg10": "NDCG@10",
    "hr1": "HR@1",
    "auc": "AUC",
    "uauc": "uAUC",
    "spearman": "rank correlation",
    "pearson": "linear correlation",
    "top1": "same top demonstration",
    "pairs": "pairs in the same order",
}
NAMES = {  # of rows, conditions and series: as a heading, in a narrow column, in a sentence
    "base": ("before tuning", "before tuning", "the model before tuning"),
    "single": ("tuned on single questions", "single", "the single layout"),
    "recicl": ("tuned with demonstrations (RecICL)", "RecICL", "the RecICL layout"),
    "zero_shot": ("zero-shot", "zero-shot", "zero-shot"),
    "stale": ("stale demonstrations", "stale", "stale"),
    "fresh": ("fresh demonstrations", "fresh", "fresh"),
    "llm_fresh": ("LLM, fresh demonstrations", "LLM, fresh", "the LLM with fresh demonstrations"),
    "llm_stale": ("LLM, stale demonstrations", "LLM, stale", "the LLM with stale demonstrations"),
    "llm_zero_shot": ("LLM, no demonstrations", "LLM, none", "the LLM without demonstrations"),
    "sasrec_frozen": ("SASRec, frozen", "SASRec, frozen", "SASRec frozen"),
    "sasrec_retrained": (
        "SASRec, retrained each period",
        "SASRec, retrained",
        "SASRec retrained each period",
    ),
    "itemknn_frozen": ("item-kNN, frozen", "item-kNN, frozen", "item-kNN frozen"),
    "itemknn_retrained": ("item-kNN, retrained each period", "item-kNN, retrained", "item-kNN retrained"),
}
HEADING, SHORT, SPOKEN = range(3)


@dataclass(frozen=True)
class Study(Work):
    """One `study` job: what was asked and what it found, whole or so far."""

    @property
    def found(self) -> Mapping[str, Any]:
        return self.job.result or {}

    @property
    def what(self) -> StudyChoice | None:
        """None for a study this page starts none of; its result is shown all the same."""
        return STUDIES.get(str(self.asked.get("study")))

    @property
    def title(self) -> str:
        """Plain text."""
        label = self.what.label.partition(":")[0] if self.what else str(self.asked.get("study", "study"))
        return plain(f"{label} on {self.asked.get('dataset', '?')}", 80)

    def measures(self) -> list[str]:
        """What its cells or series are measured by, in the order of `MEASURES`, others after them."""
        told = [
            key for cell in self.found.get("cells") or [] for key, each in cell.items() if is_estimate(each)
        ]
        told += [str(self.found["metric"])] if self.found.get("metric") else []
        told += [
            key
            for each in (self.found.get("strategies") or {}).values()
            for key, value in each.items()
            if is_estimate(value)
        ]
        told += [
            key
            for score in (self.found.get("scores") or {}).values()
            for truth in score.values()
            if isinstance(truth, Mapping)
            for key, value in truth.items()
            if is_estimate(value) and key in MEASURES
        ]
        return [
            *(key for key in MEASURES if key in told),
            *(key for key in dict.fromkeys(told) if key not in MEASURES),
        ]


def is_estimate(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this is a mean over users."""
    return isinstance(value, Mapping) and "mean" in value


def named(name: object, form: int = HEADING) -> str:
    """A row, column or series in words; unknown ones as they are. Plain text."""
    if isinstance(name, list | tuple):
        return ", ".join(named(each, form) for each in name)
    known = NAMES.get(str(name))
    if known:
        return known[form]
    return STRATEGIES[str(name)].label if str(name) in STRATEGIES else plain(str(name).replace("_", " "), 60)


def measured(name: str) -> str:
    """A measure as papers write it."""
    return MEASURES.get(name, plain(name, 30))


def cell_text(value: Mapping[str, Any], *, best: bool = False) -> str:
    """A mean and its interval as Markdown."""
    mean = f"**{number(value['mean'], 3)}**" if best else number(value["mean"], 3)
    if value.get("low") is None:
        return f"{mean} :gray[n {value.get('n', '?')}]"
    interval = f"{number(value['low'], 3)} to {number(value['high'], 3)}".replace(" ", NO_BREAK)
    return f"{mean}{NO_BREAK}:gray[{interval}]"


def grid(found: Mapping[str, Any], measure: str) -> pd.DataFrame:
    """The cells as a table in Markdown: a line per row, a column per condition."""
    cells = [cell for cell in found.get("cells") or [] if is_estimate(cell.get(measure))]
    best = max((cell[measure]["mean"] for cell in cells), default=None)
    at = {
        (str(cell["row"]), str(cell["column"])): cell_text(cell[measure], best=cell[measure]["mean"] == best)
        for cell in cells
    }
    return _table(at, found.get("rows") or {})


def so_far(partial: Mapping[str, Any] | None) -> tuple[str, pd.DataFrame] | None:
    """The measure and the means of what a running study has, as the same table; None before the first."""
    told = (partial or {}).get("so_far") or {}
    for measure, rows in told.items():
        if not isinstance(rows, Mapping) or not rows:
            continue
        at = {}
        for row, value in rows.items():
            columns = {measured(measure): value} if is_estimate(value) else value
            for column, each in columns.items():
                if is_estimate(each):
                    at[str(row), str(column)] = cell_text({"mean": each["mean"], "n": each.get("n")})
        if at:
            return measure, _table(at, {})
    return None


def _table(at: Mapping[tuple[str, str], str], rows: Mapping[str, Any]) -> pd.DataFrame:
    """Markdown cells by (row, column); `rows`: what is known of the rows' models."""
    lines = _ordered(row for row, _ in at)
    columns = _ordered(column for _, column in at)
    heads = {row: md(named(row)) for row in lines}
    for row in lines:
        if isinstance(rows.get(row), Mapping) and rows[row].get("model"):
            heads[row] += f" :gray[{md(rows[row]['model'], 32)}]"
    body = {md(named(column)): [at.get((row, column), "–") for row in lines] for column in columns}
    return pd.DataFrame({"": [heads[row] for row in lines], **body})


def _ordered(names: Iterable[str]) -> list[str]:
    """Each once, in the order of `NAMES`, others after them as they came: stored JSON sorts its keys."""
    once = list(dict.fromkeys(names))
    return [name for name in NAMES if name in once] + [name for name in once if name not in NAMES]


def tests(found: Mapping[str, Any], measure: str) -> pd.DataFrame:
    """The paired differences as a table in Markdown, with what each says."""
    rows = [
        (named(test["better"], SHORT), named(test["than"], SHORT), test[measure])
        for test in found.get("tests") or []
        if is_estimate(test.get(measure))
    ]
    return pd.DataFrame(
        {
            "": [md(one) for one, _, _ in rows],
            "against": [md(other) for _, other, _ in rows],
            "difference": [_difference(value) for _, _, value in rows],
            "95 % interval": [f"{signed(v['low'], 3)} to {signed(v['high'], 3)}" for _, _, v in rows],
            "p": [p_text(value["p"]).removeprefix("p").removeprefix(" = ").lstrip() for _, _, value in rows],
            "says": [verdict(value) for _, _, value in rows],
        }
    )


def verdict(value: Mapping[str, Any]) -> str:
    """Whether a paired difference is one."""
    if value["p"] >= SURE:
        return "no clear difference"
    return "better" if value["mean"] > 0 else "worse"


def _difference(value: Mapping[str, Any]) -> str:
    text = signed(value["mean"], 3)
    if value["p"] >= SURE:
        return text
    return f":{'blue' if value['mean'] > 0 else 'orange'}[**{text}**]"


def p_text(p: float) -> str:
    """p of a test, as papers write it."""
    return f"p <{NO_BREAK}0.001" if p < 0.001 else f"p = {p:.3f}"


def points(found: Mapping[str, Any]) -> pd.DataFrame:
    """The series as a long table to sort and to take away, plain text and numbers."""
    rows = [(each["label"], point) for each in found.get("series") or [] for point in each["points"]]
    return pd.DataFrame(
        {
            "series": [plain(label, 60) for label, _ in rows],
            **{
                name: [point.get(name) for _, point in rows]
                for name in ("elapsed", "mean", "low", "high", "n")
            },
        }
    )


def sentence(study: Study) -> str:
    """What the study found, in words made from its numbers. Plain text."""
    found = study.found
    if study.job.state != "COMPLETED":
        return "It is not finished: means may still move, and nothing is tested yet."
    if said := trusted(found):
        return said
    if found.get("claim"):
        return str(found["claim"])
    measure = next(iter(study.measures()), "")
    said = [test for test in found.get("tests") or [] if is_estimate(test.get(measure))][:3]
    if not said:
        return "The study tested nothing."
    parts = [
        f"{named(test['better'], SPOKEN)} {_is(test[measure])} {named(test['than'], SPOKEN)} "
        f"({signed(test[measure]['mean'], 3)} {measured(measure)}, {p_text(test[measure]['p'])})"
        for test in said
    ]
    told = "; ".join(parts)
    return f"{told[0].upper()}{told[1:]}."


def _is(value: Mapping[str, Any]) -> str:
    return {"better": "beats", "worse": "falls behind"}.get(verdict(value), "cannot be told from")


def about(found: Mapping[str, Any]) -> str:
    """What was asked of whom, in one line. Plain text."""
    split, asked = found.get("split") or {}, found.get("request") or {}
    users = next((cell.get("n") for cell in found.get("cells") or []), found.get("users"))
    users = found.get("measured", users)
    parts = [plural(users, "user")] if isinstance(users, int) else []
    if split.get("kind") == "periods":
        parts.append(
            f"purchases after {split.get('date')} (period {split.get('cut')} of {split.get('periods')} on)"
        )
    elif split:
        parts.append("everybody's last purchase")
    if found.get("short"):
        parts.append(f"{found['short']} left out with too few demonstrations")
    if asked.get("candidates"):
        parts.append(f"{asked['candidates']} candidates")
    if found.get("k"):
        parts.append(plural(found["k"], "demonstration"))
    elif asked.get("demos"):
        parts.append(str(asked["demos"]).replace(":", " "))
    if found.get("seconds") is not None:
        parts.append(f"measured in {seconds(found['seconds'])}")
    return plain(" · ".join(parts), 200)


def table(studies: Sequence[Study], now: float) -> pd.DataFrame:
    """One row per study, newest first; plain text."""
    return pd.DataFrame(
        {
            "study": [study.title for study in studies],
            "state": [study.state for study in studies],
            "model": [plain(study.asked.get("recicl") or study.asked.get("model"), 40) for study in studies],
            "users": [study.asked.get("users") for study in studies],
            "seed": [study.asked.get("seed", 0) for study in studies],
            "says": [plain(sentence(study), 160) if study.found else "–" for study in studies],
            "filed": [study.filed(now) for study in studies],
        }
    )
