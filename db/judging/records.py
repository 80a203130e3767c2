"""Blind comparisons, their judges and what these said, as the store keeps them.

A judge is a name within one comparison: who gives the same name (case and accents aside) goes on where that
name stopped. The first answer to a pair stays, unless the judge goes back and replaces it: of two browsers
that judge under one name, neither undoes the other.
"""

import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Row

from db.canonical import canonical_json
from db.errors import BadInput, Conflict, NotFound
from db.judging.order import schedule
from db.judging.pairing import Listed, Made, Pair
from db.names import check_name, clean_text, fold, quoted
from db.requests.fields import LONGEST_SEED
from db.schema import judgements as judgement_table
from db.schema import judges as judge_table
from db.schema import judging_pairs as pair_table
from db.schema import judgings as table
from db.store import Store

QUESTION = "Which list would you rather get, with this history?"
A, B, TIE = "a", "b", "tie"
CHOICES = (A, B, TIE)
LONGEST_REASON = 2_000
_TOKEN_BYTES = 9
_KEPT = table.c.deleted_at.is_(None)


@dataclass(frozen=True)
class Judging:
    """A blind comparison. `token`: what its judges' link names. `labels`: what A and B are; judges do not see
    them. `length`: titles of each list, at most. `left_out`: pairs that could not be judged, by reason.
    Counts of pairs, of judges and of what they said; times in unix seconds."""

    id: int
    token: str
    name: str
    question: str
    labels: tuple[str, str]
    length: int
    seed: int
    left_out: dict[str, int]
    created_at: float
    deleted_at: float | None
    pairs: int
    judges: int
    judgements: int


@dataclass(frozen=True)
class Judge:
    """Somebody who judges. `number`: how many came before; `judged`: pairs so far."""

    number: int
    name: str
    joined_at: float
    judged: int


@dataclass(frozen=True)
class Judgement:
    """What a judge (by number) said of a pair: `choice` a, b or tie; `left`: the side that stood left."""

    judge: int
    pair: int
    choice: str
    left: str
    reason: str
    judged_at: float


def create(store: Store, name: str, made: Made, question: str = QUESTION, seed: int = 0) -> Judging:
    """Keep a comparison of these pairs. `seed`: of the order and the sides. Raises BadInput."""
    check_name("comparison", name)
    asked = " ".join(clean_text(question).split())
    if not 1 <= len(asked) <= LONGEST_REASON:
        raise BadInput(f"The question has 1 to {LONGEST_REASON:,} characters. Nothing was created.")
    if not 0 <= seed <= LONGEST_SEED:
        raise BadInput(f"The seed is a number from 0 to {LONGEST_SEED}. Nothing was created.")
    values = {
        "token": secrets.token_urlsafe(_TOKEN_BYTES),
        "name": clean_text(name),
        "question": asked,
        "label_a": made.labels[0],
        "label_b": made.labels[1],
        "length": made.length,
        "seed": seed,
        "left_out": canonical_json(made.left_out),
        "created_at": time.time(),
    }
    with store.write() as connection:
        number = connection.execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one()
        rows = [
            {"judging_id": number, "pair": pair.number, "shown": canonical_json(asdict(pair))}
            for pair in made.pairs
        ]
        connection.execute(sa.insert(pair_table), rows)
    return get(store, number)


def get(store: Store, number: int) -> Judging:
    """The comparison of this number. Raises NotFound."""
    found = _listed(store, table.c.id == number, _KEPT)
    if not found:
        raise NotFound(f"There is no blind comparison {number}. `dualens judge list` lists them.")
    return found[0]


def by_token(store: Store, token: str) -> Judging:
    """The comparison that a judges' link names. Raises NotFound."""
    found = _listed(store, table.c.token == clean_text(token), _KEPT)
    if not found:
        raise NotFound(
            "This link leads to no comparison: it is incomplete, or the comparison was deleted. Ask for the "
            "link again."
        )
    return found[0]


def listing(store: Store) -> list[Judging]:
    """All comparisons, the newest first."""
    return _listed(store, _KEPT)


def deleted(store: Store) -> list[Judging]:
    """The deleted ones, the newest deletion first."""
    return _listed(store, sa.not_(_KEPT))


def delete(store: Store, number: int) -> None:
    """Take a comparison off the list, and its link with it; `restore` undoes it. Raises NotFound."""
    _mark(store, number, time.time())


def restore(store: Store, number: int) -> None:
    """Undo `delete`. Raises NotFound."""
    _mark(store, number, None)


def pairs(store: Store, judging: Judging) -> list[Pair]:
    """Its pairs, by number."""
    query = sa.select(pair_table.c.shown).where(pair_table.c.judging_id == judging.id)
    with store.read() as connection:
        written = list(connection.execute(query.order_by(pair_table.c.pair)).scalars())
    return [_pair(json.loads(text)) for text in written]


def pair(store: Store, judging: Judging, number: int) -> Pair:
    """One of its pairs. Raises NotFound."""
    query = sa.select(pair_table.c.shown).where(
        pair_table.c.judging_id == judging.id, pair_table.c.pair == number
    )
    with store.read() as connection:
        written = connection.execute(query).scalar_one_or_none()
    if written is None:
        raise NotFound(f"The comparison {judging.name!r} has no pair {number}.")
    return _pair(json.loads(written))


def order(judging: Judging, judge: Judge) -> list[tuple[int, str]]:
    """The pairs as this judge sees them: number, and the side on the left."""
    return schedule(judging.seed, judge.number, judging.pairs)


def judges(store: Store, judging: Judging) -> list[Judge]:
    """All who began, in the order in which they came."""
    with store.read() as connection:
        return [_judge(row) for row in connection.execute(_judges(judging.id))]


