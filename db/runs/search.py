"""Finding runs: what is asked for (`Filter`), in which order, and one page of it at a time.

Filters and orders read the narrow index (`db.runs.index`); only the runs of the page that was found are read
from `runs`. Pages follow each other by the run they begin after, not by a number: runs that others store
meanwhile move nothing, and the last page costs what the first does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from db.canonical import canonical_json
from db.choices import ORDERS, STRATEGIES, OrderChoice
from db.errors import BadInput
from db.names import fold, like
from db.requests import RunRequest
from db.runs.index import CUSTOM_SET
from db.runs.records import SHORTEST_PREFIX, Run, facts
from db.schema import run_index as table
from db.schema import runs as run_table
from db.store import Store

_SHORTEST_STRATEGY = 2
MOST_TAGS = 200  # combinations of tags that are looked through for the tags there are


@dataclass(frozen=True)
class Filter:
    """Which runs are asked for; None and "" narrow nothing.

    `strategy`: by name, or CUSTOM_SET. `has_target`: whether a target is ranked. `deleted`: the deleted runs
    instead of the others. Every word of `search` must be part of the data set, user, model, target title,
    note, tags or strategy, or be the first 6 or more digits of the key; case and accents do not count.
    """

    dataset: str | None = None
    user: str | None = None
    model: str | None = None
    strategy: str | None = None
    template: str | None = None
    tag: str | None = None
    starred: bool | None = None
    has_target: bool | None = None
    with_demonstrations: bool = False
    deleted: bool = False
    search: str = ""


ALL = Filter()


@dataclass(frozen=True)
class RunSummary:
    """A run without its lists. `title` is the target's; metrics, margin and losses as in the result."""

    key: str
    request: RunRequest
    dataset: str
    user_id: str
    model: str
    metrics: dict
    margin: float | None
    loss: float | None
    loss_zero_shot: float | None
    title: str
    demonstrations: int
    timings_ms: dict
    created_at: float
    note: str
    tags: list[str]
    starred: bool

    @property
    def strategy(self) -> str | None:
        """How the demonstrations were chosen, as `bm25:4`; None where one by one."""
        return self.request.demos if self.request.demonstrations is None else None


class Page(NamedTuple):
    """Some runs in order, and whether there are others before and behind them."""

    runs: list[RunSummary]
    before: bool
    behind: bool


def page(
    store: Store,
    wanted: Filter = ALL,
    order: str = "when",
    reverse: bool = False,
    limit: int = 50,
    *,
    after: str | None = None,
    before: str | None = None,
) -> Page:
    """Up to `limit` runs behind the run `after`, or the last ones in front of the run `before`.

    `reverse`: the smallest first where usually the largest are, and the other way round. A run that is not
    there bounds nothing. Raises BadInput for an order that is none.
    """
    if order not in ORDERS:
        raise BadInput(f"{order!r} is no order of runs. Choose one of {', '.join(ORDERS)}.")
    terms = list(_terms(store, ORDERS[order], reverse))
    bound, backwards = (before, True) if before else (after, False)
    with store.read() as connection:
        place = _place(connection, terms, bound)
        query = sa.select(table.c.run_key).where(*_matching(wanted))
        if place is not None:
            query = query.where(_beyond(terms, place, backwards))
        ways = [_sorted(term, falling, backwards) for term, falling in terms]
        keys = list(connection.execute(query.order_by(*ways).limit(limit + 1)).scalars())
        more, keys = len(keys) > limit, keys[:limit]
        found = _summaries(connection, keys[::-1] if backwards else keys)
    others = place is not None
    return Page(found, more if backwards else others, others if backwards else more)


def listing(store: Store, wanted: Filter = ALL, limit: int = 100) -> list[RunSummary]:
    """The newest runs."""
    return page(store, wanted, limit=limit).runs


def count(store: Store, wanted: Filter = ALL) -> int:
    """How many runs there are."""
    query = sa.select(sa.func.count()).select_from(table).where(*_matching(wanted))
    with store.read() as connection:
        return connection.execute(query).scalar_one()


def values(store: Store, what: str) -> list[str]:
    """What the runs that are kept can be filtered by, in alphabetical order. `what`: a field of `Filter` that
    is text: dataset, model, strategy, template or tag."""
    column = table.c.tags if what == "tag" else table.c[what]
    query = sa.select(column).where(table.c.deleted_at.is_(None)).distinct()
    with store.read() as connection:
        if what != "tag":
            return sorted(connection.execute(query).scalars())
        tagged = connection.execute(query.where(column != "[]").limit(MOST_TAGS)).scalars()
        return sorted({tag for text in tagged for tag in json.loads(text)})


def summary(run: Run) -> RunSummary:
    """A run without its lists."""
    names = ("key", "request", "user_id", "model", "timings_ms", "created_at", "note", "tags", "starred")
    alike = {name: getattr(run, name) for name in names}
    margin = run.result.get("margin")
    return RunSummary(dataset=run.request.dataset, margin=margin, **alike, **facts(run.result))


