"""Many rows into one table, or out of it, at the speed of the database.

Boundary: columns of Python values, one chunk inside a transaction that the caller opened. SQLite takes
several rows per statement (half the time of one by one), PostgreSQL a COPY stream. What is read comes as the
driver gives it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

from sqlalchemy import Select, Table
from sqlalchemy.engine import Connection

CHUNK = 8_192  # rows; written in less than a tenth of a second
_ROWS_PER_STATEMENT = 64
_ROWS_PER_FETCH = 1_000  # that stay in the processor's cache: of 50,000 at once each costs twice as much

Chunk = Sequence[list[Any]]


def spans(length: int) -> Iterator[tuple[int, int]]:
    """The (start, stop) of each chunk of at most CHUNK rows."""
    for start in range(0, length, CHUNK):
        yield start, min(length, start + CHUNK)


def insert_rows(
    connection: Connection, table: Table, dataset_id: int, names: Sequence[str], chunk: Chunk
) -> None:
    """Insert rows of one data set; the chunk holds one list per column of `names`, all of equal length."""
    write = _copy if connection.dialect.name == "postgresql" else _execute_many
    write(connection, table, dataset_id, names, chunk)


def fetched(connection: Connection, query: Select) -> Iterator[list[tuple]]:
    """The rows of a query, many at a time; rows of SQLAlchemy cost thrice as much. Truths may be numbers."""
    statement = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    streamed = {"name": "fetched"} if connection.dialect.name == "postgresql" else {}
    with closing(_driver(connection).cursor(**streamed)) as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(_ROWS_PER_FETCH):
            yield rows


def analyze(connection: Connection, tables: Iterable[Table]) -> None:
    """Let PostgreSQL count new rows, which its planner knows nothing of before."""
    if connection.dialect.name == "postgresql":
        for table in tables:
            connection.exec_driver_sql(f"ANALYZE {table.name}")


def _execute_many(
    connection: Connection, table: Table, dataset_id: int, names: Sequence[str], chunk: Chunk
) -> None:
    cursor = _driver(connection).cursor()
    head = "INSERT INTO {} (dataset_id, {}) VALUES ".format(
        table.name, ", ".join(f'"{name}"' for name in names)
    )
    row = "({}{})".format(int(dataset_id), ", ?" * len(names))
    many = head + ", ".join([row] * _ROWS_PER_STATEMENT)
    whole = len(chunk[0]) // _ROWS_PER_STATEMENT * _ROWS_PER_STATEMENT
    flat = list(chain.from_iterable(zip(*chunk, strict=True)))
    width = _ROWS_PER_STATEMENT * len(names)
    cursor.executemany(many, (flat[at : at + width] for at in range(0, whole * len(names), width)))
    cursor.executemany(head + row, zip(*(column[whole:] for column in chunk), strict=True))


def _copy(connection: Connection, table: Table, dataset_id: int, names: Sequence[str], chunk: Chunk) -> None:
    columns = ", ".join(f'"{name}"' for name in ("dataset_id", *names))
    with _driver(connection).cursor().copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
        for row in zip(*chunk, strict=True):
            copy.write_row((dataset_id, *row))


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
