"""The story of an experiment: what it concludes, its leaderboard, for whom it decides, what quality costs."""

from collections.abc import Mapping
from typing import Any

from dashboard.report import facts, pictures
from dashboard.report.story import Step, Story, Table, Text, framed, said, told
from dashboard.screens.experiments import leaderboard_tables, pair_text
from dashboard.screens.experiments.experiment_text import DECIDING, Experiment, about, headline
from dashboard.text.formats import moment, number, plural
from dashboard.text.literal import md, plain
from db.experiments import MEASURES
from db.requests.experiment_file import written

TESTS = (
    "Paired by user; p by sign flips, corrected by Holm's method for all rows compared with the reference. "
    "Win, tie and loss count users; the smallest detectable difference is what so many users show with 80 % "
    "power."
)
FILE = "experiment.yaml"


def story(experiment: Experiment) -> Story:
    """What is told of an experiment."""
    found, request, number_ = experiment.found, experiment.request, str(experiment.job.id)
    simulated = bool(found.get("simulated"))
    return Story(
        kind="experiment",
        title=experiment.title,
        about=about(experiment),
        ids=(number_,),
        steps=tuple(_steps(experiment)),
        method=said(
            "Every row ranks the same candidate lists of the same users.",
            "Means over users with 95 % intervals; values are averaged over draws first.",
            TESTS if found.get("comparisons") else None,
            leaderboard_tables.controls(experiment),
        ),
        limits=said(facts.SIMULATED if simulated else None, _state(experiment), *(found.get("notes") or [])),
        texts=(Text(f"The experiment as a file, {FILE}", written(request)),) if request else (),
        facts=_facts(experiment),
        commands=(
            *facts.data_first([(str(experiment.asked.get("dataset", "?")), simulated)]),
            *([facts.command("experiment", "run", FILE)] if request else []),
            facts.report_again([number_]),
        ),
    )


def _state(experiment: Experiment) -> str | None:
    done = experiment.job.state == "COMPLETED"
    return None if done else f"The experiment is {experiment.state}: its numbers may change."


def _facts(experiment: Experiment) -> dict[str, str]:
    models = [model for model in experiment.found.get("models") or [] if isinstance(model, Mapping)]
    values = {
        "experiment": str(experiment.job.id),
        "filed": f"{moment(experiment.job.created_at)} UTC",
        "data set": experiment.asked.get("dataset"),
        "models": ", ".join(f"{model.get('name')} ({model.get('revision')})" for model in models),
        **facts.written(),
    }
    return {name: plain(value, facts.LONGEST) for name, value in values.items() if value}


def _steps(experiment: Experiment) -> list[Step]:
    measures = experiment.measures()
    if not measures:
        return [Step("The result", headline(experiment))]
    measure = DECIDING if DECIDING in measures else next(iter(measures))
    reference = experiment.reference
    rows, line = leaderboard_tables.dots_of(experiment, measure, reference)
    tests = leaderboard_tables.compared(experiment, measure, reference)
    words = f"{measures[measure]}, mean over users"
    main = Step(
        "The result",
        headline(experiment),
        f"{words} and 95 % interval. Dashed: the reference row, ◆. Blue: above it beyond chance, orange: "
        "below it.",
        (pictures.dots(rows, words, line),),
        told(framed(f"Against {md(experiment.labels[reference])}", tests)),
        said(leaderboard_tables.spread(experiment)),
    )
    return [main, *_zones(experiment), *_costs(experiment)]


def _zones(experiment: Experiment) -> list[Step]:
    """For whom the best other row decides."""
    found, labels = experiment.found, experiment.labels
    shown = [part for part in found.get("zones") or [] if {part["without"], part["with"]} <= set(labels)]
    if not shown:
        return []
    last = shown[-1]
    counts = {name: part["n"] for name, part in last["zones"].items()}
    names = (labels[last["with"]], labels[last["without"]])
    finding = (
        f"Among the first {last['k']}, {names[0]} has the target for {plural(counts['only_with'], 'user')} "
        f"for whom {names[1]} has not; for {counts['broken']} it is the other way round, and for "
        f"{counts['unsolved']} neither has it."
    )
    tables = [framed(f"First {part['k']}", pair_text.zones_table(found, part["k"])) for part in shown]
    return [Step("For whom it decides", finding, "Every user is in one zone.", tables=told(*tables))]


def _costs(experiment: Experiment) -> list[Step]:
    found: Mapping[str, Any] = experiment.found.get("frontier") or {}
    if not found.get("rows") or not found.get("said"):
        return []
    rows = tuple(
        (md(row["label"]), f"{row['cost']:,.0f}", number(row["ndcg10"], 3), "yes" if row.get("on") else "")
        for row in found["rows"]
    )
    head = ("row", str(found.get("unit", "cost")), MEASURES[DECIDING], "on the frontier")
    about_ = "On the frontier: no other row is better in both quality and cost."
    return [Step("What quality costs", found["said"], about_, tables=(Table("Rows by cost", head, rows),))]
