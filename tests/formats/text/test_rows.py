from __future__ import annotations

from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from trainer.formats.text import rows
from trainer.formats.text.dialect import Dialect
from trainer.formats.text.rows import Layout
from trainer.job.errors import DataError


def layout(path: str = "a.csv", **changes: object) -> Layout:
    settings: dict[str, object] = {
        "path": path,
        "dialect": Dialect(),
        "width": 3,
        "width_rule": "3 values a row",
        "advice": "Repair the row",
    }
    return Layout(**{**settings, **changes})  # type: ignore[arg-type]


@hypothesis.given(
    st.lists(st.lists(st.floats(-1e30, 1e30), min_size=3, max_size=3), min_size=1),
    st.sampled_from([Dialect(), Dialect(separator=";", decimal_comma=True), Dialect(separator=None)]),
)
def test_numbers_written_in_any_dialect_come_back_exactly(table: list[list[float]], dialect: Dialect) -> None:
    lines = [(dialect.separator or "  ").join(map(repr, row)) for row in table]
    if dialect.decimal_comma:
        lines = [line.replace(".", ",") for line in lines]
    np.testing.assert_array_equal(rows.parse(layout(dialect=dialect), 1, lines), table)


def test_the_precise_pass_reads_what_the_fast_one_cannot() -> None:
    lines = ['"x, y",1,2', "", 'z,"3",4']
    found = rows.parse(layout(columns=(1, 2)), 1, lines)
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])


def test_lines_are_numbered_across_blocks_and_after_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n" + "1,2,3\n" * 500 + "1,x,3\n")
    with pytest.raises(DataError, match=r"a.csv:502, column 2 \(b\): 'x' where a number belongs"):
        list(rows.read(layout(str(path), skip=1, names=("a", "b", "c")), block_bytes=64))


@pytest.mark.parametrize("columns", [None, (1,)])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2", "a.csv:2: a row of 2 values. Accepted: 3 values a row"),
        ("1", "a.csv:2: a row of 1 value."),
        ("1,2,3,", "a.csv:2: a row of 4 values.*set --sequence_length=4 if all rows are like this"),
        ("1,x,3", "a.csv:2, column 2: 'x' where a number belongs. Accepted: finite numbers.*Repair the row"),
        ("1,,3", "a.csv:2, column 2: no value"),
        ("1,?,3", r"a.csv:2, column 2: '\?', a missing value"),
        ("1,nan,3", "column 2: 'nan', a missing value"),
        ("1,inf,3", "column 2: 'inf' where a number belongs"),
        ("1,1e999,3", r"column 2: '1e999' is too large. Accepted: numbers up to 3.4e38"),
        ("1,1e39,3", "column 2: '1e39' is too large"),
        ("1,-1e39,3", "column 2: '-1e39' is too large"),
        (f"1,{'1' * 5_000_000},3", r"column 2: '1{24}'… \(5,000,000 characters\) is too large"),
        ("1,2020-01-01,3", "column 2: '2020-01-01' where a number belongs"),
        ('1,"2,3', "a.csv:2: quotes that do not close"),
    ],
)
def test_a_faulty_row_is_named_by_line_and_column(line: str, message: str, columns: tuple[int, ...] | None) -> None:
    with pytest.raises(DataError, match=message):
        rows.parse(layout(columns=columns), 1, ["1,2,3", line, "4,5,6"])


def test_a_column_that_is_not_read_may_hold_anything() -> None:
    np.testing.assert_array_equal(rows.parse(layout(columns=(2,)), 1, ["x,?,3", ",inf,4"]), [[3], [4]])


def test_a_dot_where_commas_are_decimal_is_refused() -> None:
    with pytest.raises(
        DataError, match="'1.234,5' where a number belongs. Accepted: finite numbers with a decimal comma"
    ):
        rows.parse(layout(dialect=Dialect(separator=";", decimal_comma=True)), 1, ["1,5;2;3", "1.234,5;2;3"])
