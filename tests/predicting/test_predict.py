"""`python -m trainer.predict`: rows of files into predictions, in order, whole or not at all."""

from __future__ import annotations

import csv
import gzip
import json
import math
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.exported import small_model
from trainer import predict

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory as a run leaves it: an older export, and the newest one."""
    root = tmp_path_factory.mktemp("run")
    (root / "export" / "latest").mkdir(parents=True)
    small_model.write(root / "export" / "latest" / "1700000000", weight=1000.0)
    small_model.write(root / "export" / "latest" / "1700000001")
    return root


def asked(model_dir: pathlib.Path, source: object, target: pathlib.Path, *flags: str) -> int:
    """The exit code of a prediction."""
    return predict.main([f"--model_dir={model_dir}", f"--input={source}", f"--output={target}", *flags])


def table(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def objects(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def total(x: float, y0: float, y1: float) -> np.float32:
    """What the model answers."""
    return np.float32(np.float32(x) + np.float32(10) * (np.float32(y0) + np.float32(y1)))


def test_columns_are_found_by_their_names_in_any_order(model_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "in.csv").write_text('id,y_1,name,x,y_0\n7,2,"a,b",1,1\n8,-9,c,0.5,.25\n')
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv") == 0
    first, second = table(tmp_path / "out.csv")
    assert first == {"label": "a,b+", "pair_0": "31", "pair_1": "-31", "total": "31"}
    assert second["total"] == "-87" and second["label"] == "c-"


def test_what_is_kept_comes_first_and_only_the_outputs_that_are_asked_for_follow(
    model_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "in.csv").write_text('id,y_1,name,x,y_0\n007,2,"say ""a""",1,1\n')
    flags = ("--keep=name,id", "--outputs=total")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", *flags) == 0
    assert (tmp_path / "out.csv").read_text() == 'name,id,total\n"say ""a""",007,31\n'
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.jsonl", *flags) == 0
    assert (tmp_path / "out.jsonl").read_text() == '{"name": "say \\"a\\"", "id": "007", "total": 31}\n'


