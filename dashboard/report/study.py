"""The story of a study: what it concludes, its chart, its paired tests and its controls, whichever it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.charts.dots import Dot
from dashboard.report import facts, pictures
from dashboard.report.story import Step, Story, Table, framed, joined, said, told
from dashboard.screens.studies import comparison_tables as tables
from dashboard.screens.studies import drift_chart, study_text
from dashboard.screens.studies.conclusion import added, conclusion
from dashboard.screens.studies.evidence import evidence_table
from dashboard.screens.studies.study_list import about
from dashboard.screens.studies.study_text import HEADING, SHORT, Study, measured, named
from dashboard.text.estimates import is_estimate, sure
from dashboard.text.formats import moment, plural
from dashboard.text.literal import md, plain
from db import contamination
from db.choices import STUDIES
from db.errors import DualensError
from db.requests import StudyRequest
from db.store import Store

TESTS = (
    "Two-sided permutation tests over users, paired; the interval holds what the test does not reject. Holm: "
    "p corrected for all tests made together, on which the verdict rests."
)
INTERVALS = "Means over users with 95 % intervals."


def story(store: Store, study: Study) -> Story:
    """What is told of a study."""
    found, asked = study.found, {**study.asked, **(study.found.get("request") or {})}
    request = _request(asked)
    simulated = bool(found.get("simulated"))
    return Story(
        kind="study",
        title=study.title,
        about=about(study),
        ids=(str(study.job.id),),
        steps=tuple(_steps(study)),
        method=said(
            f"{study.what.about}." if study.what else None,
            study.what.reads if study.what else None,
            INTERVALS,
            TESTS if found.get("tests") else None,
        ),
        limits=said(
            facts.SIMULATED if simulated else None,
            _state(study),
            _known(store, asked),
            *(found.get("notes") or []),
        ),
        tables=told(_inputs(request)) if request else (),
        facts=_facts(study),
        commands=(
            *facts.data_first([(str(asked.get("dataset", "?")), simulated)]),
            *([facts.study_again(request)] if request else []),
            facts.report_again([str(study.job.id)]),
        ),
    )


def _known(store: Store, asked: Mapping[str, Any]) -> str | None:
    """How far the model knew the data set's titles; nothing in the study that measures it."""
    if asked.get("study") == contamination.STUDY:
        return None
    return contamination.line(store, str(asked.get("dataset")), str(asked.get("model") or "embedded"))


def _request(asked: Mapping[str, Any]) -> StudyRequest | None:
    """The request, where this version has such a study."""
    try:
        return StudyRequest.from_json(asked)
    except DualensError:
        return None


def _inputs(request: StudyRequest) -> Table:
    row = STUDIES[request.study]
    fields = ("dataset", "model", "users", *row.asks, "seed")
    rows = tuple((md(label), md(value)) for label, value in facts.inputs(request, *fields))
    return Table("All inputs", ("input", "value"), rows)


def _state(study: Study) -> str | None:
    return None if study.job.state == "COMPLETED" else f"The study is {study.state}: its numbers may change."


def _facts(study: Study) -> dict[str, str]:
    job, model = study.job, study.found.get("model")
    model = model if isinstance(model, Mapping) else {"model": study.asked.get("model")}
    values = {
        "study": str(job.id),
        "filed": f"{moment(job.created_at)} UTC",
        "data set": study.asked.get("dataset"),
        "model": model.get("model"),
        "its revision": model.get("revision"),
        **facts.written(),
    }
    return {name: plain(value, facts.LONGEST) for name, value in values.items() if value}


def _steps(study: Study) -> list[Step]:
    found, measures = study.found, study.measures()
    short, more = conclusion(study)
    if not measures:
        return [Step("The result", short, more=tuple(more))]
    measure = measures[0]
    steps = [_main(study, measure, short, more)]
    steps += _truths(study)[1:] if found.get("scores") else []
    steps += [_tests_step(study, measures)] if found.get("tests") else []
    steps += [_controls_step(study, measures)] if added(found) else []
    return steps


def _main(study: Study, measure: str, short: str, more: Sequence[str]) -> Step:
    """The conclusion with the chart it is read from."""
    found = study.found
    if found.get("scores"):
        shown = _truths(study)
        first = shown[0] if shown else Step("The result", short)
        return Step("The result", short, first.about, first.pictures, first.tables, tuple(more))
    drawn, shown_tables = _drawn(study, measure)
    guarded = tables.guard_sentence(found)
    about_ = f"{measured(measure)}, mean over users and 95 % interval. {_reading(found)}".strip()
    return Step("The result", short, about_, drawn, shown_tables, said(*more, guarded))


