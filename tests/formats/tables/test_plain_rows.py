"""Rows without quotes and blanks are read as they are field by field, only faster."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from trainer.formats.tables import plain_rows
from trainer.formats.tables.parts import TableRows
from trainer.formats.tables.plain_rows import PlainRows
from trainer.formats.tables.reading import describe
from trainer.formats.tables.schema import TableSchema
from trainer.formats.tables.settings import TableData
from trainer.job.errors import DataError

PLAIN = "".join(f"{n},{n * 0.1 - 3:.4f},{'abc'[n % 3]},2020-01-{n % 28 + 1:02},{n % 2}\n" for n in range(60))
ODD = {
    "plain": "",
    "blanks around fields": " 7 ,\t2.5, b ,2020-02-01, 1\n",
    "exponents": "7,-1.5e-3,b,2020-02-01,1\n",
    "a blank number": ",2.5,b,2020-02-01,1\n",
    "a missing value": "NA,2.5,b,2020-02-01,1\n",
    "a sentinel": "-9999,2.5,b,2020-02-01,1\n",
    "a blank text": "7,2.5,,2020-02-01,1\n",
    "quotes": '7,"2.5","b,c",2020-02-01,1\n',
    "another alphabet": "7,2.5,ä,2020-02-01,1\n",
    "a separator that Python strips": "7,2.5\x1f,b,2020-02-01,1\n",
    "an underscore in a text": "7,2.5,b_c,2020-02-01,1\n",
}
FAULTY = {
    "a number with an underscore": "7,1_0,b,2020-02-01,1\n",
    "a foreign digit": "7,١,b,2020-02-01,1\n",
    "too large": "7,1e39,b,2020-02-01,1\n",
    "infinite": "7,inf,b,2020-02-01,1\n",
    "hexadecimal": "7,0x10,b,2020-02-01,1\n",
    "no label": "7,2.5,b,2020-02-01,\n",
    "no date": "7,2.5,b,2020-13-01,1\n",
    "a row too narrow": "7,2.5,b,2020-02-01\n",
    "a row too wide": "7,2.5,b,2020-02-01,1,2\n",
}
Read = Callable[[str], tuple[TableSchema, tuple[int, ...]]]


@pytest.fixture
def read(tmp_path: pathlib.Path) -> Read:
    """What is learnt of a table that ends in a row, and how many rows each part has."""
    path = tmp_path / "table.csv"

    def learnt(row: str) -> tuple[TableSchema, tuple[int, ...]]:
        path.write_text(f"a,b,c,d,label\n{PLAIN}{row}{PLAIN}", encoding="utf-8")
        table = describe(TableData(train_data_paths=(str(path),), label_column="label", missing_values=("NA", "-9999")))
        assert isinstance(table.train, TableRows) and isinstance(table.evaluation, TableRows)
        return TableSchema(**table.schema_fields()), (table.train.count, table.evaluation.count)

    return learnt


@pytest.fixture
def field_by_field(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def refuse(*_: object) -> None:
        raise ValueError("not plain")

    return lambda: monkeypatch.setattr(plain_rows.PlainRows, "__init__", refuse)


@pytest.mark.parametrize("name", ODD)
def test_the_same_is_learnt_as_field_by_field(name: str, read: Read, field_by_field: Callable[[], None]) -> None:
    found = read(ODD[name])
    field_by_field()
    assert read(ODD[name]) == found


@pytest.mark.parametrize("name", FAULTY)
def test_the_same_faults_are_found_at_the_same_places(
    name: str, read: Read, field_by_field: Callable[[], None]
) -> None:
    with pytest.raises(DataError, match=r"table\.csv:62") as found:
        read(FAULTY[name])
    field_by_field()
    with pytest.raises(DataError) as expected:
        read(FAULTY[name])
    assert str(found.value) == str(expected.value)


def test_fields_are_found_wherever_they_stand() -> None:
    rows = PlainRows("a;b;;é;e\n1;-22;3.5;4;5\n".encode(), ";", 5)
    assert rows.texts([4, 2, 3, 0]) == {4: ["e", "5"], 2: ["", "3.5"], 3: ["é", "4"], 0: ["a", "1"]}
    rows = PlainRows(b"1;-22;3.5\n2;4;\n", ";", 3)
    assert repr(rows.numbers([2, 1], ".", float).tolist()) == "[[3.5, -22.0], [nan, 4.0]]"


@pytest.mark.parametrize("text", [b"1,2\n3\n", b"1,2,3\n4\n", b"1,2\n\n3,4\n", b"1,2\n3,4,5,6\n", b'1,"2"\n', b""])
def test_rows_of_other_widths_and_quotes_are_not_plain(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not plain|different widths"):
        PlainRows(text, ",", 2)


def test_rows_with_decimal_commas_are_plain_too(tmp_path: pathlib.Path, field_by_field: Callable[[], None]) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a;b;label\n" + "".join(f"{n};{n // 7},{n % 7};{n % 2}\n" for n in range(50)))
    data = TableData(train_data_paths=(str(path),), label_column="label")
    found = describe(data)
    field_by_field()
    assert describe(data).schema_fields() == found.schema_fields()
    assert found.numbers["b"]["mean"] > 3
