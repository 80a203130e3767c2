"""Rules of the canonical form: titles, repeats, ties, clocks, filters, and a report that adds up."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db import datasets
from db.errors import BadInput, Conflict, DataError
from db.store import Store
from engine.data import imported
from engine.data.columns import Builder, ItemTable
from engine.data.files import Member, open_source
from engine.data.importing import ManyLeftOut, default_name, import_path, read_path
from engine.data.report import ImportOptions, Report
from engine.data.text import MAX_TITLE, clean_title
from engine.data.tidy import tidy
from tests.engine.data import originals
from tests.engine.data.originals import as_rows, titles_of, write

Purchase = tuple[int, int, int, int]  # user, item, time, rating


def table(folder: Path, rows: list[tuple], header: str = "user_id,item_id,timestamp,rating") -> Path:
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    return write(folder / "x.csv", f"{header}\n{text}")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Plain title", "Plain title"),
        ("Episode I &amp; II", "Episode I & II"),
        ("Episode I &amp;amp; II", "Episode I & II"),
        ("Pok&eacute;mon &#39;Red&#39;", "Pokémon 'Red'"),
        ("<b>Bold</b> and <span class='x'>more</span>", "Bold and more"),
        ("Broken off <span class='a-size", "Broken off"),
        ("Love <3 you, 2 < 3 > 1", "Love <3 you, 2 < 3 > 1"),
        ("Live at <Somewhere>", "Live at <Somewhere>"),
        ("<script>var a = 1;</script>Real", "Real"),
        ("  spaces \t and\nlines\u00a0here ", "spaces and lines here"),
        ("bell\x07 zero\u200bwidth \u202eturned", "bell zero width turned"),
        ("<br>", "<br>"),
        ("", ""),
        (" \n ", ""),
        ("NUL\x00 and \ud800", "NUL and"),
    ],
)
def test_titles_are_cleaned(raw: str, clean: str) -> None:
    assert clean_title(raw) == clean


@given(st.text(max_size=900))
def test_clean_titles_are_fit_to_show(raw: str) -> None:
    clean = clean_title(raw)
    assert len(clean) <= MAX_TITLE
    assert clean == " ".join(clean.split())
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in clean)


def test_long_titles_end_at_a_word() -> None:
    clean = clean_title("word " * 400)
    assert len(clean) <= MAX_TITLE
    assert clean.endswith("word\u2026")


def test_the_first_of_a_repeated_pair_is_kept_and_the_others_are_shown(tmp_path: Path) -> None:
    rows = [("u", "a", 30, 1), ("u", "b", 20, 2), ("u", "a", 10, 3), ("u", "c", 40, 4), ("u", "a", 5, 5)]
    columns, report = read_path(table(tmp_path, rows))
    assert [row[1:] for row in as_rows(columns)] == [("a", 5.0, 5), ("b", 2.0, 20), ("c", 4.0, 40)]
    repeated = report.dropped["repeated user-item pair"]
    assert repeated["count"] == 2
    assert {example["line"] for example in repeated["examples"]} == {2, 4}
    everything, _ = read_path(tmp_path / "x.csv", options=ImportOptions(repeats="all"))
    assert len(everything.user) == 5


def test_ties_keep_the_source_order_and_are_flagged(tmp_path: Path) -> None:
    rows = [("v", "z", 9, 1), ("u", "a", 7, 1), ("u", "c", 7, 1), ("v", "y", 9, 1), ("u", "b", 7, 1)]
    rows += [("v", "x", 8, 1), ("w", "a", 1, 1), ("w", "b", 1, 1), ("w", "c", 2, 1)]
    columns, report = read_path(table(tmp_path, rows))
    assert [row[:2] for row in as_rows(columns)] == [
        *[("v", item) for item in "xzy"],
        *[("u", item) for item in "acb"],
        *[("w", item) for item in "abc"],
    ]
    assert columns.tie.tolist() == [True, True, False]
    assert report.ties == {"users": 2, "share": 0.6667}


def test_milliseconds_decide_the_order_that_seconds_cannot(tmp_path: Path) -> None:
    base = 1_600_000_000_000
    rows = [("u", "b", base + 2, 1), ("u", "a", base + 1, 1), ("u", "c", base + 900, 1)]
    columns, report = read_path(table(tmp_path, rows))
    assert [row[1] for row in as_rows(columns)] == ["a", "b", "c"]
    assert columns.timestamp is not None
    assert set(columns.timestamp.tolist()) == {1_600_000_000}
    assert not columns.tie.any()
    assert any("milliseconds" in note for note in report.notes)


@pytest.mark.parametrize(
    ("times", "seconds", "note"),
    [
        ((1_600_000_000, 1_600_000_001, 1_600_000_002), 1_600_000_000, "seconds"),
        ((1_600_000_000.5, 1_600_000_001, 1_600_000_002), 1_600_000_000, "seconds"),
        (
            (1_600_000_000_000_000, 1_600_000_001_000_000, 1_600_000_002_000_000),
            1_600_000_000,
            "microseconds",
        ),
        ((1_600_000_000 * 10**9, 1_600_000_001 * 10**9, 1_600_000_002 * 10**9), 1_600_000_000, "nanoseconds"),
        (("2020-09-13", "2020-09-14", "2020-09-15"), 1_599_955_200, "dates"),
        (
            ("2020-09-13T12:26:40Z", "2020-09-14T00:00:00+02:00", "2020-09-15 01:02:03"),
            1_600_000_000,
            "dates",
        ),
        (("2020/9/13", "2020/9/14", "2020/10/1"), 1_599_955_200, "dates"),
        ((1, 2, 3), 1, "order"),
    ],
)
def test_clocks_become_unix_seconds(times: tuple, seconds: int, note: str, tmp_path: Path) -> None:
    rows = [("u", item, time, 3) for item, time in zip("abc", times, strict=True)]
    columns, report = read_path(table(tmp_path, rows), mapping={"timestamp": "timestamp"})
    assert columns.timestamp is not None
    assert columns.timestamp.dtype == np.int64
    assert columns.timestamp[0] == seconds
    assert any(note in text for text in report.notes)


def test_bad_rows_are_counted_with_file_line_and_reason(tmp_path: Path) -> None:
    good = [("u", item, 100 + n, 4) for n, item in enumerate("abcdefghij")]
    bad = [("", "a", 1, 1), ("u", "", 1, 1), ("u", "k", "", 1), ("u", "l", "soon", 1), ("u", "m", 1, "good")]
    bad += [("u", "n", 1), ("u", "o", 1, 1, 1), ("x" * 300, "p", 1, 1), ("u", "q", "inf", 1)]
    _, report = read_path(table(tmp_path, good + bad))
    lines = {reason: entry["examples"][0]["line"] for reason, entry in report.dropped.items()}
    assert lines == {
        "user id missing": 12,
        "item id missing": 13,
        "timestamp missing": 14,
        "timestamp not understood": 15,
        "rating not a number": 16,
        "row not readable": 17,
        "id not usable": 19,
    }
    assert all(entry["examples"][0]["file"] == "x.csv" for entry in report.dropped.values())
    assert report.rows_read == 19
    assert report.rows_kept == 10


def test_a_row_without_rating_is_kept_but_not_liked(tmp_path: Path) -> None:
    rows = [
        ("u", item, n, rating)
        for n, (item, rating) in enumerate(zip("abcd", ("5", "", "4", "3"), strict=True))
    ]
    columns, _ = read_path(table(tmp_path, rows))
    assert columns.rating is not None
    assert np.isnan(columns.rating).tolist() == [False, True, False, False]
    liked, report = read_path(tmp_path / "x.csv", options=ImportOptions(min_rating=4, min_history=1))
    assert [row[1] for row in as_rows(liked)] == ["a", "c"]
    assert report.dropped["rating below 4 or missing"]["count"] == 2


def test_k_core_repeats_until_stable(tmp_path: Path) -> None:
    rows = [(u, i, 1, 5) for u in "uvw" for i in "abc"] + [
        ("x", "a", 1, 5),
        ("x", "d", 1, 5),
        ("y", "d", 1, 5),
    ]
    columns, report = read_path(table(tmp_path, rows), options=ImportOptions(k_core=2, min_history=1))
    assert set(columns.item_ids) == {"a", "b", "c", "d"} - {"d"}
    assert set(columns.user_ids) == {"u", "v", "w"}
    assert report.dropped["outside the 2-core"]["count"] == 3


def test_filters_that_leave_nothing_say_so(tmp_path: Path) -> None:
    path = table(tmp_path, [("u", item, 1, 2) for item in "abc"])
    with pytest.raises(DataError, match=r"no interaction is left of 3 rows read \(3 rating below 4"):
        read_path(path, options=ImportOptions(min_rating=4))


@pytest.mark.parametrize(
    "options",
    [
        {"k_core": -1},
        {"k_core": 2.5},
        {"min_history": 0},
        {"repeats": "often"},
        {"rating_scale": "5"},
        {"dates": "any"},
        {"encoding": "no"},
        {"min_rating": "x"},
        {"core": 5},
    ],
)
def test_bad_options_name_the_field(options: dict) -> None:
    with pytest.raises(BadInput, match=next(iter(options))):
        ImportOptions.from_json(options)


def test_shared_and_missing_titles_are_counted(tmp_path: Path) -> None:
    folder = originals.generic_csv(tmp_path)
    write(folder / "items.csv.gz", "item_id,title\n11,Same\n12,Same\n13,A &amp; B\n14,A & B\n15,\n11,Other\n")
    columns, report = read_path(folder)
    assert titles_of(columns) == {"11": "Same", "12": "Same", "13": "A & B", "14": "A & B", "15": "15"}
    assert report.shared_titles == {"titles": 2, "items": 4, "items_before_cleaning": 2}
    assert report.missing_titles == 1
    assert report.item_rows_dropped["item listed again"]["count"] == 1


def test_the_same_files_again_change_nothing(tmp_path: Path, store: Store) -> None:
    folder = originals.generic_csv(tmp_path / "shop")
    first, report = import_path(store, folder)
    assert first.name == "shop"
    assert not report.unchanged
    assert first.report["rows_read"] == 11
    again, report = import_path(store, folder)
    assert again == first
    assert report.unchanged
    assert any("nothing changed" in note for note in report.notes)
    with pytest.raises(Conflict, match="shop"):
        import_path(store, folder, options=ImportOptions(k_core=2))
    other, _ = import_path(store, folder, "shop-2", options=ImportOptions(min_history=4))
    assert other.fingerprint != first.fingerprint
    assert len(datasets.listing(store)) == 2


def test_what_is_stored_is_what_was_read(tmp_path: Path, store: Store) -> None:
    folder = originals.movielens_1m(tmp_path / "ml")
    info, _ = import_path(store, folder)
    stored, (columns, _) = datasets.columns(store, info.id), read_path(folder)
    assert as_rows(stored) == as_rows(columns)
    assert stored.titles == columns.titles
    assert (info.users, info.items, info.interactions) == (3, 5, 11)
    assert info.kind == "movielens-1m"


def test_progress_is_reported_and_can_stop(tmp_path: Path, store: Store) -> None:
    folder = originals.generic_csv(tmp_path / "shop")
    reported: list[tuple[float | None, str]] = []
    import_path(store, folder, progress=lambda fraction, message: reported.append((fraction, message)))
    fractions = [fraction for fraction, _ in reported if fraction is not None]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert any("interactions.csv.gz: 12 lines" in message for _, message in reported)

    def stop(_fraction: float | None, message: str) -> None:
        if "Writing" in message:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        import_path(store, folder, "other", progress=stop)
    assert [info.name for info in datasets.listing(store)] == ["shop"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/Games_5.json.gz", "Games_5"),
        ("/a/ml-latest-small.zip", "ml-latest-small"),
        ("/a/Games-6k.test.inter", "Games-6k"),
        ("/a/my data (1).csv", "my-data-1"),
        ("/a/folder", "folder"),
    ],
)
def test_names_come_from_the_path(path: str, name: str) -> None:
    assert default_name(path) == name


def naive(purchases: list[Purchase], options: ImportOptions) -> list[Purchase]:
    """The rules again, in plain lists."""
    order = list(dict.fromkeys(user for user, *_ in purchases))
    rows = sorted(purchases, key=lambda p: (order.index(p[0]), p[2]))
    if options.repeats == "first":
        seen: dict[tuple[int, int], Purchase] = {}
        rows = [p for p in rows if seen.setdefault((p[0], p[1]), p) is p]
    if options.min_rating is not None:
        rows = [p for p in rows if p[3] >= options.min_rating]
    while options.k_core:
        users, items = Counter(p[0] for p in rows), Counter(p[1] for p in rows)
        least = max(options.k_core, options.min_history)
        kept = [p for p in rows if users[p[0]] >= least and items[p[1]] >= options.k_core]
        if len(kept) == len(rows):
            break
        rows = kept
    users = Counter(p[0] for p in rows)
    return [p for p in rows if users[p[0]] >= options.min_history]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 3), st.integers(1, 5)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([0, 2, 3]),
    st.sampled_from([None, 2.0, 4.0]),
    st.integers(1, 4),
    st.sampled_from(["first", "all"]),
    st.integers(1, 7),
)
def test_tidy_equals_the_rules_in_plain_lists(
    purchases: list[Purchase],
    k_core: int,
    min_rating: float | None,
    min_history: int,
    repeats: str,
    batch: int,
) -> None:
    options = ImportOptions(k_core, min_rating, min_history, repeats).validate()  # type: ignore[arg-type]
    report = Report(label="rows")
    builder = Builder(report)
    for start in range(0, len(purchases), batch):
        users, items, times, ratings = zip(*purchases[start : start + batch], strict=True)
        lines = range(start + 2, start + 2 + len(users))
        builder.add("f", lines, [f"u{u}" for u in users], [f"i{i}" for i in items], times, ratings)
    wanted = naive(purchases, options)
    if not wanted:
        with pytest.raises(DataError, match="no interaction is left"):
            tidy(builder, ItemTable(report), options, report, whole_catalogue=False)
        return
    columns = tidy(builder, ItemTable(report), options, report, whole_catalogue=False)
    assert as_rows(columns) == [(f"u{u}", f"i{i}", float(r), t) for u, i, t, r in wanted]
    assert (
        report.rows_read
        == len(purchases)
        == report.rows_kept + sum(e["count"] for e in report.dropped.values())
    )
    assert set(columns.item_ids) == {f"i{p[1]}" for p in wanted}
    last = {f"u{u}": [p[2] for p in wanted if p[0] == u][-2:] for u in {p[0] for p in wanted}}
    assert columns.tie.tolist() == [len(last[u]) == 2 and last[u][0] == last[u][1] for u in columns.user_ids]


def repeated(folder: Path) -> Path:
    """60 rows of 4 users, 48 of them repeats."""
    rows = [(f"u{u}", f"i{n % 3}", 1000 + 10 * n, 5) for u in range(4) for n in range(15)]
    return table(folder, rows)


def test_an_import_that_would_lose_most_rows_asks_first(store: Store, tmp_path: Path) -> None:
    path = repeated(tmp_path)
    with pytest.raises(ManyLeftOut, match="80% of 60 rows would be left out") as told:
        import_path(store, path, "shop")
    assert datasets.listing(store) == []
    assert "import with repeats='all'" in str(told.value)
    assert "To import the other 12 rows, import with accept_drops=True." in str(told.value)
    assert told.value.question["ways"] == [{"label": "Keep repeats", "options": {"repeats": "all"}}]
    info, report = import_path(store, path, "all", options=ImportOptions(repeats="all"))
    assert (info.interactions, report.question()) == (60, None)
    info, _ = import_path(store, path, "few", accept_drops=True)
    assert info.interactions == 12
    same, report = import_path(store, path, "few")
    assert (same, report.unchanged) == (info, True), "what was accepted once is not asked again"


def test_rows_that_a_filter_leaves_out_are_not_asked_about(store: Store, tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{n}", 1000 + n, 5 if n < 3 else 1) for u in range(4) for n in range(12)]
    info, report = import_path(store, table(tmp_path, rows), "shop", options=ImportOptions(min_rating=4))
    assert (info.interactions, report.rows_read) == (12, 48)


def test_an_import_reports_often_and_shows_nothing_before_its_end(store: Store, tmp_path: Path) -> None:
    rows = [(f"u{u}", f"i{(u + n) % 50}", 1000 + n, 5) for u in range(400) for n in range(50)]
    path = table(tmp_path, rows)
    told: list[tuple[float | None, str]] = []

    def progress(fraction: float | None, message: str) -> None:
        told.append((fraction, message))
        assert datasets.listing(store) == []

    import_path(store, path, "shop", progress=progress)
    assert {message.partition(" ")[0] for _, message in told} >= {"x.csv:", "Cleaning", "Writing"}
    fractions = [fraction for fraction, _ in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert any("rows/s" in message for _, message in told)


def test_an_upload_is_called_by_its_own_name(store: Store, tmp_path: Path) -> None:
    folder = store.settings.uploads / "3f2a"
    folder.mkdir(parents=True)
    path = folder / "Käufe: März.csv"
    path.write_text("")
    for read in (lambda: import_path(store, path, "x"), lambda: import_path(store, folder, "x")):
        with pytest.raises(DataError) as told:
            read()
        assert "3f2a" not in str(told.value)
        assert "Käufe: März.csv" in str(told.value)
    table(folder, [(f"u{u}", f"i{n}", n, 5) for u in range(3) for n in range(4)]).rename(path)
    info, _ = import_path(store, path, "x")
    assert info.source == "Käufe: März.csv"


@pytest.mark.parametrize("packed", [False, True])
def test_a_new_file_is_hashed_while_it_is_read(
    packed: bool, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is that of a file read for it alone, and a new data set is not read for it alone."""
    folder = originals.generic_csv(tmp_path / "shop")
    path = originals.zipped(folder) if packed else folder
    alone: list[str] = []
    hash_of = imported.hash_of

    def watched(member: Member, progress: imported.Progress) -> str:
        alone.extend([] if member.digest else [member.name])
        return hash_of(member, progress)

    monkeypatch.setattr(imported, "hash_of", watched)
    first, _ = import_path(store, path, "shop")
    assert alone == []
    again, report = import_path(store, path, "shop")
    assert (again, report.unchanged) == (first, True)


def test_the_digest_of_a_stream_is_that_of_its_file(tmp_path: Path) -> None:
    for path in originals.generic_csv(tmp_path / "shop").iterdir():
        [folder] = open_source(path, path.name)
        assert folder.only
        assert folder.only.digest is None
        with folder.only.open() as stream:
            while stream.read(1000):
                pass
        assert folder.only.digest == hashlib.sha256(path.read_bytes()).hexdigest()
