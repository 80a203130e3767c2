"""MovieLens as GroupLens ships it: 100K (`u.data`, `u.item`), 1M, 10M (`*.dat`), latest, 20M up (`*.csv`).

Boundary: layout of these files only. 100K and 1M are Latin-1; `::` separates the `.dat` columns;
"Title (Year)" stays one title; the genres become the category.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from engine.data.column_names import words
from engine.data.columns import ItemTable
from engine.data.files import Broken, Folder, Member
from engine.data.mapping import correct
from engine.data.plan import CorrectedMapping, Mismatch, Plan, read_interactions, read_items
from engine.data.tables.text_table import TextTable
from engine.data.text import Tick, text_head

GENRES_100K = words(
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror "
    "Musical Mystery Romance Sci-Fi Thriller War Western"
)
COLUMNS_100K = ("movie id", "movie title", "release date", "video release date", "IMDb URL", *GENRES_100K)
MAPPING = {"user": "userId", "item": "movieId", "timestamp": "timestamp", "rating": "rating"}
ITEM_MAPPING = {"item": "movieId", "title": "title", "category": "genres"}


@dataclass(frozen=True)
class Layout:
    """One generation of MovieLens files."""

    ratings: str
    movies: str
    delimiter: str
    header: bool
    encoding: str | None


LAYOUTS = {
    "movielens-100k": Layout("u.data", "u.item", "\t", False, "latin-1"),
    "movielens-1m": Layout("ratings.dat", "movies.dat", "::", False, None),
    "movielens-latest": Layout("ratings.csv", "movies.csv", ",", True, None),
}


def _find(layout: Layout, folder: Folder, mapping: CorrectedMapping | None) -> Plan:
    ratings = folder.named(layout.ratings)
    if ratings is None or ratings not in folder.candidates():
        raise Mismatch(f"the ratings, {layout.ratings}, are not there")
    table = TextTable(
        ratings, layout.delimiter, tuple(MAPPING.values()), int(layout.header), layout.header, layout.encoding
    )
    table = replace(table, columns=("userId", "movieId", "rating", "timestamp"))
    _check_first_line(layout, ratings)
    chosen = correct(dict(MAPPING), mapping, table.columns, ratings.name)
    movies = folder.named(layout.movies)
    notes = () if movies else (f"{layout.movies} is not there, so items are shown by their id.",)
    return Plan(
        interactions=(ratings,),
        items=movies,
        mapping=chosen,
        columns=table.columns,
        sample=table.sample,
        reader=lambda builder, tick: read_interactions(table, chosen, builder, tick),
        item_reader=_item_reader(layout, movies) if movies else None,
        notes=notes,
    )


def _check_first_line(layout: Layout, ratings: Member) -> None:
    try:
        first = text_head(ratings, layout.encoding)[0]
    except Broken as error:
        raise Mismatch(f"{ratings.name}, line 1: {error}") from None
    parts = [part.strip() for part in first.split(layout.delimiter)]
    if layout.header:
        if parts != ["userId", "movieId", "rating", "timestamp"]:
            wanted = "userId,movieId,rating,timestamp"
            raise Mismatch(f"{ratings.name}, line 1: the header should be {wanted}")
    elif len(parts) != 4 or not all(part.replace(".", "", 1).isdigit() for part in parts):
        raise Mismatch(f"{ratings.name}, line 1: expected four numbers")


def _item_reader(layout: Layout, movies: Member) -> Callable[[ItemTable, Callable[[str], bool], Tick], None]:
    if layout.movies == "u.item":
        return lambda items, _, tick: _read_u_item(movies, items, tick)
    table = TextTable(
        movies,
        layout.delimiter,
        ("movieId", "title", "genres"),
        int(layout.header),
        layout.header,
        layout.encoding,
    )

    def read(items: ItemTable, _: Callable[[str], bool], tick: Tick) -> None:
        read_items(table, ITEM_MAPPING, items, tick)
        for row in items.rows.values():
            row.category = _genres((row.category or "").split("|"))

    return read


def _read_u_item(movies: Member, items: ItemTable, tick: Tick) -> None:
    table = TextTable(movies, "|", COLUMNS_100K, 0, False, "latin-1")
    report = items.report
    for lines, columns in table.read(COLUMNS_100K, report, tick, report.unreadable_item):
        for k, row in enumerate(zip(*columns, strict=True)):
            genres = [name for name, flag in zip(GENRES_100K, row[5:], strict=True) if flag == "1"]
            attributes = {"release date": row[2]} if row[2] else None
            items.add(movies.name, int(lines[k]), row[0], row[1], _genres(genres), None, attributes)


def _genres(names: list[str]) -> str | None:
    return ", ".join(n for n in names if n and n not in ("unknown", "(no genres listed)")) or None


FORMATS = {name: partial(_find, layout) for name, layout in LAYOUTS.items()}
