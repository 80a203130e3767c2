"""One small set of purchases, written the way each publisher writes its files.

Three users, five items, eleven purchases, one a day; every importer must give the same columns back.
"""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from db.datasets import DatasetColumns

START, DAY = 1_400_000_000, 86_400
HISTORIES = {"1": ["11", "12", "13", "14"], "2": ["13", "11", "15"], "3": ["12", "15", "14", "11"]}
TITLES = {
    "11": "Pokémon Moon",
    "12": '5" Disc "Gold"',
    "13": "Mario & Luigi, Party",
    "14": "Halo (2001)",
    "15": "Café",
}

Row = tuple[str, str, int, int]  # user, item, rating, unix seconds


def rows() -> list[Row]:
    """All purchases, user by user, oldest first."""
    pairs = [(user, item) for user, items in HISTORIES.items() for item in items]
    return [(user, item, 1 + k % 5, START + DAY * k) for k, (user, item) in enumerate(pairs)]


def as_rows(columns: DatasetColumns) -> list[tuple]:
    """The columns as (user id, item id, rating, time) in their order; absent columns give None."""
    return [
        (
            columns.user_ids[columns.user[k]],
            columns.item_ids[columns.item[k]],
            None if columns.rating is None else float(columns.rating[k]),
            None if columns.timestamp is None else int(columns.timestamp[k]),
        )
        for k in range(len(columns.user))
    ]


def titles_of(columns: DatasetColumns) -> dict[str, str]:
    return dict(zip(columns.item_ids, columns.titles, strict=True))


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """A file, gzipped where its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def zipped(folder: Path, inside: str = "") -> Path:
    """The files of `folder` in a zip beside it, under the folder `inside`."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}{file.name}")
    return path


def amazon_2014(folder: Path) -> Path:
    """Reviews in JSON, metadata as Python literals with HTML entities and a nested category path."""
    reviews = [
        json.dumps(
            {"reviewerID": u, "asin": i, "overall": float(r), "reviewText": "so, so", "unixReviewTime": t}
        )
        for u, i, r, t in rows()
    ]
    metadata = [
        repr(
            {
                "asin": item,
                "title": title.replace("&", "&amp;"),
                "categories": [["Video Games", "PC", "Games"]],
                "brand": "Sega",
                "price": 9.5,
            }
        )
        for item, title in {**TITLES, "99": "Nobody's"}.items()
    ]
    write(folder / "reviews_Games_5.json.gz", "\n".join(reviews) + "\n")
    write(folder / "meta_Games.json.gz", "\n".join(metadata) + "\n")
    return folder


def amazon_2018(folder: Path) -> Path:
    """JSON on both sides; titles with tags, double entities and page script; the brand starts with "by"."""
    reviews = [
        json.dumps({"overall": r, "verified": True, "reviewerID": u, "asin": i, "unixReviewTime": t})
        for u, i, r, t in rows()
    ]
    marked = {
        item: f"<span class='t'>{title.replace('&', '&amp;amp;')}</span>  " for item, title in TITLES.items()
    }
    metadata = [
        json.dumps(
            {
                "category": ["Video Games", "PC"],
                "title": title,
                "brand": "by Sega",
                "price": "$9.50",
                "asin": item,
            }
        )
        for item, title in marked.items()
    ]
    write(folder / "Games_5.json.gz", "\n".join(reviews) + "\n")
    write(folder / "meta_Games.json.gz", "\n".join(metadata) + "\n")
    return folder


def amazon_2023(folder: Path) -> Path:
    """Times in milliseconds; `title` in a review is the review's own."""
    reviews = [
        json.dumps(
            {
                "rating": float(r),
                "title": "Five Stars!",
                "asin": f"v{i}",
                "parent_asin": i,
                "user_id": u,
                "timestamp": t * 1000 + 7,
            }
        )
        for u, i, r, t in rows()
    ]
    metadata = [
        json.dumps(
            {
                "main_category": "Games",
                "title": title,
                "price": None,
                "store": "Sega",
                "categories": [],
                "parent_asin": item,
            }
        )
        for item, title in TITLES.items()
    ]
    write(folder / "Games.jsonl.gz", "\n".join(reviews) + "\n")
    write(folder / "meta_Games.jsonl.gz", "\n".join(metadata) + "\n")
    return folder


def movielens_100k(folder: Path) -> Path:
    write(folder / "u.data", "".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in reversed(rows())))
    flags = "|".join("1" if k in (1, 5) else "0" for k in range(19))
    lines = [f"{item}|{title}|01-Jan-1995||http://x/|{flags}\n" for item, title in TITLES.items()]
    write(folder / "u.item", "".join(lines), "latin-1")
    return folder


def movielens_1m(folder: Path) -> Path:
    write(folder / "ratings.dat", "".join(f"{u}::{i}::{r}::{t}\n" for u, i, r, t in rows()))
    lines = [f"{item}::{title}::Action|Comedy\n" for item, title in TITLES.items()]
    write(folder / "movies.dat", "".join(lines), "latin-1")
    write(folder / "users.dat", "1::F::1::10::48067\n")
    return folder


