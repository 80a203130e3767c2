"""Systems outside of this program: their scores of the frozen lists, checked, stored, and measured.

The targets stay in the store: a file names users and candidates only, and what is measured is measured here.
"""

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db import outside
from db.datasets import DatasetInfo
from db.errors import BadInput
from db.names import check_name, quoted
from db.outside import WHAT, Lists, Scored, System
from db.store import Store
from engine.data.confinement import check
from engine.evaluation.metrics import metrics, standing
from engine.evaluation.statistics import estimate
from engine.progress import Report, quiet
from engine.tasks.frozen_lists import Frozen, frozen, order
from engine.tasks.outside_files import Given, read

MEASURES = {"hr1": "HR@1", "hr10": "HR@10", "ndcg10": "NDCG@10", "mrr": "MRR"}
_EXAMPLES = 3
Pairs = list[tuple[str, float]]

FAULTS: dict[str, str] = {
    "nobody": "{n} users are not in the data set or have no {target} target",
    "twice": "{n} users stand there more than once",
    "other": "{n} lists are others than the frozen ones",
    "length": "{n} users have another number of scores than candidates",
    "unknown": "{n} items are not in their user's list",
    "again": "{n} candidates have more than one score",
    "missing": "{n} candidates have no score",
    "infinite": "{n} scores are not finite numbers",
    "gap": "{n} users of the draw have no scores though later ones do",
    "short": "{n} of the users asked for have no scores",
}
"""What can be wrong with a file, in the order in which it is said."""


@dataclass
class Faults:
    """What is wrong with a file: for each kind of fault where it is."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: str) -> None:
        """One more."""
        self.found.setdefault(kind, []).append(where)

    def sentence(self, target: str) -> str:
        """All of them, with how many there are and examples."""
        return "; ".join(
            FAULTS[kind].format(n=f"{len(places):,}", target=target)
            + f" ({', '.join(places[:_EXAMPLES])}{', …' if len(places) > _EXAMPLES else ''})"
            for kind, places in ((kind, self.found[kind]) for kind in FAULTS if kind in self.found)
        )


def take(
    store: Store,
    info: DatasetInfo,
    lists: Lists,
    name: str,
    path: Path,
    users: int | None = None,
    report: Report = quiet,
) -> System:
    """Check a file of scores against the lists and store it under a name, in place of what it had.

    users: how many users of the draw must be scored; None: as many as the last one that is. Raises BadInput
    naming all that is wrong, with counts and examples, and DataError where the file cannot be read.
    """
    check_name(WHAT, name)
    check(path)
    return outside.save(
        store, info, lists, name, checked(store, info, lists, read(path), path, users, report), path.name
    )


def checked(
    store: Store,
    info: DatasetInfo,
    lists: Lists,
    given: Sequence[Given],
    path: Path,
    users: int | None = None,
    report: Report = quiet,
) -> dict[str, Scored]:
    """What a file gives, in the order of the lists, by user. Raises BadInput."""
    faults, drawn = Faults(), order(store, info, lists)
    known, scored = set(drawn), {}
    for number, one in enumerate(given):
        report(number / len(given), f"user {number + 1} of {len(given)}")
        if one.user not in known:
            faults.add("nobody", quoted(one.user))
            continue
        listed = frozen(store, info, lists, one.user)
        wrong = list(_wrong(listed, one))
        for kind, where in wrong:
            faults.add(kind, where)
        if not wrong:
            by_item = dict(_by_item(listed, one))
            scored[one.user] = Scored(listed.fingerprint, [by_item[item] for item in listed.items])
    there = {one.user for one in given}
    kind, asked = ("gap", _until_last(drawn, there)) if users is None else ("short", drawn[:users])
    for user in asked:
        if user not in there:
            faults.add(kind, quoted(user))
    if faults.found:
        raise BadInput(
            f"{path.name} was not stored: {faults.sentence(lists.target)}. Score every candidate of every "
            f"user of `{command(info, lists, len(given) if users is None else users)}` exactly once."
        )
    return scored


def command(info: DatasetInfo, lists: Lists, users: int) -> str:
    """The command that writes these lists."""
    options = f"--users {users} --candidates {lists.size} --kind {lists.kind} --seed {lists.seed}"
    return f"dualens lists export -d {shlex.quote(info.name)} {options} --target {lists.target} --out FILE"


def _until_last(drawn: Sequence[str], there: set[str]) -> Sequence[str]:
    """The users of the draw up to the last one who is there. All must be: a system that leaves out some would
    be measured on those it likes."""
    return drawn[: max((place for place, user in enumerate(drawn, 1) if user in there), default=0)]


def _wrong(listed: Frozen, given: Given) -> Iterator[tuple[str, str]]:
    """What is wrong with a user's scores: the kind of fault, and where."""
    user = quoted(given.user)
    if given.rows > 1:
        yield "twice", user
    elif given.fingerprint not in (None, listed.fingerprint):
        yield "other", f"that of {user}"
    elif given.in_order and len(given.pairs) != len(listed.items):
        yield "length", f"{user}: {len(given.pairs)} of {len(listed.items)}"
    else:
        yield from _wrong_pairs(listed, user, _by_item(listed, given))


