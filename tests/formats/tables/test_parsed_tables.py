"""Rows that are kept once their text was read: the same as the text gives, found again, deleted where damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import os
import pathlib
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.formats.tables import keeping
from trainer.formats.pipeline import datasets
from trainer.formats.settings import BadRowsPolicy
from trainer.formats.tables import learning_pass, locating, parsed_tables, reading
from trainer.formats.tables.parsed_rows import ParsedStream, RowFormat, TextNumbers
from trainer.formats.tables.parts import TableRows, TableStream
from trainer.formats.tables.reading import Table
from trainer.formats.tables.settings import TableData
from trainer.job.errors import DataError, JobError

FEW_ROWS = 700


def lines(count: int = FEW_ROWS) -> list[str]:
    """Numbers of many lengths, blanks, a sentinel, dates, quoted texts, a bad row, and a blank line."""
    random = np.random.default_rng(3)
    made = []
    for n in range(count):
        number = ["", "-9999", "1e-320", "-0", f"{random.normal():.17g}"][min(n % 40, 4)]
        city = ("Bern", ' "Basel, BS"'.strip(), "NA", "", "Zürich")[n % 5]
        made.append(f"{number},{random.integers(10**9)},{city},{n % 28 + 1}.2.2020,{('no', 'yes')[n % 3 == 0]}")
    return [*made[:99], "1,2,3", "", *made[99:]]


@pytest.fixture
def data(tmp_path: pathlib.Path) -> TableData:
    """Two files, one of them compressed."""
    text = "\n".join(["a,b,city,day,label", *lines()]) + "\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    return keeping.settings(str(tmp_path / "a.csv"), str(tmp_path / "b.csv.gz"))


def described(data: TableData, tmp_path: pathlib.Path, kept: bool = True, limit: int = 0) -> Table:
    scratch = str(tmp_path / "scratch") if kept else None
    return reading.describe(data, None, None, scratch, memory_limit=limit, parsed_from=1)


def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """The one that is kept."""
    (found,) = (tmp_path / "scratch" / parsed_tables.FOLDER).iterdir()
    return found


def batches(part: Any, data: TableData | None = None, context: tf.distribute.InputContext | None = None) -> list[bytes]:
    """Of training, or all rows in order where there are no data of a training; bit by bit."""
    made = datasets.training(part, data, context) if data else datasets.evaluation(part, 100)
    return [b"".join(value.numpy().tobytes() for value in tf.nest.flatten(batch)) for batch in made]


@pytest.fixture
def no_text(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on no text is read."""

    def refuse(*_: object) -> None:
        raise AssertionError("text is read")

    return lambda: monkeypatch.setattr(learning_pass, "learn", refuse)


@pytest.mark.parametrize("label", ["label", "a_label"], ids=["classes", "a number"])
def test_rows_that_are_kept_are_those_of_the_text_bit_by_bit(
    label: str, data: TableData, tmp_path: pathlib.Path, no_text: Callable[[], None]
) -> None:
    if label == "a_label":
        data = dataclasses.replace(data, label_column="b", ignored_columns=("label",))
    text, kept = described(data, tmp_path, kept=False), described(data, tmp_path)
    no_text()
    again = described(data, tmp_path)
    assert kept.schema_fields() == again.schema_fields() == text.schema_fields()
    for name in ("train", "evaluation", "test"):
        of_text, of_kept, found_again = (getattr(table, name) for table in (text, kept, again))
        assert isinstance(of_text, TableStream) and isinstance(of_kept, ParsedStream)
        assert isinstance(found_again, ParsedStream)
        assert batches(of_text) == batches(found_again if name == "train" else of_kept)
    assert batches(kept.train) == batches(again.train)
    assert batches(text.train, data) == batches(again.train, data)
    if label == "label":  # what a label is says nothing of how processes share the rows
        context = tf.distribute.InputContext(2, 1, 2)
        assert batches(text.train, data, context) == batches(kept.train, data, context)


def test_tables_in_memory_are_those_of_the_text_bit_by_bit(data: TableData, tmp_path: pathlib.Path) -> None:
    text, kept = (described(data, tmp_path, kept, 1 << 30) for kept in (False, True))
    assert isinstance(kept.train, TableRows) and isinstance(kept.train.stream, ParsedStream)
    assert batches(text.train, data) == batches(kept.train, data)
    assert batches(text.train) == batches(kept.train)


def test_rows_are_found_with_their_lines(data: TableData, tmp_path: pathlib.Path) -> None:
    wanted = locating.BatchRows(batch=3, rows=(0, 5, 63))
    for limit in (0, 1 << 30):
        text, kept = (described(data, tmp_path, kept, limit) for kept in (False, True))
        assert locating.places(kept, data, wanted) == locating.places(text, data, wanted)


def test_other_files_and_other_settings_are_read_again(
    data: TableData, tmp_path: pathlib.Path, no_text: Callable[[], None]
) -> None:
    described(data, tmp_path)
    described(dataclasses.replace(data, min_count=3), tmp_path)
    assert len(list((tmp_path / "scratch" / parsed_tables.FOLDER).iterdir())) == 2
    path = pathlib.Path(data.train_data_paths[0])
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    changed = path.read_text(encoding="utf-8").replace(",yes", ",no ", 1)
    path.write_text(changed, encoding="utf-8")
    os.utime(path, ns=times)  # nor by its size, nor by its time, does it seem to be another one
    no_text()
    with pytest.raises(AssertionError, match="text is read"):
        described(data, tmp_path)


