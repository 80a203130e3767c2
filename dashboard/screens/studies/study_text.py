"""Studies as pages show them: the tables made of a `study` job's request and result.

Boundary: a job's payload, partial and result in; Markdown tables and numbers out. No Streamlit, no store. A
result is drawn from the parts it has, whichever study made it: `cells` (row, column, estimates), `series`
(points over periods), `tests` (paired differences), `notes`; estimates are `{mean, low, high, n}`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboard.state.work import Work
from dashboard.text.estimates import between, cell_text, difference, is_estimate, p_cell, verdict
from dashboard.text.literal import md, plain
from db.choices import COMPARED, STUDIES, StudyChoice

MEASURES = {
    "ndcg10": "NDCG@10",
    "hr1": "HR@1",
    "rated": "AUC by rating",
    "auc": "AUC",
    "uauc": "uAUC",
    "spearman": "rank correlation",
    "pearson": "linear correlation",
    "top1": "same top demonstration",
    "pairs": "pairs in the same order",
}
NAMES = {  # of rows, conditions and series: as a heading, in a narrow column, in a sentence
    "base": ("before tuning", "before tuning", "the model before tuning"),
    "single": ("tuned on single queries", "single", "the single layout"),
    "recicl": ("tuned with demonstrations (RecICL)", "RecICL", "the RecICL layout"),
    "zero_shot": ("zero-shot", "zero-shot", "zero-shot"),
    "stale": ("stale demonstrations", "stale", "stale"),
    "fresh": ("fresh demonstrations", "fresh", "fresh"),
    "fresh less zero_shot": (
        "gain from fresh demonstrations",
        "gain from fresh",
        "what fresh demonstrations add",
    ),
    "real": ("real titles", "real titles", "real titles"),
    "twin": ("made-up titles", "made-up titles", "made-up titles"),
    "demonstrations": ("with demonstrations", "with demonstrations", "with demonstrations"),
    "llm_fresh": ("LLM, fresh demonstrations", "LLM, fresh", "the LLM with fresh demonstrations"),
    "llm_renewed": (
        "LLM, demonstrations renewed each period",
        "LLM, renewed",
        "the LLM with demonstrations renewed each period",
    ),
    "llm_stale": ("LLM, stale demonstrations", "LLM, stale", "the LLM with stale demonstrations"),
    "llm_zero_shot": ("LLM, no demonstrations", "LLM, none", "the LLM without demonstrations"),
    "sasrec_frozen": ("SASRec, frozen", "SASRec, frozen", "SASRec frozen"),
    "sasrec_retrained": (
        "SASRec, retrained each period",
        "SASRec, retrained",
        "SASRec retrained each period",
    ),
    "itemknn_frozen": ("item-kNN, frozen", "item-kNN, frozen", "item-kNN frozen"),
    "itemknn_realtime": ("item-kNN, in real time", "item-kNN, real time", "item-kNN in real time"),
    "itemknn_retrained": ("item-kNN, retrained each period", "item-kNN, retrained", "item-kNN retrained"),
}
HEADING, SHORT, SPOKEN = range(3)


@dataclass(frozen=True)
class Study(Work):
    """One `study` job: its request and its result, complete or partial."""

    @property
    def found(self) -> Mapping[str, Any]:
        return self.job.result or {}

    @property
    def what(self) -> StudyChoice | None:
        """Its row of choices; None for a study that this page does not offer, whose result is shown too."""
        return STUDIES.get(str(self.asked.get("study")))

    @property
    def title(self) -> str:
        """Plain text."""
        label = self.what.label.partition(":")[0] if self.what else str(self.asked.get("study", "study"))
        return plain(f"{label} on {self.asked.get('dataset', '?')}", 80)

    def measures(self) -> list[str]:
        """The measures of its cells or series, in the order of `MEASURES`, others after them."""
        names = [
            key for cell in self.found.get("cells") or [] for key, value in cell.items() if is_estimate(value)
        ]
        names += [str(self.found["metric"])] if self.found.get("metric") else []
        names += [
            key
            for strategy in (self.found.get("strategies") or {}).values()
            for key, value in strategy.items()
            if is_estimate(value)
        ]
        names += [
            key
            for score in (self.found.get("scores") or {}).values()
            for truth in score.values()
            if isinstance(truth, Mapping)
            for key, value in truth.items()
            if is_estimate(value) and key in MEASURES
        ]
        return [
            *(key for key in MEASURES if key in names),
            *(key for key in dict.fromkeys(names) if key not in MEASURES),
        ]


def named(name: object, form: int = HEADING) -> str:
    """A row, column or series in words; unknown ones as they are. Plain text."""
    if isinstance(name, list | tuple):
        return ", ".join(named(part, form) for part in name)
    known = NAMES.get(str(name))
    if known:
        return known[form]
    return COMPARED[str(name)].label if str(name) in COMPARED else plain(str(name).replace("_", " "), 60)


def measured(name: str) -> str:
    """A measure as papers write it."""
    return MEASURES.get(name, plain(name, 30))


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
    """The measure and the means of a running study as a table in Markdown, with the number of users done.

    Rows with one mean each stand best first. None before the first mean.
    """
    for measure, rows in ((partial or {}).get("so_far") or {}).items():
        cells = {
            (str(row), str(column)): estimate
            for row, value in (rows.items() if isinstance(rows, Mapping) else ())
            for column, estimate in ({measure: value} if is_estimate(value) else value).items()
            if is_estimate(estimate)
        }
        if cells:
            return measure, _means(cells, measure)
    return None


def _means(cells: Mapping[tuple[str, str], Mapping[str, Any]], measure: str) -> pd.DataFrame:
    """Estimates by (row, column) as Markdown; the only column may be the measure itself."""
    best = max(estimate["mean"] for estimate in cells.values())
    columns = _ordered(column for _, column in cells)
    lines = _ordered(row for row, _ in cells)
    if columns == [measure]:
        lines = sorted(lines, key=lambda row: -cells[row, measure]["mean"])
    labels = {row: estimate["label"] for (row, _), estimate in cells.items() if estimate.get("label")}
    done = {row: max(cells[key].get("n") or 0 for key in cells if key[0] == row) for row in lines}
    body = {
        measured(column) if column == measure else named(column): [
            cell_text(cells[row, column], best=cells[row, column]["mean"] == best)
            if (row, column) in cells
            else "–"
            for row in lines
        ]
        for column in columns
    }
    heads = [plain(labels.get(row) or named(row), 60) for row in lines]
    return pd.DataFrame(
        {
            "": [md(head) for head in heads],
            **{md(head): texts for head, texts in body.items()},
            "users": [str(done[row]) for row in lines],
        }
    )


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
            "difference": [difference(value) for _, _, value in rows],
            "95 % interval": [between(value) for _, _, value in rows],
            "p": [p_cell(value["p"]).strip("*") for _, _, value in rows],
            "p, Holm": [p_cell(value.get("p_holm")) for _, _, value in rows],
            "verdict": [verdict(value) for _, _, value in rows],
        }
    )


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