def _wrong_pairs(listed: Frozen, user: str, pairs: Pairs) -> Iterator[tuple[str, str]]:
    on_list, seen = set(listed.items), set()
    for item, score in pairs:
        where = f"{user}: {quoted(item)}"
        if item not in on_list:
            yield "unknown", where
        elif item in seen:
            yield "again", where
        elif not math.isfinite(score):
            yield "infinite", f"{where} {score}"
        seen.add(item)
    yield from (("missing", f"{user}: {quoted(item)}") for item in listed.items if item not in seen)


def _by_item(listed: Frozen, given: Given) -> Pairs:
    if given.in_order:
        return list(zip(listed.items, (score for _, score in given.pairs), strict=True))
    return [(str(item), score) for item, score in given.pairs]


def scores(
    store: Store, info: DatasetInfo, lists: Lists, name: str, users: Sequence[str] | None = None
) -> dict[str, list[float]]:
    """A system's scores by user id, in the order of the stored candidate list: a column of an experiment.

    users: only these. Who was not scored, or has another list since (items were forgotten), is not there.
    Raises NotFound, naming the systems there are.
    """
    return {user: row.scores for user, row, _ in _current(store, info, lists, name, users)}


def measured(store: Store, info: DatasetInfo, lists: Lists, name: str) -> dict[str, Any]:
    """`{users, outdated, first, hr1, hr10, ndcg10, mrr}`: means over users with 95 % intervals, ready for
    JSON.

    `outdated`: users whose list is another one since. `first`: the first so many users of the draw are all
    scored, so that an experiment with as many has this system on all of its users. Raises NotFound, and
    BadInput where no list is what it was.
    """
    kept = outside.scored(store, info, lists, name)
    rows = list(_current(store, info, lists, name, None))
    if not rows:
        raise BadInput(
            f"No list that {quoted(name)} scored is what it was. Export the lists and score them again."
        )
    stands = [metrics(standing(row.scores, listed.place)) for _, row, listed in rows]
    there, first = {user for user, _, _ in rows}, 0
    drawn = order(store, info, lists)
    while first < len(drawn) and drawn[first] in there:
        first += 1
    return {
        "users": len(rows),
        "outdated": len(kept) - len(rows),
        "first": first,
        **{measure: estimate([one[measure] for one in stands], lists.seed) for measure in MEASURES},
    }


def _current(
    store: Store, info: DatasetInfo, lists: Lists, name: str, users: Sequence[str] | None
) -> Iterator[tuple[str, Scored, Frozen]]:
    """User, scores and list of those whose list is the one that was scored, in the order of the draw."""
    kept = outside.scored(store, info, lists, name)
    wanted = kept.keys() if users is None else kept.keys() & set(users)
    for user in order(store, info, lists):
        if user in wanted:
            listed = frozen(store, info, lists, user)
            if listed.fingerprint == kept[user].fingerprint:
                yield user, kept[user], listed
