from __future__ import annotations

import numpy as np
import pytest

from trainer.formats.text import timestamps
from trainer.formats.text.dialect import read_head


def seconds(*stamps: str) -> list[float]:
    return (np.array(stamps, "datetime64[us]").astype(np.int64) / 1e6).tolist()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2020-01-31 12:00:00", "2020-02-01 00:30:00.5"], ["2020-01-31T12:00", "2020-02-01T00:30:00.5"]),
        (["1949-01", "1949-02"], ["1949-01-01", "1949-02-01"]),
        (["2020-01-31T12:00Z", "2020-01-31T12:00+02:00"], ["2020-01-31T12:00", "2020-01-31T10:00"]),
        (["1990/1/1 0:00", "1990/1/2 1:00"], ["1990-01-01", "1990-01-02T01:00"]),
        (["16/12/2006 17:24:00", "01/01/2007 00:00:00"], ["2006-12-16T17:24", "2007-01-01"]),
        (["12/16/2006", "01/02/2007"], ["2006-12-16", "2007-01-02"]),
        (["1/2/2020", "2/2/2020"], ["2020-02-01", "2020-02-02"]),
        (["1.2.2020 00:10", "2.2.20"], ["2020-02-01T00:10", "2020-02-02"]),
        (["1/2/2020 3:00 PM", "1/13/2020 12:30 AM"], ["2020-01-02T15:00", "2020-01-13T00:30"]),
        (["Jan 2, 2020", "01-Feb-20", "March 2021"], ["2020-01-02", "2020-02-01", "2021-03-01"]),
        (["1960Q1", "1960 Q4"], ["1960-01-01", "1960-10-01"]),
        (["10/03/2004 18.00.00", "13/03/2004 0.30.05"], ["2004-03-10T18:00", "2004-03-13T00:30:05"]),
        (["2011-01-01 5", "2011-01-01 23"], ["2011-01-01T05:00", "2011-01-01T23:00"]),
        (["1580000000", "1580000060"], ["2020-01-26T00:53:20", "2020-01-26T00:54:20"]),
        (["1580000000000", "1580000060000"], ["2020-01-26T00:53:20", "2020-01-26T00:54:20"]),
        (["20200131", "20200201"], ["2020-01-31", "2020-02-01"]),
    ],
)
def test_times_are_read_as_people_write_them(texts: list[str], expected: list[str]) -> None:
    assert timestamps.read(texts).tolist() == seconds(*expected)


def test_what_is_no_time_is_nan() -> None:
    found = timestamps.read(["2020-01-01", "Total", "2020-02-30", "2020-01-01 25:00", ""])
    assert np.isnan(found).tolist() == [False, True, True, True, True]


def test_plain_numbers_are_taken_as_they_are() -> None:
    assert timestamps.read(["1", "2", "2.5"]).tolist() == [1.0, 2.0, 2.5]


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("date,v", "2020-01-01,3", (0,)),
        ("v,when", "3,2020-01-01 00:00", (1,)),
        ("Date;Time;v", "16/12/2006;17:24:00;3", (0, 1)),
        ("Date;Time;v", "10/03/2004;18.00.00;2", (0, 1)),
        ("from;to;v", "10.03.2004;18.00.00;2", (0,)),
        ("day,hr,v", "2011-01-01,0,3", (0, 1)),
        ("Time,v", "17:24:00,3", ()),
        ("unix_time,v", "1580000000,3", (0,)),
        ("timestamp,v", "1580000000000,3", (0,)),
        ("time,v", "17,3", (0,)),
        ("run_time,v", "17,3", ()),
        ("a,b", "1580000000,3", ()),
        ("word,v", "x,3", ()),
    ],
)
def test_columns_of_time_are_seen_by_their_values_and_names(header: str, row: str, columns: tuple[int, ...]) -> None:
    assert timestamps.columns(read_head("a.csv", [header, *[row] * 5])) == columns


@pytest.mark.parametrize(("years", "columns"), [(["2001", "2000", "1999"], (0,)), (["2000", "2000", "2001"], ())])
def test_a_year_is_the_time_of_rows_where_each_has_another(years: list[str], columns: tuple[int, ...]) -> None:
    assert timestamps.columns(read_head("a.csv", ["Year,v", *(f"{year},3" for year in years)])) == columns
