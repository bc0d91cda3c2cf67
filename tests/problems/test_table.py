"""Tables from a file to an export by flags: every task, what is exported, what is resumed, what is refused."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer import problem_file, task
from trainer.exported import signatures
from trainer.formats.tables import parsed_tables, reading
from trainer.job.errors import UsageError
from trainer.problem_file import named_in
from trainer.problems import table, table_baselines, table_scores
from trainer.problems.table import Params

TABLE = problem_file.load("trainer.problems.table")


def write(path: pathlib.Path, count: int = 600) -> pathlib.Path:
    """Churn depends on the contract and the tenure, the price on the tenure and the date, the plan on the city."""
    random = np.random.default_rng(0)
    lines = ["tenure,contract,city,since,churn,price,plan"]
    for n in range(count):
        tenure, contract = random.integers(0, 60), random.integers(0, 3)
        city, month = random.integers(0, 4), random.integers(1, 13)
        churn = "yes" if 2 - contract - tenure / 30 + random.normal(scale=0.2) > 0 else "no"
        price = 1000 + 10 * tenure + 200 * contract + random.normal()
        blank = "" if n % 11 == 5 else tenure
        lines.append(f"{blank},{'mty'[contract]},c{city},2020-{month:02d}-03,{churn},{price:.2f},p{city % 3}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write(tmp_path_factory.mktemp("tables") / "customers.csv")


def run(data: pathlib.Path, out: pathlib.Path, *flags: str) -> int:
    shared = [f"--train_data_paths={data}", f"--output_dir={out}", "--seed=1", "--explain_nan_secs=0", "--noreport"]
    return task.main([*shared, *flags])


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of the task."""

    folder: pathlib.Path
    printed: str

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return summary

    def export(self) -> Any:
        return tf.saved_model.load(self.summary["export_dir"]).signatures