def test_a_row_that_is_damaged_ends_training_and_the_next_run_reads_the_text(
    data: TableData, tmp_path: pathlib.Path
) -> None:
    kept = described(data, tmp_path)
    assert isinstance(kept.train, ParsedStream)
    with (folder(tmp_path) / "0.train").open("r+b") as file:
        file.seek(100 * kept.train.format.bytes + 3)
        file.write(b"\x55")
    with pytest.raises(tf.errors.InvalidArgumentError, match="parsed rows are damaged") as caught:
        batches(kept.train, data)
    fault = reading.locate_fault(kept, data, str(caught.value))
    assert isinstance(fault, JobError) and "were deleted. " in str(fault)
    assert not list((tmp_path / "scratch" / parsed_tables.FOLDER).iterdir())
    assert batches(described(data, tmp_path).train) == batches(described(data, tmp_path, False).train)


@pytest.mark.parametrize("harm", ["cut", "manifest", "no manifest"])
def test_a_folder_that_is_damaged_is_deleted_and_the_text_read(
    harm: str, data: TableData, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    described(data, tmp_path)
    if harm == "cut":
        os.truncate(folder(tmp_path) / "1.train", 8)
    elif harm == "manifest":
        manifest = folder(tmp_path) / "table.json"
        manifest.write_text(manifest.read_text().replace("Bern", "Rome"))
    else:
        (folder(tmp_path) / "table.json").unlink()
    kept = described(data, tmp_path)
    assert "are damaged" in caplog.text
    assert isinstance(kept.train, ParsedStream)
    assert batches(kept.train) == batches(described(data, tmp_path, kept=False).train)


def test_a_fault_in_the_text_leaves_nothing(data: TableData, tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="a row of 3 values"):
        described(dataclasses.replace(data, bad_rows=BadRowsPolicy.ERROR), tmp_path)
    assert not list((tmp_path / "scratch" / parsed_tables.FOLDER).iterdir())


def test_what_has_no_room_is_not_kept_and_that_is_said(
    data: TableData, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = described(dataclasses.replace(data, parsed_cache_gb=1e-6), tmp_path)
    assert isinstance(small.train, TableStream)
    assert "The parsed rows of the table are not kept (0.0 GB; there may be 0.0 GB of them" in caplog.text
    caplog.clear()
    assert isinstance(described(dataclasses.replace(data, parsed_cache_gb=0), tmp_path).train, TableStream)
    assert "not kept" not in caplog.text


def test_the_oldest_tables_make_room_for_new_ones_but_for_those_in_use(data: TableData, tmp_path: pathlib.Path) -> None:
    room = dataclasses.replace(data, parsed_cache_gb=1.5 * FEW_ROWS * 2 * 40 / 1e9)
    first = described(room, tmp_path)
    assert isinstance(first.train, ParsedStream)
    second = dataclasses.replace(room, min_count=3)
    assert isinstance(described(second, tmp_path).train, TableStream), "the first one is in use"
    del first
    assert isinstance(described(second, tmp_path).train, ParsedStream)


def test_a_column_of_too_many_texts_loses_its_numbers_and_the_others_keep_theirs() -> None:
    numbers = TextNumbers(["x", "y"], most=2)
    assert numbers.of({"x": ["b", "a", "b"], "y": ["1", "2", "3"]}, 3)[:, 0].tolist() == [0, 1, 0]
    assert numbers.texts() == {"x": ["b", "a"]}
    assert numbers.of({"x": ["a"], "y": ["1"]}, 1).tolist() == [[1, 0]]


def test_what_a_process_left_unfinished_is_begun_again(data: TableData, tmp_path: pathlib.Path) -> None:
    left = described(data, tmp_path)
    whole = folder(tmp_path)
    hidden = whole.with_name(f".{whole.name}")
    del left
    shutil.copytree(whole, hidden)  # as a process leaves it that did not come to its end
    shutil.rmtree(whole)
    assert isinstance(described(data, tmp_path).train, ParsedStream)
    assert whole.exists() and not hidden.exists()


def test_the_sum_of_a_row_tells_words_that_were_never_written_and_those_of_another_place() -> None:
    kept = RowFormat(numbers=("a", "b", "c"), texts=("d",))
    rows = kept.rows(np.array([[0.0, 0, 0], [1, 2.5, 3], [3, 2.5, 1], [2.5, 1, 3]]), np.zeros((4, 1), np.int32))
    assert rows.shape == (4, 5) and rows[0, -1] != 0
    assert len({*rows[:, -1].tolist()}) == 4


def test_a_disk_that_gets_full_leaves_the_text_and_that_is_said(
    data: TableData, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_001, hard))  # the system takes a part of a row, and then none
    try:
        table = described(data, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "The parsed rows of the table are not kept (File too large): each epoch reads the text again" in caplog.text
    assert isinstance(table.train, TableStream) and not [*(tmp_path / "scratch" / parsed_tables.FOLDER).iterdir()]
    assert table.schema_fields() == described(data, tmp_path, kept=False).schema_fields()


@pytest.mark.process
def test_processes_that_keep_one_table_at_the_same_time_have_one_and_the_same(
    data: TableData, tmp_path: pathlib.Path, no_text: Callable[[], None]
) -> None:
    command = [sys.executable, "-m", keeping.__name__, str(tmp_path / "scratch"), *data.train_data_paths]
    root = pathlib.Path(__file__).parents[3]
    with contextlib.ExitStack() as stack:  # at whose end each reads the end of its input, if need be, and ends
        started = (subprocess.Popen(command, cwd=root, stdin=PIPE, stdout=PIPE, text=True) for _ in range(3))
        processes = [stack.enter_context(process) for process in started]
        for process in processes:
            assert process.stdout and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    assert len({tuple(lines) for lines in said}) == 1, said
    assert said[0][0] == "ParsedStream" and said[0][1] == str(folder(tmp_path))
    no_text()
    assert isinstance(described(data, tmp_path).train, ParsedStream)
