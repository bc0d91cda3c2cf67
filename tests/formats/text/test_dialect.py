from __future__ import annotations

import pytest

from trainer.formats.text.dialect import Dialect, Kind, read_head
from trainer.job.errors import DataError


@pytest.mark.parametrize(
    ("lines", "separator", "decimal_comma"),
    [
        (["1,2", "3,4"], ",", False),
        (["1;2", "3;4"], ";", False),
        (["1,5;2,5", "3,5;4,5"], ";", True),
        (["date;value", "01.02.2020;1,5"], ";", True),
        (["1\t2", "3\t4"], "\t", False),
        (["a|b", "1|2"], "|", False),
        (["1 2  3", "4 5 6"], None, False),
        (["date value", "2020-01-01 3"], None, False),
        (["timestamp", "2020-01-01 00:00:00"], ",", False),
        (["value", "1", "2"], ",", False),
        (['"a;b",c', '"x;y",2', '"z;w",3'], ",", False),
        (["1,2;0", "3.5;1"], ";", False),
    ],
)
def test_separator_and_decimal_sign_are_seen_in_the_rows(
    lines: list[str], separator: str | None, decimal_comma: bool
) -> None:
    assert read_head("a.csv", lines).dialect == Dialect(separator=separator, decimal_comma=decimal_comma)


def test_one_ragged_row_does_not_change_the_separator() -> None:
    assert read_head("a.csv", ["1,2,3", "4;5", "6,7,8"]).dialect.separator == ","


@pytest.mark.parametrize(
    ("lines", "header"),
    [
        (["date,value", "2020-01-01,3"], True),
        (["date,0,1,OT", "2020-01-01,1,2,3"], True),
        (["a,b", ",3"], True),
        (["1,2", "3,4"], False),
        (["2020-01-01,3", "2020-01-02,4"], False),
        (["a,b", "c,d"], False),
        (["a,b"], False),
        (["a,b", "1,2", "3,4", "a,b"], True),
    ],
)
def test_a_header_is_text_above_numbers_or_dates(lines: list[str], header: bool) -> None:
    assert read_head("a.csv", lines).has_header is header


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("1", Kind.NUMBER),
        ("-1.5e-3", Kind.NUMBER),
        (".5", Kind.NUMBER),
        ("2016.01", Kind.NUMBER),
        ("", Kind.MISSING),
        ("?", Kind.MISSING),
        ("NaN", Kind.MISSING),
        ("2016-07-01 00:00:00", Kind.DATE),
        ("1949-01", Kind.DATE),
        ("16/12/2006", Kind.DATE),
        ("17:24:00", Kind.DATE),
        ("2020-01-01T00:00:00.000+01:00", Kind.DATE),
        ("1/2/2020 3:00 PM", Kind.DATE),
        ("Jan 2, 2020", Kind.DATE),
        ("01-Jan-20", Kind.DATE),
        ("1960Q1", Kind.DATE),
        ("inf", Kind.TEXT),
        ("1_0", Kind.TEXT),
        ("0x10", Kind.TEXT),
        ("NE", Kind.TEXT),
        ("1,5", Kind.TEXT),
    ],
)
def test_a_field_is_a_number_a_date_missing_or_text(field: str, kind: Kind) -> None:
    assert Dialect().kind(field) is kind


def test_blank_lines_above_the_rows_are_counted() -> None:
    assert read_head("a.csv", ["", "  ", "a,b", "1,2"]).first_line == 3


def test_a_file_of_blank_lines_holds_no_row() -> None:
    with pytest.raises(DataError, match="a.csv has only blank lines. Accepted: at least one row"):
        read_head("a.csv", ["", "  "])


def test_quotes_that_do_not_close_are_named_by_their_line() -> None:
    with pytest.raises(DataError, match="a.csv:1: quotes that do not close"):
        read_head("a.csv", ['"a,b', "1,2"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['[{"a": 1},', '{"a": 2}]'], "a.csv:1: this is JSON. Accepted: CSV, or TFRecord files of tf.train.Example."),
        (["[", "1]"], "a.csv:1: this is JSON"),
        (['{"a": 1, "b": 2}', '{"a": 2, "b": 3}'], "a.csv:1: this is JSON"),
        (["sep=;", "a;b", "1;2"], "a.csv:1: sep=; is a note to Excel, not a row. .* Remove that line."),
        (
            ["", "# made in May", "# by hand", "a,b", "1,2"],
            "a.csv:2: a comment, not a row. .* begin with #.",
        ),
    ],
)
def test_what_stands_above_or_in_place_of_a_table_is_named(lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_head("a.csv", lines)


@pytest.mark.parametrize("header", ["#date,value", "# date,value", "[ms],value", "sep,value"])
def test_a_header_may_begin_as_a_comment_does(header: str) -> None:
    assert read_head("a.csv", [header, "2020-01-01,3", "2020-01-02,4"]).has_header