def _reading(found: Mapping[str, Any]) -> str:
    if found.get("strategies"):
        return "Dashed: without demonstrations. Blue: surely better than without, orange: surely worse."
    return ""


def _drawn(study: Study, measure: str) -> tuple[tuple[str, ...], tuple[Table, ...]]:
    found = study.found
    drawn: list[str] = []
    shown: list[Table] = []
    if found.get("strategies"):
        rows, line = tables.strategy_dots(found, measure)
        drawn.append(pictures.dots(rows, f"{measured(measure)}, mean over users", line))
        shown += [framed("All strategies", tables.strategy_table(found))]
        shown += [framed("What choosing took", tables.strategy_details(found))]
    if found.get("evidence"):
        shown.append(framed("Real titles and histories beside controls", evidence_table(found)))
    if found.get("cells"):
        drawn.append(pictures.dots(cell_dots(found, measure), f"{measured(measure)}, mean over users"))
        shown += [framed(measured(each), study_text.grid(found, each)) for each in study.measures()]
    if found.get("series"):
        named_series = [
            {**each, "name": str(at)} for at, each in enumerate(found["series"]) if each["points"]
        ]
        style = {
            each["name"]: drift_chart.style(found["series"][int(each["name"])]["name"], at)
            for at, each in enumerate(named_series)
        }
        drawn.append(pictures.lines(named_series, measured(measure), style))
        shown.append(_points(found))
    return tuple(drawn), told(*shown)


def cell_dots(found: Mapping[str, Any], measure: str) -> list[Dot]:
    """A dot per cell of the table, the highest first."""
    cells = [cell for cell in found.get("cells") or [] if is_estimate(cell.get(measure))]
    cells = sorted(cells, key=lambda cell: -cell[measure]["mean"])
    return [
        Dot(
            f"{named(cell['row'], SHORT)}, {named(cell['column'], SHORT)}",
            cell[measure]["mean"],
            cell[measure].get("low"),
            cell[measure].get("high"),
            "up" if at == 0 else "same",
            f"{named(cell['row'], HEADING)}, {named(cell['column'], HEADING)}",
        )
        for at, cell in enumerate(cells)
    ]


def _points(found: Mapping[str, Any]) -> Table:
    frame = study_text.points(found)
    for name in ("mean", "low", "high"):
        frame[name] = [f"{value:.3f}" for value in frame[name]]
    frame["series"] = [md(label) for label in frame["series"]]
    return framed("All points", frame.rename(columns={"elapsed": "periods since the cut", "n": "users"}))


def _truths(study: Study) -> list[Step]:
    """A step for each truth that scores were compared with."""
    found = study.found
    steps = []
    for truth, label in tables.truths(found).items():
        for measure in tables.agreements(found, truth)[:1]:
            rows = tables.score_dots(found, truth, measure)
            name = f"{measured(measure)} with {label}"
            best = rows[0]
            steps.append(
                Step(
                    f"Against {label}",
                    f"Nearest to {label} is {best.label}: {measured(measure)} {best.mean:.3f}.",
                    f"{name}, mean over users and 95 % interval. Blue: effects; grey: other scores.",
                    (pictures.dots(rows, name),),
                    told(framed("What effects should reach", tables.bars_table(found))),
                )
            )
    return steps


def _tests_step(study: Study, measures: Sequence[str]) -> Step:
    found = study.found
    compared = [(each, study_text.tests(found, each)) for each in measures]
    compared = [(each, frame) for each, frame in compared if not frame.empty]
    measure = measures[0]
    # A pair is tested both ways round.
    pairs = {
        frozenset((str(test["better"]), str(test["than"]))): sure(test[measure])
        for test in found["tests"]
        if is_estimate(test.get(measure))
    }
    certain = sum(pairs.values())
    return Step(
        "Paired tests",
        f"Of {plural(len(pairs), 'pair')}, {certain or 'none'} "
        f"{'differs' if certain < 2 else 'differ'} in {measured(measure)} beyond chance after Holm's "
        "correction.",
        TESTS,
        tables=tuple(framed(measured(each), frame) for each, frame in compared),
    )


def _controls_step(study: Study, measures: Sequence[str]) -> Step:
    controls = study.found["controls"]
    shown = [framed(measured(each), study_text.tests(controls, each)) for each in measures]
    sentences = added(study.found)
    return Step(
        "What the model adds to its demonstrations, and they to their format",
        joined(sentences[:1]),
        "Copies count demonstrations without a model; placebos keep their format and break what they say.",
        tables=told(*shown),
        more=tuple(sentences[1:]),
    )