@pytest.fixture(scope="module")
def churn(data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two classes, told apart by a wide and deep model."""
    folder = tmp_path_factory.mktemp("churn")
    with pytest.MonkeyPatch.context() as patch, (folder / "printed").open("w") as out:
        patch.setattr("sys.stdout", out)
        flags = ["--label_column=churn", "--ignored_columns=price,plan", "--train_steps=300", "--exporter=best"]
        assert run(data, folder / "run", *flags, "--class_weights=balanced", "--learning_rate=.01") == 0
    return Run(folder / "run", (folder / "printed").read_text())


def test_two_classes_beat_the_baselines(churn: Run) -> None:
    metrics, baselines = churn.summary["metrics"], churn.summary["baselines"]
    assert metrics["accuracy"] > 0.85 > baselines["accuracy_majority"]
    assert baselines["accuracy_logistic"] > 0.85 and baselines["auc_logistic"] > 0.9
    assert {"auc", "precision", "recall", "log_loss"} <= metrics.keys()
    assert churn.summary["model"] == "wide_deep" and churn.summary["test_metrics"]["accuracy"] > 0.8
    assert "  majority " in churn.printed and "  logistic " in churn.printed
    *_, figures, blanks = churn.printed.rstrip().splitlines()
    assert figures == "Precision, recall and AUC are those of churn=yes."
    assert blanks == "Rows with blanks, as this table has them, are predicted with --blanks=nan."
    assert list((churn.folder / "export" / "best").iterdir())


def test_an_export_takes_columns_rows_of_csv_or_dense_tensors(churn: Run) -> None:
    served = churn.export()
    columns = {
        "tenure": tf.constant([3.0, np.nan]),
        "contract": tf.constant(["m", "unheard of"]),
        "city": tf.constant(["c1", ""]),
        "since": tf.constant(["2020-02-03", ""]),
    }
    asked = served["serving_default"](**columns)
    by_row = served["csv:serving_default"](rows=tf.constant(["3,m,c1,2020-02-03", ",unheard of,NA,"]))
    assert asked["class"].numpy()[0] == b"yes"
    assert asked["probabilities"].shape == (2, 2)
    np.testing.assert_allclose(asked["probabilities"], by_row["probabilities"], rtol=1e-6)
    dense = served["dense:probabilities"]
    assert "class" not in dense.structured_outputs, "texts, which other runtimes do not know"
    given = {"numbers": tf.zeros([1, 3]), "categories": tf.zeros([1, 4], tf.int32)}
    assert dense(**given)["probabilities"].shape == (1, 2)


def example(**features: Any) -> bytes:
    """A serialized example of numbers and texts."""
    made = tf.train.Example()
    for name, value in features.items():
        feature = made.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        else:
            feature.float_list.value.append(value)
    return bytes(made.SerializeToString())


def test_an_export_takes_serialized_examples_and_classifies_them(churn: Run) -> None:
    served = churn.export()
    columns = {"tenure": [3.0, np.nan], "contract": ["m", "t"], "city": ["c1", ""], "since": ["2020-02-03", ""]}
    asked = served["serving_default"](**{name: tf.constant(values) for name, values in columns.items()})
    examples = tf.constant([example(tenure=3.0, contract="m", city="c1", since="2020-02-03"), example(contract="t")])
    by_example = served["examples:serving_default"](examples=examples)
    np.testing.assert_array_equal(asked["probabilities"], by_example["probabilities"])
    classified = served["examples:classification"](inputs=examples)
    np.testing.assert_array_equal(classified["scores"], asked["probabilities"])
    assert classified["classes"].numpy().tolist() == [[b"no", b"yes"]] * 2
    methods = {name: one.method for name, one in signatures.read(churn.summary["export_dir"]).items()}
    assert methods.pop("examples:classification") == "tensorflow/serving/classify"
    assert set(methods.values()) == {"tensorflow/serving/predict"}


def test_the_same_command_continues_a_run_bit_for_bit(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    flags = ["--label_column=plan", "--feature_columns=city,tenure", "--model=dnn", "--exporter=", "--hidden_units=4"]
    flags += ["--split=0.9,0.1", "--steps_per_loop=4"]  # else batches of a thousand steps are read ahead
    assert run(data, tmp_path / "whole", *flags, "--train_steps=12") == 0
    for steps in ("7", "12"):
        assert run(data, tmp_path / "parts", *flags, f"--train_steps={steps}") == 0
    values = [tf.train.load_checkpoint(str(tmp_path / name / "model.ckpt-12")) for name in ("whole", "parts")]
    kinds = values[0].get_variable_to_dtype_map()
    weights = [name for name, kind in kinds.items() if kind.is_floating]
    assert len(weights) > 6
    for name in weights:
        np.testing.assert_array_equal(*(one.get_tensor(name) for one in values), err_msg=name)


def test_a_run_goes_on_bit_for_bit_where_its_text_has_been_kept_parsed_meanwhile(
    data: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--label_column=plan", "--feature_columns=city,tenure", "--model=linear", "--exporter="]
    flags += ["--split=0.9,0.1", "--steps_per_loop=4"]
    for scratch, name, steps in ((None, "whole", 12), (None, "parts", 7), (str(tmp_path / "scratch"), "parts", 12)):
        places: dict[str, Any] = {"scratch": scratch, "memory_limit": 0, "parsed_from": 1}
        describe = functools.partial(reading.describe, **places)
        streamed = dataclasses.replace(TABLE, describe=lambda data, output_dir, read=describe: read(data, output_dir))
        monkeypatch.setattr(table, "PROBLEM", streamed)
        assert run(data, tmp_path / name, *flags, f"--train_steps={steps}") == 0
    assert list((tmp_path / "scratch" / parsed_tables.FOLDER).iterdir())
    whole, parts = (tf.train.load_checkpoint(str(tmp_path / name / "model.ckpt-12")) for name in ("whole", "parts"))
    for name, kind in whole.get_variable_to_dtype_map().items():
        if kind.is_floating:
            np.testing.assert_array_equal(whole.get_tensor(name), parts.get_tensor(name), err_msg=name)


def test_several_classes_and_a_streamed_table(
    data: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = TABLE.describe
    assert described is not None
    streamed = dataclasses.replace(TABLE, describe=lambda data, output_dir: described(data, output_dir, memory_limit=0))
    monkeypatch.setattr(table, "PROBLEM", streamed)
    flags = ["--label_column=plan", "--model=linear", "--num_epochs=42", "--learning_rate=.05", "--exporter="]
    assert run(data, tmp_path, *flags, "--learning_rate_schedule=cosine") == 0
    assert tf.train.load_variable(str(tmp_path), "global_step") == 481 * 42 // 100
    summary = Run(tmp_path, "").summary
    assert summary["metrics"]["accuracy"] > 0.9 < summary["metrics"]["f1"]
    assert summary["baselines"]["accuracy_logistic"] > 0.9


def test_a_number_is_predicted_in_the_units_of_the_file(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    flags = ["--label_column=price", "--model=linear", "--train_steps=400", "--learning_rate=.03"]
    assert run(data, tmp_path, *flags, "--feature_columns=tenure,contract", "--score=mae") == 0
    done = Run(tmp_path, "")
    assert done.summary["metrics"]["r2"] > 0.9
    assert done.summary["metrics"]["mae"] < done.summary["baselines"]["mae_mean"] / 2
    assert done.summary["metrics"]["mae"] < 1.2 * done.summary["baselines"]["mae_least_squares"]
    asked = done.export()["serving_default"](tenure=tf.constant([30.0]), contract=tf.constant(["m"]))
    assert float(asked["prediction"][0]) == pytest.approx(1300, abs=40)
    regressed = done.export()["examples:regression"](inputs=tf.constant([example(tenure=30.0, contract="m")]))
    np.testing.assert_array_equal(regressed["outputs"], asked["prediction"])


def test_an_epoch_of_a_schedule_is_a_pass_over_the_rows_of_training(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    flags = ["--label_column=plan", "--model=linear", "--feature_columns=tenure", "--train_batch_size=48"]
    flags += [
        "--steps_per_loop=4",
        "--exporter=",
        "--learning_rate_schedule=step",
        "--decay_epochs=1",
        "--decay_rate=1e-30",
        "--report=false",
    ]
    weights = []
    for steps in (11, 13):  # of which 10.02 make an epoch, after which nothing is learnt
        assert run(data, tmp_path, *flags, f"--train_steps={steps}") == 0
        weights.append(tf.train.load_variable(str(tmp_path), "wide_numbers/kernel"))
    assert np.abs(weights[0]).max() > 1e-4
    np.testing.assert_array_equal(*weights)


def test_flags_of_a_table_choose_its_problem() -> None:
    assert named_in(["--data_format=table"]) is TABLE
    assert named_in(["--data-format", "TABLE"]) is TABLE
    assert named_in(["--label_column=churn"]) is TABLE
    assert named_in(["--label_column=churn", "--data_format=series"]) is not TABLE
    assert named_in(["--data_format=table", "--problem=trainer.problems.table"]) is TABLE


def test_the_flags_of_a_table_are_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert task.main(["--data_format=table", "--help"]) == 0
    printed = capsys.readouterr().out
    for flag in ("--label_column", "--task", "--hidden_units", "--embedding_dim", "--vocabulary_size"):
        assert flag in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--label_column=churn", "--score=rmse"],
            "--score=rmse for a binary task. Accepted: accuracy, auc,",
        ),
        (["--label_column=price", "--class_weights=balanced"], "--class_weights=balanced in a regression"),
        (["--label_column=churn", "--class_weights=maybe:3"], "--class_weights=maybe:3: 'maybe:3' is no class with a"),
        (["--label_column=churn", "--hidden_units=0"], "--hidden_units=0. Accepted: whole numbers from 1 up"),
        (["--label_column=churn", "--dropout=1"], "--dropout=1. Accepted: at least 0 and below 1"),
        (["--data_format=table"], "--data_format=table without --label_column. Accepted: a column of"),
        (["--label_column=churn", "--hyperparameter_metric_tag=mape"], "--hyperparameter_metric_tag=mape, which no"),
    ],
)
def test_what_does_not_fit_ends_with_2(
    data: pathlib.Path, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert run(data, tmp_path, *flags, "--train_steps=5", "--model=linear") == 2
    assert message in capfd.readouterr().err


def test_class_weights_are_one_in_the_mean() -> None:
    found = described_shares((0.8, 0.2))
    assert table.class_weights(Params(class_weights=("balanced",)), found) == pytest.approx([0.625, 2.5])
    assert table.class_weights(Params(class_weights=("yes:4",)), found) == pytest.approx([0.625, 2.5])
    with pytest.raises(UsageError, match="'no' is no class with a weight. Accepted: balanced, or weights such as yes"):
        table.class_weights(Params(class_weights=("no",)), found)


def described_shares(shares: tuple[float, ...]) -> Any:
    from trainer.formats.tables.schema import TableSchema

    empty: dict[str, Any] = {"numbers": {}, "vocabularies": {}, "dates": {}}
    return TableSchema(
        label="churn", task="binary", classes=("no", "yes"), class_shares=shares, columns=(), oov_buckets=1, **empty
    )


def test_every_score_of_a_task_is_among_the_metrics() -> None:
    for score in ("accuracy", "auc", "log_loss"):
        assert table_scores.score_of(described_shares((0.5, 0.5)), score) == score
        assert score in TABLE.metrics


def test_a_logistic_regression_reaches_the_optimum() -> None:
    random = np.random.default_rng(0)
    inputs = np.concatenate([np.ones((400, 1)), random.normal(size=(400, 3))], axis=1)
    labels = (inputs @ [0.5, 1, -2, 0] + random.logistic(size=400) > 0).astype(int)
    weights = table_baselines.logistic_weights(inputs, labels, classes=2, rounds=200)
    logits = inputs @ weights
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gradient = inputs.T @ (np.eye(2)[labels] - probabilities) - weights
    assert np.abs(gradient).max() < 1e-3
