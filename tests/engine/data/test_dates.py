"""Dates of the common spellings, and columns of times whose order or unit single values leave open."""

from datetime import UTC, datetime

import numpy as np
import pytest

from db.errors import DataError
from engine.data.clock import Clock, seconds
from engine.data.dates import parse_date
from engine.data.report import Report
from engine.data.values import is_date


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2014-03-20", (2014, 3, 20)),
        ("2014-03-20T10:50:20Z", (2014, 3, 20, 10, 50, 20)),
        ("2014-03-20 10:50:20 UTC", (2014, 3, 20, 10, 50, 20)),
        ("2014/3/20", (2014, 3, 20)),
        ("12/20/2010 8:26", (2010, 12, 20, 8, 26)),
        ("20/12/2010", (2010, 12, 20)),
        ("20.12.2010 14:00", (2010, 12, 20, 14)),
        ("1.2.2010", (2010, 2, 1)),
        ("12/20/10", (2010, 12, 20)),
        ("11/19/2019 5:28:05 PM", (2019, 11, 19, 17, 28, 5)),
        ("11/19/2019 12:01 a.m.", (2019, 11, 19, 0, 1)),
        ("03 9, 2014", (2014, 3, 9)),
        ("Mar 9, 2014", (2014, 3, 9)),
        ("March 9th, 2014 5:28 PM", (2014, 3, 9, 17, 28)),
        ("9 Mar 2014", (2014, 3, 9)),
        ("09-Mar-14", (2014, 3, 9)),
        ("2014 Sept 9", (2014, 9, 9)),
        ("Mon, 09 Mar 2014 10:50:20 +0100", (2014, 3, 9, 9, 50, 20)),
        ("Mon, 09 Mar 2014 10:50:20 GMT", (2014, 3, 9, 10, 50, 20)),
        ("Mon Apr 09 10:50:20 -0700 2017", (2017, 4, 9, 17, 50, 20)),
        ("Sun Nov  5 10:00:00 PST 2011", (2011, 11, 5, 18)),
    ],
)
def test_spellings_of_a_date(text: str, moment: tuple[int, ...]) -> None:
    assert parse_date(text) == at(*moment)
    assert is_date(text)


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "12/40/2010",
        "31/02/2010",
        "Blue 3",
        "1/2",
        "May 2014",
        "Halo (2001)",
        "1,2,2014",
        "13:00 PM 1/1/2011",
        "",
    ],
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError):
        parse_date(text)


def settled(values: list, order: str | None = None) -> tuple[list[int], Report]:
    clock, report = Clock(), Report()
    times, unit = clock.settle(clock.read(values), report, order)
    return seconds(times, unit).tolist(), report


def test_one_date_tells_how_all_are_written() -> None:
    for told, month, day in (("12/20/2010", 3, 4), ("20/12/2010", 4, 3)):
        read, report = settled(["03/04/2014 10:30", told])
        assert read == [at(2014, month, day, 10, 30), at(2010, 12, 20)]
        assert report.questions == []


def test_dates_that_leave_their_order_open_are_asked_about_or_said() -> None:
    values = ["03/04/2014", "05/06/2014"]
    read, report = settled(values)
    assert read == [at(2014, 3, 4), at(2014, 5, 6)]
    [question] = report.questions
    assert (question.field, question.option) == ("dates", "dates")
    assert [candidate.name for candidate in question.candidates] == ["month-first", "day-first"]
    assert "03/04/2014" in question.reason
    read, report = settled(values, "day-first")
    assert read == [at(2014, 4, 3), at(2014, 6, 5)]
    assert report.questions == []


def test_an_order_that_the_dates_contradict_is_refused() -> None:
    with pytest.raises(DataError, match="not written day-first"):
        settled(["03/04/2014", "12/20/2010"], "day-first")
    _, report = settled(["03/04/2014", "12/20/2010", "20/12/2010"])
    assert [question.field for question in report.questions] == ["dates"]
    read, report = settled(["03/04/2014", "12/20/2010", "20/12/2010", "21/12/2010"])
    assert read[0] == at(2014, 4, 3)
    assert report.questions[0].candidates[0].name == "day-first", "the guess that was taken stands first"


def test_numbers_of_several_units_and_dates_mix() -> None:
    second = 1_400_000_000
    read, report = settled(
        [str(second + n) for n in range(20)] + [f"{second}123", f"{second}000000", f"{second}000000000"]
    )
    assert read == [second + n for n in range(20)] + [second] * 3
    assert any("milliseconds (1 of them)" in note for note in report.notes)
    assert settled(["2014-03-20", str(second)])[0] == [at(2014, 3, 20), second]
    assert settled([str(second), "2014-03-20", "1400000000,5"])[0] == [second, at(2014, 3, 20), second]


def test_days_written_as_one_number() -> None:
    assert settled(["20140320", "20140321"])[0] == [at(2014, 3, 20), at(2014, 3, 21)]
    assert settled(["20140320104500"])[0] == [at(2014, 3, 20, 10, 45)]
    assert settled(["20140320", "20141340"])[0] == [20140320, 20141340], "no dates: an order"


def test_times_that_no_clock_shows_are_refused() -> None:
    for value in ("1e30", "inf", "soon"):
        with pytest.raises((ValueError, OverflowError)):
            Clock().read([value])
    assert Clock().read(["1", "2"]).dtype == np.int64