def test_rows_without_names_go_to_the_signature_that_takes_rows(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("1,2,3\n\n4,5,6\r\n")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_text() == "total\n51\n114\n"
    said = capsys.readouterr().out
    assert "csv:serving_default, rows of CSV as they are" in said
    assert f"cat {tmp_path / 'out.csv'} | head -3\n  python -m trainer.serve --model_dir={model_dir}\n" in said


def test_files_and_rows_keep_their_order_in_any_batches(model_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1234, 3)).astype(np.float32)
    for number, part in enumerate(np.array_split(rows, [500, 501])):
        text = "".join(f"{a},{b},{c}\n" for a, b, c in part.tolist())
        with gzip.open(tmp_path / f"part-{number}.csv.gz", "wt") as file:
            file.write(text)
    assert asked(model_dir, tmp_path / "part-*.csv.gz", tmp_path / "out.csv.gz", "--batch_size=7") == 0
    with gzip.open(tmp_path / "out.csv.gz", "rt") as file:
        found = [float(row["total"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(found, [total(*row) for row in rows], rtol=1e-6)


def test_files_are_read_in_the_order_in_which_they_are_named(model_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name, x in (("b", 1), ("a", 2)):
        (tmp_path / f"{name}.csv").write_text(f"{x},0,0\n")
    names = f"{tmp_path / 'b.csv'},{tmp_path / 'a.csv'}"
    assert asked(model_dir, names, tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_text() == "total\n1\n2\n"


def test_json_lines_give_the_inputs_by_name(model_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    rows = [
        {"x": 1, "y": [1, 2.5], "name": "Zoë\n", "id": [1, "a"]},
        {"name": {"b64": "/w=="}, "y": [0, 0], "x": -1.5, "id": None},
    ]
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert asked(model_dir, tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--keep=id") == 0
    assert objects(tmp_path / "out.jsonl") == [
        {"id": [1, "a"], "label": "Zoë\n+", "pair": [36, -36], "total": 36},
        {"id": None, "label": {"b64": "/y0="}, "pair": [-1.5, 1.5], "total": -1.5},
    ]


def test_numbers_are_written_with_the_digits_that_say_them(model_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    numbers = [1, 3 * (1 << 53) + 3, -7]
    (tmp_path / "in.jsonl").write_text("".join(f"{number}\n" for number in numbers))
    assert asked(model_dir, tmp_path / "in.jsonl", tmp_path / "out.csv", "--signature=count") == 0
    found = table(tmp_path / "out.csv")
    assert [int(row["next"]) for row in found] == [number + 1 for number in numbers]
    assert [float(row["tenth"]) for row in found] == [float(np.float64(number) * 0.1) for number in numbers]


def test_a_float32_reads_back_as_it_was_and_in_few_digits(model_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    values = np.concatenate([np.float32([0.1, 1e-30, 3e38]), np.random.default_rng(1).random(300, np.float32)])
    (tmp_path / "in.csv").write_text("".join(f"{value!r},0,0\n" for value in values.tolist()))
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv") == 0
    texts = [row["total"] for row in table(tmp_path / "out.csv")]
    np.testing.assert_array_equal(np.float32(texts), values)
    assert texts[0] == "0.1"


def example(x: float, y: list[float]) -> bytes:
    """A serialized example."""
    features = {"x": [x], "y": y}
    made = {name: tf.train.Feature(float_list=tf.train.FloatList(value=value)) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_records_go_to_the_signature_that_takes_examples(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, compression: str
) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "in.tfrecord"), compression) as writer:
        for x in range(5):
            writer.write(example(x, [1, 1]))
    assert asked(model_dir, tmp_path / "in.tfrecord", tmp_path / "out.csv", "--batch_size=2") == 0
    assert [float(row["total"]) for row in table(tmp_path / "out.csv")] == [20, 21, 22, 23, 24]


def test_features_of_examples_are_the_inputs_of_a_dense_signature(
    model_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "in.tfrecord")) as writer:
        writer.write(example(3, [0, 0]))
    flags = ("--signature=four",)
    assert asked(model_dir, tmp_path / "in.tfrecord", tmp_path / "out.csv", *flags) == 0
    assert (tmp_path / "out.csv").read_text() == "double\n6\n"


def test_a_signature_of_a_fixed_batch_is_asked_with_full_ones(model_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "in.csv").write_text("".join(f"{x}\n" for x in range(6)))
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", "--signature=four") == 0
    assert [float(row["double"]) for row in table(tmp_path / "out.csv")] == [0, 2, 4, 6, 8, 10]


BAD_CSV = [
    ("1,2", "in.csv:40: a row of 2 values, where the file has 4 columns"),
    ("1,x,3,4", "in.csv:40: column 2 (y_0): 'x' where a finite number belongs"),
    (",2,3,4", "in.csv:40: column 1 (x): no value"),
    ("inf,2,3,4", "in.csv:40: column 1 (x): 'inf' where a finite number belongs"),
    ("1e50,2,3,4", "in.csv:40: column 1 (x): '1e50' where a finite number belongs"),
    ('1,2,3,"a', "in.csv:40: quotes that do not close on the line"),
]


@pytest.mark.parametrize(("row", "words"), BAD_CSV)
def test_a_bad_row_is_named_and_nothing_is_written(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, row: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["x,y_0,y_1,name", *["1,2,3,a"] * 38, row, *["1,2,3,a"] * 20]
    (tmp_path / "in.csv").write_text("\n".join(lines))
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", "--batch_size=16") == 2
    said = capsys.readouterr().err
    assert words in said and "set --bad_rows=skip" in said
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_bad_rows_are_left_out_and_listed(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{x},0,0" for x in range(100)]
    lines[10], lines[63] = "a,0,0", "1,0"
    (tmp_path / "in.csv").write_text("\n".join(lines))
    flags = ("--bad_rows=skip", "--max_bad_fraction=0.05", "--batch_size=32")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", *flags) == 0
    found = [float(row["total"]) for row in table(tmp_path / "out.csv")]
    assert found == [x for x in range(100) if x not in (10, 63)]
    listed = table(tmp_path / "out.csv.bad_rows.csv")
    assert [(row["source"], row["line"]) for row in listed] == [(str(tmp_path / "in.csv"), n) for n in ("11", "64")]
    assert "2 bad rows, listed in" in capsys.readouterr().out


def test_too_many_bad_rows_are_an_error(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("1,0,0\na,0,0\n")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", "--bad_rows=skip") == 2
    assert "Bad rows: 1 of 2" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


BAD_JSON = [
    ("{", "no JSON"),
    ('{"x": 1, "y": [1, 2]}', "no field 'name' (it has: x, y)"),
    ('{"x": true, "y": [1, 2], "name": "a"}', "x: a boolean where a number (float32) belongs"),
    ('{"x": null, "y": [1, 2], "name": "a"}', "x: null where a number (float32) belongs"),
    ('{"x": NaN, "y": [1, 2], "name": "a"}', "x: nan where a finite number belongs"),
    ('{"x": 1, "y": [1], "name": "a"}', "y: the shape [1, 1] where y float32 [?, 2] is taken"),
    ('{"x": 1, "y": [1, 2], "name": 3}', "name: 3 where a string"),
    ("7", "no object"),
]


@pytest.mark.parametrize(("row", "words"), BAD_JSON)
def test_a_bad_line_of_json_is_named(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, row: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = '{"x": 1, "y": [1, 2], "name": "a"}'
    (tmp_path / "in.jsonl").write_text("\n".join([good, good, row, good]))
    assert asked(model_dir, tmp_path / "in.jsonl", tmp_path / "out.csv") == 2
    assert f"in.jsonl:3: {words}" in capsys.readouterr().err


def test_numbers_may_be_blank_for_a_model_that_knows_it(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("x,y_0,y_1,name\n,1,1,a\nn/a,1,1,a\n ?,1,1,a\n1,1,1,b\n")
    flags = ("--blanks=nan", "--outputs=total")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", *flags) == 0
    assert (tmp_path / "out.csv").read_text() == "total\nnan\nnan\nnan\n21\n"
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "other.csv") == 2
    assert "in.csv:2: column 1 (x): no value" in (said := capsys.readouterr()).err
    assert "Set --blanks=nan if the model knows missing values" in said.err
    assert "not finite   the predictions of 3 rows" in said.out
    (tmp_path / "in.jsonl").write_text('{"x": null, "y": [1, 1], "name": "a"}\n')
    assert asked(model_dir, tmp_path / "in.jsonl", tmp_path / "out.jsonl", *flags) == 0
    assert math.isnan(objects(tmp_path / "out.jsonl")[0]["total"])


def test_other_marks_and_decimal_commas_are_read_where_columns_have_names(
    model_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "in.csv").write_text("\ufeffx;y_0;y_1;name\n1,5;2;3;a\n")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", "--outputs=total") == 0
    assert (tmp_path / "out.csv").read_text() == "total\n51.5\n"


WRONG = [
    (("--signature=servin_default",), "The model has no signature 'servin_default'", "Did you mean serving_default?"),
    (("--outputs=totl",), "--outputs=totl: csv:serving_default has no such output", "Did you mean total?"),
    (("--signature=mean",), "The output mean is one value for a whole batch", "Name another --signature"),
    (("--keep=id",), "have no names that the model knows", "Add a header"),
]


@pytest.mark.parametrize(("flags", "words", "do"), WRONG)
def test_what_the_model_does_not_have_is_refused(
    model_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    flags: tuple[str, ...],
    words: str,
    do: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in.csv").write_text("1\n" if flags == ("--signature=mean",) else "1,2,3\n")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", *flags) == 2
    said = capsys.readouterr().err
    assert words in said and do in said


def test_a_header_that_lacks_an_input_is_not_taken_for_a_row(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("x,y_0,why\n1,2,3\n")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv") == 2
    assert "which may be a header, but does not name the inputs" in capsys.readouterr().err
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", "--header=yes") == 0
    assert (tmp_path / "out.csv").read_text() == "total\n51\n"


def test_what_is_there_is_replaced_only_when_that_is_said(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("1,2,3\n")
    (tmp_path / "out.csv").write_text("mine")
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv") == 2
    assert "out.csv is there already" in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert asked(model_dir, tmp_path / "in.csv", tmp_path / "out.csv", "--overwrite") == 0
    assert (tmp_path / "out.csv").read_text() == "total\n51\n"


def test_a_damaged_record_is_named_by_its_number(
    model_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for x in range(3):
            writer.write(example(x, [1, 1]))
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    assert asked(model_dir, path, tmp_path / "out.csv") == 2
    assert "record 3: the checksum of its data is wrong" in capsys.readouterr().err
    flags = ("--bad_rows=skip", "--max_bad_fraction=0.5")
    assert asked(model_dir, path, tmp_path / "out.csv", *flags) == 0
    assert len(table(tmp_path / "out.csv")) == 2


def test_an_export_that_is_damaged_is_not_asked(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("1,2,3\n")
    assert asked(tmp_path, tmp_path / "in.csv", tmp_path / "out.csv") == 2
    assert "holds no export" in capsys.readouterr().err
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\xff\xff")
    assert asked(tmp_path, tmp_path / "in.csv", tmp_path / "out.csv") == 2
    assert "cannot be read as a SavedModel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "No --model_dir"),
        (["--model_dir=a", "--input=b.csv", "--output=c"], "its ending says no format"),
        (["--model_dir=a", "--input=b.csv", "--output=c.csv", "--batch_size=0"], "--batch_size=0"),
        (["--model_dir=a", "--inptu=b.csv"], "Did you mean --input=b.csv?"),
    ],
)
def test_wrong_usage_is_told_in_one_message(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict.main(flags) == 2
    assert words in capsys.readouterr().err


@pytest.mark.process
def test_help_and_usage_errors_come_without_tensorflow() -> None:
    code = (
        "import sys; from trainer import predict; print(predict.main(['--help']), predict.main([])); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: python -m trainer.predict --model_dir=DIR") and done.stdout.endswith("0 2\n")