def movielens_latest(folder: Path) -> Path:
    quoted = {item: '"' + title.replace('"', '""') + '"' for item, title in TITLES.items()}
    ratings = "".join(f"{u},{i},{r}.0,{t}\r\n" for u, i, r, t in rows())
    write(folder / "ratings.csv", "userId,movieId,rating,timestamp\r\n" + ratings)
    movies = "".join(f"{item},{title},Action|Comedy\r\n" for item, title in quoted.items())
    write(folder / "movies.csv", "movieId,title,genres\r\n" + movies)
    write(folder / "tags.csv", "userId,movieId,tag,timestamp\r\n1,11,great,1400000000\r\n")
    write(folder / "links.csv", "movieId,imdbId,tmdbId\r\n11,0114709,862\r\n")
    return folder


def recbole(folder: Path) -> Path:
    lines = "".join(f"{u}\t{i}\t{r}\t{float(t)}\n" for u, i, r, t in rows())
    write(folder / "games.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + lines)
    return recbole_items(folder)


def recbole_items(folder: Path) -> Path:
    """Titles with bare quotes: not a CSV."""
    lines = "".join(f"{item}\t{title}\t1999\n" for item, title in TITLES.items())
    write(folder / "games.item", "item_id:token\ttitle:token_seq\tyear:token\n" + lines)
    return folder


def recbole_sequential(folder: Path) -> Path:
    """The three split files; only the test one holds everything."""
    header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    for part, cut in (("train", 2), ("valid", 1), ("test", 0)):
        text = header
        for user, items in HISTORIES.items():
            seen = items[: len(items) - cut]
            if len(seen) > 1:
                text += f"{user}\t{' '.join(seen[:-1])}\t{seen[-1]}\n"
        write(folder / f"games.{part}.inter", text)
    return recbole_items(folder)


def generic_csv(folder: Path) -> Path:
    lines = "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows())
    write(folder / "interactions.csv.gz", "user_id,item_id,rating,timestamp\n" + lines)
    quoted = {item: '"' + title.replace('"', '""') + '"' for item, title in TITLES.items()}
    write(folder / "items.csv.gz", "item_id,title\n" + "".join(f"{i},{t}\n" for i, t in quoted.items()))
    return folder


def generic_tsv(folder: Path) -> Path:
    """Semicolons and tabs are delimiters too; other names, ISO dates, titles in the rows themselves."""
    import datetime as dt

    lines = [
        f"{dt.datetime.fromtimestamp(t, dt.UTC).isoformat()}\t{u}\t{i}\t{TITLES[i]}\t{r}\n"
        for u, i, r, t in rows()
    ]
    write(
        folder / "orders.tsv", "order date\tCustomer ID\tproduct_id\tproduct name\tstars\n" + "".join(lines)
    )
    return folder


def generic_jsonl(folder: Path) -> Path:
    lines = [json.dumps({"user": int(u), "item": int(i), "stars": r, "ts": t}) for u, i, r, t in rows()]
    write(folder / "events.jsonl", "\n".join(lines) + "\n")
    items = [json.dumps({"id": int(item), "name": title}) for item, title in TITLES.items()]
    write(folder / "items.jsonl", "\n".join(items))
    return folder


def generic_parquet(folder: Path) -> Path:
    """Whole-number ids, a dictionary column, a real timestamp type; several row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    users, items, ratings, times = zip(*rows(), strict=True)
    table = pa.table(
        {
            "user_id": pa.array([float(u) for u in users]),
            "item_id": pa.array(items).dictionary_encode(),
            "rating": pa.array(ratings, pa.int8()),
            "timestamp": pa.array([t * 1000 for t in times], pa.timestamp("ms", "UTC")),
        }
    )
    pq.write_table(table, folder / "interactions.parquet", row_group_size=4)
    catalogue = pa.table({"item_id": list(TITLES), "title": list(TITLES.values())})
    pq.write_table(catalogue, folder / "items.parquet")
    return folder


# importer name -> writer; whether ratings and times come back
WRITERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "amazon_2014": ("amazon", amazon_2014),
    "amazon_2018": ("amazon", amazon_2018),
    "amazon_2023": ("amazon-2023", amazon_2023),
    "movielens_100k": ("movielens-100k", movielens_100k),
    "movielens_1m": ("movielens-1m", movielens_1m),
    "movielens_latest": ("movielens-latest", movielens_latest),
    "recbole": ("recbole", recbole),
    "recbole_sequential": ("recbole-sequential", recbole_sequential),
    "generic_csv": ("generic", generic_csv),
    "generic_tsv": ("generic", generic_tsv),
    "generic_jsonl": ("generic", generic_jsonl),
    "generic_parquet": ("generic", generic_parquet),
}
