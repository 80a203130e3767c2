"""What may be concluded from an experiment: its table, the differences from a reference row, and a sentence.

Boundary: cells in, JSON out; equal cells and seed give the same bytes, except `timings`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from db.errors import BadInput
from db.experiments import MEASURES
from engine.evaluation.power import POWER, users_needed
from engine.evaluation.statistics import SURE
from engine.studies.experiments import frontier as costs
from engine.studies.experiments import zones as by_zone
from engine.studies.experiments.across_users import across_users
from engine.studies.experiments.across_users import table as over_users
from engine.studies.experiments.beyond_accuracy import Catalogue
from engine.studies.experiments.cells import MODEL, Cells
from engine.studies.experiments.comparisons import comparisons
from engine.studies.experiments.leaderboard import SECONDS, leaderboard
from engine.studies.pairwise_tests import DECIDING
from engine.studies.plan import SIMULATED
from engine.studies.recicl_claim import in_words
from engine.studies.table_cells import Table, difference, interval

CORRECTION = "Holm"
QUALITY = ("ndcg10", "hr1", "hr10", "mrr", "uauc", "auc")
_DIGITS = 12  # significant, of every number: sums taken in another order end in the same bytes

Answer = dict[str, Any]


def answer(cells: Cells, known: Catalogue, reference: str, seed: int = 0, simulated: bool = False) -> Answer:
    """`{users, simulated, deciding, reference, best, challenger, contender, correction, rows, comparisons,
    zones, frontier, across_users, claim, notes, timings}`, ready for JSON.

    reference: key of the row that the others are compared with. best: key of the row with the highest
    deciding measure, challenger: of the highest other row than the reference (None of a single row),
    contender: the same among the rows of the reference's model, where it has others. rows: `leaderboard`;
    comparisons: by measure, reference and row (`comparisons`); zones: from the reference to the contender, at
    each depth (`zones`); frontier: against tokens (`frontier`); across_users:
    `across_users` of one model, None where no effects were measured. timings: `seconds` by row and the
    `frontier` against them. simulated: whether the data set is.

    Raises BadInput for a reference that is no row, and without users.
    """
    keys = [row.key for row in cells.rows]
    if reference not in keys:
        raise BadInput(f"reference: {reference!r} is none of the rows {', '.join(keys)}.")
    if not cells.users:
        raise BadInput("No user of the experiment is done: there is nothing to conclude from.")
    table = leaderboard(cells, known, seed)
    compared = comparisons(cells, seed)
    best, challenger = _highest(table["rows"]), _highest(table["rows"], reference)
    own = one_model(cells, reference)
    contender = _highest([row for row in table["rows"] if row["key"] in own], reference) or challenger
    said: Answer = {
        "users": len(cells.users),
        "simulated": simulated,
        "deciding": DECIDING,
        "reference": reference,
        "best": best,
        "challenger": challenger,
        "contender": contender,
        "correction": CORRECTION,
        "rows": table["rows"],
        "comparisons": compared,
        "zones": [by_zone.zones(cells, reference, contender, k) for k in by_zone.DEPTHS if contender],
        "frontier": costs.frontier(cells, costs.TOKENS, seed),
        "across_users": across_users(cells, own, seed),
        "notes": notes(len(keys), simulated),
        "timings": {**table["timings"], "frontier": costs.frontier(cells, costs.SECONDS, seed)},
    }
    return plain({**said, "claim": claim(said)})


def one_model(cells: Cells, reference: str) -> list[str]:
    """Keys of the rows of one model, the reference's where it is a model's: nats of different models do not
    add up."""
    models = {row.key: row.values.get("model") for row in cells.rows if row.kind == MODEL}
    first = models.get(reference, next(iter(models.values()), None))
    return [key for key, model in models.items() if model == first]


def claim(said: Mapping[str, Any]) -> str:
    """Sentences made of the numbers: which row is highest, whether its difference from the reference is
    beyond chance, and if not, what it would take; then the same of the highest row of the reference's model,
    where that is another one."""
    rows = {row["key"]: row for row in said["rows"]}
    best, reference, challenger = said["best"], said["reference"], said["challenger"]
    users = f"{said['users']} {'user' if said['users'] == 1 else 'users'}"
    score = rows[best]["measures"][DECIDING]["mean"]
    where = "On simulated data, over" if said["simulated"] else "Over"
    highest = f"{where} {users}, {rows[best]['label']} has the highest {MEASURES[DECIDING]}, {score:.3f}"
    if challenger is None:
        return f"{highest}; there is no other row to compare it with."
    test = said["comparisons"][DECIDING][reference][challenger]
    if best != reference:
        against = f"{in_words(test)} against {rows[reference]['label']}"
    else:
        against = (
            f"and it is the reference; the next, {rows[challenger]['label']}, differs by {in_words(test)}"
        )
    told = f"{highest}, {against}: {_sure(test, users)}"
    if (contender := said.get("contender", challenger)) == challenger:
        return told
    test, score = said["comparisons"][DECIDING][reference][contender], rows[contender]["measures"][DECIDING]
    own = f"{rows[contender]['label']}, {score['mean']:.3f}, {in_words(test)} against the reference"
    return f"{told} Of the reference's model the highest other row is {own}: {_sure(test, users)}"


def _sure(test: Mapping[str, Any], users: str) -> str:
    if test["p_holm"] < SURE:
        return "beyond chance after Holm's correction."
    return f"not beyond chance after Holm's correction. {_power(test, users)}"


def _power(test: Mapping[str, Any], users: str) -> str:
    """What these users could have shown, and how many it takes for the difference that was seen."""
    if not test["sd"]:
        return "The two do not differ for any user."
    found = f"finds a true difference of {test['detectable']:.3f} with {POWER:.0%} power"
    able = f"With {users}, a single test {found}"
    if abs(test["mean"]) < 1e-12 or abs(test["mean"]) >= test["detectable"]:
        return f"{able}."
    needed = users_needed(test["sd"], test["mean"])
    return f"{able}; if the true difference is the one seen, that takes {needed} users."


def notes(rows: int, simulated: bool) -> list[str]:
    """What a reader of the numbers must know."""
    said = [
        f"Holm: p corrected for the {rows - 1} comparisons with one reference, by measure. Intervals are of "
        "single differences, uncorrected. A reference that is picked after seeing the table is not covered.",
        f"Smallest difference: found with {POWER:.0%} power by one two-sided test at {SURE:g}, by the normal "
        "approximation (z.975 + z.8) sd / sqrt(users), with the sd of the paired differences, before Holm.",
        "Coverage: share of the catalogue in the top 10 of at least one user. It grows with the users and "
        "cannot exceed what candidate lists offer, so compare it within this table only.",
        "Diversity: 1 - mean Jaccard index of title words and category over the pairs of a top 10. "
        "Popularity: mean share of the catalogue that was bought less often.",
    ]
    return [SIMULATED, *said] if simulated else said


def tables(said: Mapping[str, Any]) -> list[Table]:
    """For the command line: how well every row ranks, what else it has, how it differs from the reference,
    whom that decides for, what is cheapest, and which demonstrations help many users."""
    labels = {row["key"]: row["label"] for row in said["rows"]}
    frontiers = [found for found in (said["frontier"], said["timings"]["frontier"]) if found]
    across = said["across_users"]
    return [
        _quality(said),
        _rest(said),
        *_against(said, labels),
        *(by_zone.table(found, labels) for found in said["zones"]),
        *(costs.table(found) for found in frontiers),
        *([over_users(across)] if across and across["demonstrations"] else []),
    ]


def _quality(said: Mapping[str, Any]) -> Table:
    rows = [
        [row["label"], *(_interval(row["measures"][name]) for name in QUALITY), _draws(row)]
        for row in said["rows"]
    ]
    return ["row", *(MEASURES[name] for name in QUALITY), "sd over draws"], rows


def _rest(said: Mapping[str, Any]) -> Table:
    names = [name for name in MEASURES if name not in QUALITY]
    seconds = said["timings"][SECONDS]
    rows = [
        [
            row["label"],
            "" if row["coverage"] is None else f"{row['coverage']:.1%}",
            *(_mean(row["measures"][name]) for name in names),
            round(row["shown"], 2),
            _mean(seconds[row["key"]]),
        ]
        for row in said["rows"]
    ]
    return ["row", "coverage", *(MEASURES[name] for name in names), "shown", "s"], rows


def _against(said: Mapping[str, Any], labels: Mapping[str, str]) -> list[Table]:
    reference, measures = said["reference"], said["comparisons"]
    if not measures[DECIDING][reference]:
        return []
    rows = []
    for key, label in labels.items():
        if key == reference:
            continue
        test = measures[DECIDING][reference][key]
        rows.append(
            [
                label,
                *(difference(measures[name][reference][key]) for name in measures),
                f"{test['wins']} / {test['ties']} / {test['losses']}",
                "" if test["dz"] is None else f"{test['dz']:+.2f}",
                "" if test["detectable"] is None else f"{test['detectable']:.3f}",
            ]
        )
    head = [f"against {labels[reference]}", *(MEASURES[name] for name in measures)]
    return [([*head, "win / tie / loss", "d_z", "smallest difference"], rows)]


def plain(value: Any) -> Any:
    """The same with every float to 12 significant digits, and no negative zero."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") + 0.0
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def _highest(rows: Sequence[Mapping[str, Any]], other_than: str | None = None) -> str | None:
    """Of equal ones the first."""
    keys = {row["key"]: row["measures"][DECIDING]["mean"] for row in rows if row["key"] != other_than}
    return max(keys, key=keys.__getitem__, default=None)


def _interval(estimate: Mapping[str, Any] | None) -> str:
    return "" if estimate is None else interval(estimate)


def _mean(estimate: Mapping[str, Any] | None) -> str:
    return "" if estimate is None else f"{estimate['mean']:.3g}"


def _draws(row: Mapping[str, Any]) -> str:
    spread = row["measures"][DECIDING]["sd_draws"]
    return "" if spread is None else f"{spread:.4f} ({row['draws']} draws)"