def _matching(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """The conditions on a run of the index."""
    columns = table.c
    equal = {columns.dataset: wanted.dataset, columns.user_id: wanted.user, columns.model: wanted.model}
    equal |= {columns.strategy: wanted.strategy, columns.template: wanted.template}
    conditions = [columns.deleted_at.is_not(None) if wanted.deleted else columns.deleted_at.is_(None)]
    conditions += [column == value for column, value in equal.items() if value is not None]
    if wanted.starred is not None:
        conditions.append(columns.starred.is_(wanted.starred))
    if wanted.has_target is not None:
        conditions.append(columns.rank.is_not(None) if wanted.has_target else columns.rank.is_(None))
    if wanted.with_demonstrations:
        conditions.append(columns.demonstrations > 0)
    if wanted.tag is not None:
        # A quote inside a tag is escaped: one behind a bracket or a comma begins a tag.
        written = canonical_json(wanted.tag)
        ways = [columns.tags.contains(f"{sign}{written}", autoescape=True) for sign in "[,"]
        conditions.append(sa.or_(*ways))
    return conditions + [_holds(word) for word in fold(wanted.search).split()]


def _holds(word: str) -> sa.ColumnElement[bool]:
    ways: list[sa.ColumnElement[bool]] = [table.c.folded.like(like(word), escape="\\")]
    if names := _strategies(word):
        ways.append(table.c.strategy.in_(names))
    if len(word) >= SHORTEST_PREFIX:
        ways.append(table.c.run_key.startswith(word, autoescape=True))
    return sa.or_(*ways)


def _strategies(word: str) -> list[str]:
    """The strategies that have the word in their name or label; a single letter says none."""
    if len(word) < _SHORTEST_STRATEGY:
        return []
    labels = {name: f"{name} {row.label}" for name, row in STRATEGIES.items()} | {CUSTOM_SET: CUSTOM_SET}
    return [name for name, label in labels.items() if word in fold(label)]


Term = tuple[sa.ColumnElement[Any], bool]
"""What rows are sorted by, and whether it falls."""


def _terms(store: Store, order: OrderChoice, reverse: bool) -> Iterator[Term]:
    """What decides an order, the key last, so that no two runs are equal."""
    column, falling = table.c[order.column], order.largest_first != reverse
    if order.column != "created_at":
        yield _comparable(store, column), falling
        falling = True
    yield table.c.created_at, falling
    yield table.c.run_key, falling


def _comparable(store: Store, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A column as both databases sort it: text letter by letter, not by the language of the server."""
    text = isinstance(column.type, sa.Text)
    return sa.collate(column, "C") if text and store.dialect == "postgresql" else column


def _place(connection: sa.Connection, terms: Sequence[Term], key: str | None) -> Sequence[Any] | None:
    """Where the run of this key stands in an order, deleted or not; None where there is none."""
    if key is None:
        return None
    return connection.execute(sa.select(*(term for term, _ in terms)).where(table.c.run_key == key)).first()


def _sorted(term: sa.ColumnElement[Any], falling: bool, backwards: bool) -> sa.ColumnElement[Any]:
    """In its direction; what is missing stands behind all, and so comes first on the way back."""
    way = term.desc() if falling != backwards else term.asc()
    if not getattr(term, "nullable", False):
        return way
    return way.nulls_first() if backwards else way.nulls_last()


def _beyond(terms: Sequence[Term], place: Sequence[Any], backwards: bool) -> sa.ColumnElement[bool]:
    """The runs behind a place, or in front of it."""
    (term, falling), value = terms[0], place[0]
    rest = [_beyond(terms[1:], place[1:], backwards)] if len(terms) > 1 else []
    if value is None:
        alike = [sa.and_(term.is_(None), *rest)]
        return sa.or_(*alike, *([term.is_not(None)] if backwards else []))
    bound = sa.literal(value, term.type)
    ways = [term < bound if falling != backwards else term > bound]
    ways += [sa.and_(term == bound, *rest)] if rest else []
    ways += [term.is_(None)] if getattr(term, "nullable", False) and not backwards else []
    return sa.or_(*ways)


def _summaries(connection: sa.Connection, keys: Sequence[str]) -> list[RunSummary]:
    """The runs of these keys, in their order."""
    columns = [column for column in run_table.c if column.name not in ("result", "folded", "content")]
    query = (
        sa.select(*columns, table.c.margin)
        .join(table, table.c.run_key == run_table.c.key)
        .where(run_table.c.key.in_(keys))
    )
    rows = {row.key: row for row in connection.execute(query)}
    return [_summary(rows[key]) for key in keys]


def _summary(row: sa.Row) -> RunSummary:
    return RunSummary(
        key=row.key,
        request=RunRequest.from_json(json.loads(row.request)),
        dataset=row.dataset,
        user_id=row.user_id,
        model=row.model,
        margin=row.margin,
        timings_ms=json.loads(row.timings_ms),
        created_at=row.created_at,
        note=row.note,
        tags=json.loads(row.tags),
        starred=row.starred,
        **json.loads(row.summary),
    )