def find_judge(store: Store, judging: Judging, name: str) -> Judge | None:
    """Who judges under this name; None where nobody does."""
    query = _judges(judging.id).where(judge_table.c.folded == fold(name))
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _judge(row)


def join(store: Store, judging: Judging, name: str) -> Judge:
    """The judge of this name, a new one where there is none yet. Raises BadInput for a name that cannot be
    one."""
    name = " ".join(name.split())
    check_name("judge", name)
    with store.write() as connection:
        # Two who come at once take their numbers one after the other.
        connection.execute(sa.select(table.c.id).where(table.c.id == judging.id).with_for_update())
        there = sa.select(judge_table.c.folded).where(judge_table.c.judging_id == judging.id)
        known = list(connection.execute(there).scalars())
        if fold(name) not in known:
            values = {"name": name, "folded": fold(name), "joined_at": time.time()}
            connection.execute(
                sa.insert(judge_table).values(judging_id=judging.id, judge=len(known), **values)
            )
        row = connection.execute(_judges(judging.id).where(judge_table.c.folded == fold(name))).one()
    return _judge(row)


def judgements(store: Store, judging: Judging, judge: Judge | None = None) -> list[Judgement]:
    """What was said, by judge and pair; of one judge where one is given."""
    columns = judgement_table.c
    query = sa.select(judgement_table).where(columns.judging_id == judging.id)
    if judge is not None:
        query = query.where(columns.judge == judge.number)
    with store.read() as connection:
        rows = connection.execute(query.order_by(columns.judge, columns.pair)).all()
    return [_judgement(row) for row in rows]


def record(
    store: Store,
    judging: Judging,
    judge: Judge,
    number: int,
    choice: str,
    reason: str = "",
    *,
    replace: bool = False,
) -> None:
    """Keep what a judge says of a pair; `replace`: in place of what the judge said before.

    Raises Conflict where the pair has another answer of this judge already (it stays), BadInput for an answer
    that is none, NotFound for a pair or a comparison that is not there.
    """
    if choice not in CHOICES:
        raise BadInput(f"{choice!r} is no answer: choose {', '.join(CHOICES)}. Nothing was kept.")
    said = clean_text(reason).strip()
    if len(said) > LONGEST_REASON:
        raise BadInput(f"A reason has at most {LONGEST_REASON:,} characters. Nothing was kept.")
    left = dict(order(judging, judge)).get(number)
    if left is None:
        raise NotFound(f"The comparison {judging.name!r} has no pair {number}. Nothing was kept.")
    values = {"choice": choice, "left_side": left, "reason": said, "judged_at": time.time()}
    keys = {"judging_id": judging.id, "judge": judge.number, "pair": number}
    insert = store.insert(judgement_table).values(**keys, **values)
    with store.write() as connection:
        if connection.execute(sa.select(table.c.id).where(table.c.id == judging.id, _KEPT)).first() is None:
            raise NotFound(f"The comparison {quoted(judging.name)} was deleted meanwhile. Nothing was kept.")
        if replace:
            connection.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=values))
            return
        fresh = connection.execute(insert.on_conflict_do_nothing().returning(judgement_table.c.pair)).first()
        if fresh is None and _answer(connection, keys) != choice:
            raise Conflict(
                f"This pair was judged as {quoted(judge.name)} already, perhaps in another window. That "
                "answer stays; go back to it to change it."
            )


def _answer(connection: sa.Connection, keys: dict[str, int]) -> str:
    wanted = [judgement_table.c[name] == value for name, value in keys.items()]
    return connection.execute(sa.select(judgement_table.c.choice).where(*wanted)).scalar_one()


def _mark(store: Store, number: int, deleted_at: float | None) -> None:
    with store.write() as connection:
        change = sa.update(table).where(table.c.id == number).values(deleted_at=deleted_at)
        if not connection.execute(change).rowcount:
            raise NotFound(f"There is no blind comparison {number}. Nothing was changed.")


def _count(of: sa.Table) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(of).where(of.c.judging_id == table.c.id).scalar_subquery()


def _listed(store: Store, *conditions: sa.ColumnElement[bool]) -> list[Judging]:
    query = sa.select(
        table,
        _count(pair_table).label("pairs"),
        _count(judge_table).label("judges"),
        _count(judgement_table).label("judgements"),
    )
    query = query.where(*conditions).order_by(table.c.deleted_at.desc(), table.c.id.desc())
    with store.read() as connection:
        return [_judging(row) for row in connection.execute(query)]


def _judges(judging_id: int) -> sa.Select[Any]:
    judged = (
        sa.select(sa.func.count())
        .select_from(judgement_table)
        .where(
            judgement_table.c.judging_id == judge_table.c.judging_id,
            judgement_table.c.judge == judge_table.c.judge,
        )
        .scalar_subquery()
    )
    query = sa.select(judge_table, judged.label("judged")).where(judge_table.c.judging_id == judging_id)
    return query.order_by(judge_table.c.judge)


def _judging(row: Row) -> Judging:
    fields = {name: value for name, value in row._asdict().items() if name not in ("label_a", "label_b")}
    fields["left_out"] = json.loads(row.left_out)
    return Judging(labels=(row.label_a, row.label_b), **fields)


def _judge(row: Row) -> Judge:
    return Judge(row.judge, row.name, row.joined_at, row.judged)


def _judgement(row: Row) -> Judgement:
    return Judgement(row.judge, row.pair, row.choice, row.left_side, row.reason, row.judged_at)


def _pair(written: dict[str, Any]) -> Pair:
    a, b = (
        Listed(**{**one, "items": tuple((item, title) for item, title in one["items"])})
        for one in written["lists"]
    )
    return Pair(**{**written, "history": tuple(written["history"]), "lists": (a, b)})
