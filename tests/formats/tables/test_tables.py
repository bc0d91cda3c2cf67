"""What a table says of itself: kinds of columns, task, parts, what is learnt; and the faults that are named."""

from __future__ import annotations

import gzip
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from trainer import storage
from trainer.formats.settings import BadRowsPolicy
from trainer.formats.tables import reading
from trainer.formats.tables.parts import TableRows, TableStream
from trainer.formats.tables.reading import Table
from trainer.formats.tables.settings import TableData, Task
from trainer.job.errors import DataError, JobError, UsageError

HEADER = "id,age,city,since,note,churn"


def rows(count: int) -> list[str]:
    """Ages 0 … 9 with each tenth blank, three cities, dates of 2020, a note of its own for each row."""
    return [
        f"{n},{'' if n % 10 == 9 else n % 10},{('Bern', 'Basel', 'Bern', 'NA')[n % 4]},2020-01-{n % 28 + 1:02d},"
        f'"{n} says ""hm"", then",{("no", "yes")[n % 3 == 0]}'
        for n in range(count)
    ]


def write(path: pathlib.Path, lines: list[str], header: str = HEADER) -> pathlib.Path:
    text = "\n".join([header, *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def described(path: pathlib.Path, *, output_dir: str | None = None, **settings: Any) -> Table:
    limit = settings.pop("memory_limit", reading.MEMORY_LIMIT)
    data = TableData(train_data_paths=(str(path),), **{"label_column": "churn", **settings})
    return reading.describe(data, output_dir, memory_limit=limit)


def examples(part: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    held = part if isinstance(part, TableRows) else TableRows(stream=part, count=0)
    return held.arrays


@pytest.fixture
def table(tmp_path: pathlib.Path) -> pathlib.Path:
    return write(tmp_path / "churn.csv", rows(200))


def test_columns_are_numbers_categories_or_dates_and_ids_are_left_out(
    table: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = described(table)
    assert found.columns == ("age", "city", "since")
    assert found.plain_numbers == ("age",) and found.dates == {"since": "day"}
    assert found.vocabulary("city") == ["Bern", "Basel"]
    assert "Column id is left out: it numbers the rows." in caplog.messages
    assert "Column note is left out: most rows have a text of their own there; name it in" in caplog.text


def test_the_label_decides_the_task(table: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert (described(table).task, described(table).classes) == ("binary", ("no", "yes"))
    assert described(table, positive_class="no").positive == "no"
    assert described(table, label_column="city").classes == ("Basel", "Bern", "NA")
    assert described(table, label_column="id").task == "regression"
    few = write(tmp_path / "few.csv", [f"{n},{n % 3 - 1}" for n in range(90)], "x,kind")
    assert described(few, label_column="kind").classes == ("-1", "0", "1")
    assert described(few, label_column="kind", task=Task.REGRESSION).label_scale == pytest.approx(0.816, abs=0.02)


def test_rows_are_divided_by_their_lines_alike_in_every_stretch(table: pathlib.Path) -> None:
    found = described(table)
    assert isinstance(found.train, TableRows) and isinstance(found.test, TableRows)
    assert isinstance(found.evaluation, TableRows)
    assert (found.train.count, found.evaluation.count, found.test.count) == (160, 20, 20)
    assert [len(examples(part)[1]) for part in (found.train, found.evaluation, found.test)] == [160, 20, 20]


def test_a_column_may_say_for_what_a_row_is(tmp_path: pathlib.Path) -> None:
    parts = ["train", "Training", "valid", "test"]
    path = write(tmp_path / "t.csv", [f"{n},{parts[n % 4]},{n % 2}" for n in range(40)], "x,part,churn")
    found = described(path, split_column="part")
    assert found.columns == ("x",)
    for part, numbers in ((found.train, [0, 1]), (found.evaluation, [2]), (found.test, [3])):
        xs = examples(part)[0]["numbers"][:, 0] * found.numbers["x"]["scale"] + found.numbers["x"]["mean"]
        assert {round(float(x)) % 4 for x in xs} == set(numbers)
    write(path, ["1,elsewhere,0", "2,train,1"], "x,part,churn")
    with pytest.raises(DataError, match=r"t.csv:2, column 2 \(part\): 'elsewhere' names no part of the data"):
        described(path, split_column="part")


def test_files_for_evaluation_leave_all_others_to_training(tmp_path: pathlib.Path) -> None:
    first, second = write(tmp_path / "a.csv", rows(50)), write(tmp_path / "b.csv.gz", rows(30))
    found = described(first, eval_data_paths=(str(second),))
    assert isinstance(found.train, TableRows) and isinstance(found.evaluation, TableRows) and found.test is None
    assert (found.train.count, found.evaluation.count) == (50, 30)
    assert len(examples(found.evaluation)[1]) == 30


def test_statistics_are_those_of_training_alone(table: pathlib.Path) -> None:
    found = described(table)
    numbers, categories = (examples(found.train)[0][name] for name in ("numbers", "categories"))
    assert found.number_names == ("age", "since", "age is blank")
    np.testing.assert_allclose(numbers[numbers[:, 2] == 0, 0].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(numbers[numbers[:, 2] == 0, 0].std(), 1, atol=1e-5)
    median = (found.numbers["age"]["median"] - found.numbers["age"]["mean"]) / found.numbers["age"]["scale"]
    np.testing.assert_allclose(numbers[numbers[:, 2] == 1, 0], median, atol=1e-5)
    assert set(categories[:, 0]) == {0, 1, 2}, "a blank, Bern and Basel"
    assert found.category_sizes == {"city": 7, "since month": 13, "since weekday": 8}


def test_a_large_table_is_streamed_and_gives_the_same_rows(table: pathlib.Path) -> None:
    held, streamed = described(table), described(table, memory_limit=0)
    assert isinstance(held.train, TableRows) and isinstance(streamed.train, TableStream)
    for one, other in zip(examples(held.train)[0].values(), examples(streamed.train)[0].values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_learnt_is_kept_for_the_same_files_and_settings_only(table: pathlib.Path) -> None:
    folder = str(table.parent / "run")
    found = described(table, output_dir=folder)
    kept = json.loads(storage.read(f"{folder}/table.json"))
    assert kept["schema"]["vocabularies"] == {"city": "Bern\nBasel"} and kept["counts"] == [160, 20, 20]
    kept["schema"]["vocabularies"]["city"] = "Rome"
    del kept["crc32"]
    storage.write(f"{folder}/table.json", json.dumps(kept).encode())
    assert described(table, output_dir=folder).vocabulary("city") == ["Rome"], "it is not learnt again"
    assert described(table, output_dir=folder, min_count=3).vocabulary("city") == ["Bern", "Basel"]
    write(table, rows(300))
    again = described(table, output_dir=folder)
    assert isinstance(again.train, TableRows) and again.train.count == 240
    assert found.schema_fields() != again.schema_fields()


def test_a_run_keeps_its_vocabularies_and_refuses_other_columns(table: pathlib.Path, tmp_path: pathlib.Path) -> None:
    before = described(table)
    plain = json.loads(json.dumps(before.schema_fields()))
    other = write(tmp_path / "other.csv", [row.replace("Basel", "Chur") for row in rows(200)])
    now = reading.with_learnt_of(described(other), plain)
    assert now.vocabulary("city") == ["Bern", "Basel"]
    assert set(examples(now.train)[0]["categories"][:, 0]) <= {0, 1, 3, 4, 5, 6}
    with pytest.raises(UsageError, match="The table has columns age,since; the weights in the directory were trained"):
        reading.with_learnt_of(described(table, ignored_columns=("city",)), plain)
    unknown = write(tmp_path / "unknown.csv", [row.replace(",yes", ",maybe") for row in rows(200)])
    with pytest.raises(UsageError, match="The table has classes no,yes,maybe; the weights"):
        reading.with_learnt_of(described(unknown), plain)


FAULTS = {
    "7,x,Bern,2020-01-01,n,no": r", column 2 \(age\): 'x' where a number belongs. Accepted: numbers, and blanks",
    "7,1,Bern,2020-02-30,n,no": r", column 4 \(since\): '2020-02-30' where a date belongs",
    "7,1,Bern,2020-01-01,n,": r", column 6 \(churn\): no label. Accepted: a label in every row",
    "7,1,Bern,2020-01-01,no": ": a row of 5 values. Accepted: 6 values a row, as many as the header names",
    '7,1,Bern,2020-01-01,5" long,no': ": quotes that do not close on the line, or do not stand around",
    '7,1,Bern,2020-01-01,"n,no': ": quotes that do not close on the line",
    "7,1e99,Bern,2020-01-01,n,no": r", column 2 \(age\): '1e99' is too large",
}
"""Rows that cannot be read, and what is said of them."""


@pytest.mark.parametrize(("line", "message"), FAULTS.items())
def test_a_fault_is_named_by_line_and_column(tmp_path: pathlib.Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=f":2{message}"):
        described(write(tmp_path / "churn.csv", [line, *rows(300)]))


def test_rows_with_faults_are_left_out_and_listed_with_their_lines(tmp_path: pathlib.Path) -> None:
    lines = rows(300)
    for number, fault in enumerate(FAULTS):
        lines.insert(20 * number, fault)
    path, folder = write(tmp_path / "churn.csv", lines), str(tmp_path / "run")
    skip = {"bad_rows": BadRowsPolicy.SKIP, "max_bad_fraction": 0.05, "output_dir": folder}
    for _ in ("read", "kept"):
        found = described(path, **skip)
        parts = [found.train, found.evaluation, found.test]
        assert sum(len(examples(part)[1]) for part in parts) == 300
    _, *listed = storage.read(f"{folder}/bad_rows.csv").decode().splitlines()
    assert len(listed) == len(FAULTS)
    for number, entry in enumerate(listed):
        assert f"{path},{20 * number + 2}," in entry, listed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_column": None}, "--data_format=table without --label_column. Accepted: a column of .*: id, age, city"),
        ({"label_column": "Churn"}, "--label_column: .* has no column 'Churn'. Accepted: id, age, city, since, note"),
        ({"ignored_columns": ("town",)}, "--ignored_columns: .* has no column 'town'"),
        ({"task": Task.BINARY, "label_column": "city"}, r"--task=binary, and the label city has 3 values"),
        ({"task": Task.REGRESSION}, r":2, column 6 \(churn\): 'yes' where a number belongs"),
        ({"positive_class": "perhaps"}, "--positive_class=perhaps. Accepted: no or yes"),
        ({"num_epochs": 1, "train_batch_size": 161}, "--num_epochs=1 of 160 rows fill no batch of 161"),
    ],
)
def test_settings_that_do_not_fit_the_table_are_refused(
    table: pathlib.Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(JobError, match=message):
        described(table, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": (0.5, 0.6)}, "--split=0.5,0.6. Accepted: two or three fractions above 0 that sum to 1"),
        ({"min_count": 0}, "--min_count=0. Accepted: a whole number from 1 up"),
        ({"feature_columns": ("churn",)}, "--feature_columns names the label 'churn'"),
        ({"feature_columns": ("a",), "ignored_columns": ("a",)}, "--ignored_columns names 'a', which another flag"),
        ({"eval_data_paths": ("b.csv",), "split_column": "part"}, "--split_column=part together with --eval_data_pat"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TableData(train_data_paths=("a.csv",), label_column="churn", **changes)


def test_a_first_row_of_data_is_no_header(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "t.csv", ["2,b", "3,c"], "1,a")
    with pytest.raises(DataError, match="t.csv:1: no header, the first row is data"):
        described(path)
    texts = write(tmp_path / "texts.csv", ["a,yes", "b,no"] * 20, "kind,churn")
    assert described(texts).vocabulary("kind") == ["b", "a"], "the more frequent one of training first"


def test_an_odd_text_among_numbers_is_no_category_unless_that_is_said(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "t.csv", [*(f"{n},yes" for n in range(30)), '"1,234",no'], "x,churn")
    told = r"t.csv:32, column 1 \(x\): '1,234' where a number belongs.*Write such numbers without signs"
    with pytest.raises(DataError, match=told):
        described(path)
    assert described(path, categorical_columns=("x",)).vocabularies.keys() == {"x"}


def test_an_index_of_a_data_frame_is_left_out_and_codes_are_told(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"{n},0{1001 + n % 3},{('no', 'yes')[n % 2]}" for n in range(60)]
    found = described(write(tmp_path / "t.csv", lines, "Unnamed: 0,zip,churn"))
    assert found.columns == ("zip",)
    assert "Column Unnamed: 0 is left out: it numbers the rows." in caplog.text
    assert "Column zip is read as numbers, and has 01001: if that is a name, set --categorical_columns." in caplog.text


def test_numbers_that_stand_for_no_value_are_blanks(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "t.csv", [f"{-999 if n % 5 == 0 else n % 4},{n % 2}" for n in range(100)], "x,churn")
    found = described(path, missing_values=("-999",))
    assert found.numbers["x"]["blanks"] == 1 and 0 <= found.numbers["x"]["mean"] <= 3
    assert examples(found.train)[0]["numbers"][:, 1].sum() == pytest.approx(16, abs=3)


def test_semicolons_decimal_commas_and_white_space_are_read(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "t.csv", [f"{n % 7},5;{'ab'[n % 2]};{n},25" for n in range(50)], "x;kind;price")
    found = described(path, label_column="price")
    assert found.numbers["x"]["median"] == 3.5 and found.task == "regression"
    assert (examples(found.evaluation)[1] % 1 == 0.25).all()
    spaced = write(tmp_path / "s.txt", [f"{n % 7}.5   {'ab'[n % 2]} {n}.25" for n in range(50)], "x kind  price")
    np.testing.assert_array_equal(
        examples(described(spaced, label_column="price").train)[0]["numbers"], examples(found.train)[0]["numbers"]
    )
