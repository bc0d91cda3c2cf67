"""Signatures and directories of exports."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from trainer.estimator import Estimator, EstimatorSpec
from trainer.estimator.contract import export
from trainer.estimator.saving import saved_model
from trainer.estimator.saving.job_directory import JobDirectories

V1 = tf.compat.v1
OUTPUTS: dict[str, Callable[[tf.Tensor], dict[str, Any]]] = {
    "predict": lambda y: {"answer": export.PredictOutput({"y": y})},
    "regress": lambda y: {"serving_default": export.RegressionOutput(y)},
    "classify": lambda y: {
        "serving_default": export.PredictOutput({"y": y}),
        "classes": export.ClassificationOutput(scores=y, classes=tf.as_string(y)),
    },
}

DIRECTORIES = JobDirectories({})


def model_fn(features: Any, mode: str, params: Any) -> EstimatorSpec:
    y = tf.Variable(3.0, name="w") * features["x"]
    if params == "table":
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["3"], [30.0]), -1.0)
        y = table.lookup(tf.as_string(tf.cast(y, tf.int32)))
    outputs = OUTPUTS[params](y) if params in OUTPUTS else None
    return EstimatorSpec(mode, {"y": y}, tf.reduce_mean(y), tf.no_op(), export_outputs=outputs)


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Estimator]:
    """Estimators of one trained directory, by the outputs of their model functions."""
    directory = tmp_path_factory.mktemp("model")
    Estimator(model_fn, directory, params="").train(lambda: tf.data.Dataset.from_tensors({"x": [1.0]}))
    return lambda params: Estimator(model_fn, directory, params=params)


def raw() -> export.ServingInputReceiver:
    return export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None])})()


def parsing() -> export.ServingInputReceiver:
    return export.build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([], tf.float32)})()


def example(value: float) -> bytes:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature})).SerializeToString()


def methods(path: str) -> dict[str, str]:
    graph = SavedModel.FromString(Path(path, "saved_model.pb").read_bytes()).meta_graphs[0]
    return {name: signature.method_name for name, signature in graph.signature_def.items() if name[0] != "_"}


def signatures(path: str) -> Any:
    return tf.saved_model.load(path).signatures


def test_one_output_of_another_name_is_the_default_too(estimator: Any, tmp_path: Path) -> None:
    path = estimator("predict").export_saved_model(str(tmp_path), raw).decode()
    served = signatures(path)
    assert set(served) == {"answer", "serving_default"}
    for name in served:
        assert served[name](x=tf.constant([2.0]))["y"].numpy().tolist() == [6.0]


def test_a_regression_answers_serialized_examples(estimator: Any, tmp_path: Path) -> None:
    path = estimator("regress").export_saved_model(str(tmp_path), parsing).decode()
    assert methods(path) == {"serving_default": "tensorflow/serving/regress"}
    answer = signatures(path)["serving_default"](inputs=tf.constant([example(2.0)]))
    assert answer["outputs"].numpy().tolist() == [6.0]


def test_a_classification_answers_serialized_examples(estimator: Any, tmp_path: Path) -> None:
    path = estimator("classify").export_saved_model(str(tmp_path), parsing).decode()
    assert methods(path) == {
        "serving_default": "tensorflow/serving/predict",
        "classes": "tensorflow/serving/classify",
    }
    served = signatures(path)
    answer = served["classes"](inputs=tf.constant([example(2.0)]))
    assert (answer["scores"].numpy().tolist(), len(answer["classes"])) == ([6.0], 1)
    assert served["serving_default"](examples=tf.constant([example(2.0)]))["y"].numpy().tolist() == [6.0]


def test_a_signature_that_the_receiver_cannot_serve_is_left_out_with_a_warning(
    estimator: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "trainer"):
        path = estimator("regress").export_saved_model(str(tmp_path), raw).decode()
    assert "The export has no signature serving_default: RegressionOutput needs a receiver of serialized" in caplog.text
    assert "and this one takes x float32" in caplog.text
    assert "The signature serving_default of the export returns the predictions instead." in caplog.text
    assert signatures(path)["serving_default"](x=tf.constant([2.0]))["y"].numpy().tolist() == [6.0]


def test_alternatives_get_signatures_of_their_own(estimator: Any, tmp_path: Path) -> None:
    def receiver() -> export.ServingInputReceiver:
        x = V1.placeholder(tf.float32, [None], "x")
        doubled = tf.identity(2.0 * x)
        return export.ServingInputReceiver({"x": doubled}, {"x": x}, {"doubled": {"x2": doubled}})

    served = signatures(estimator("").export_saved_model(str(tmp_path), receiver).decode())
    assert set(served) == {"serving_default", "doubled:serving_default"}
    assert served["serving_default"](x=tf.constant([1.0]))["y"].numpy().tolist() == [6.0]
    assert served["doubled:serving_default"](x2=tf.constant([1.0]))["y"].numpy().tolist() == [3.0]


def test_lines_of_text_are_an_alternative_to_dense_values(estimator: Any, tmp_path: Path) -> None:
    served = signatures(estimator("").export_saved_model(str(tmp_path), csv_beside_dense).decode())
    assert served["csv:serving_default"](lines=tf.constant(["2", "3"]))["y"].numpy().tolist() == [6.0, 9.0]
    assert served["serving_default"](x=tf.constant([1.0]))["y"].numpy().tolist() == [3.0]


def csv_beside_dense() -> export.ServingInputReceiver:
    lines = V1.placeholder(tf.string, [None], "lines")
    x = tf.strings.to_number(lines)
    return export.ServingInputReceiver({"x": x}, {"x": x}, {"csv": {"lines": lines}})


def test_a_lookup_table_is_exported_with_its_entries(estimator: Any, tmp_path: Path) -> None:
    path = estimator("table").export_saved_model(str(tmp_path), raw).decode()
    assert signatures(path)["serving_default"](x=tf.constant([1.0, 2.0]))["y"].numpy().tolist() == [30.0, -1.0]


def test_text_and_extra_assets_on_request(estimator: Any, tmp_path: Path) -> None:
    extra = tmp_path / "notes.txt"
    extra.write_text("notes")
    assets = {"deep/notes.txt": str(extra)}
    path = estimator("").export_saved_model(str(tmp_path / "out"), raw, assets_extra=assets, as_text=True).decode()
    assert Path(path, "assets.extra", "deep", "notes.txt").read_text() == "notes"
    assert (Path(path, "saved_model.pbtxt").exists(), Path(path, "saved_model.pb").exists()) == (True, False)
    assert signatures(path)["serving_default"](x=tf.constant([1.0]))["y"].numpy().tolist() == [3.0]


def test_a_missing_extra_asset_leaves_nothing_behind(estimator: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone.txt"):
        estimator("").export_saved_model(str(tmp_path), raw, assets_extra={"a": str(tmp_path / "gone.txt")})
    assert list(tmp_path.iterdir()) == []


def test_a_directory_appears_whole_under_the_next_free_number(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def write(directory: str) -> None:
        Path(directory).mkdir()
        Path(directory, "saved_model.pb").write_bytes(b"")
        seen.append(saved_model.exports(DIRECTORIES, str(tmp_path)))

    published = [saved_model.publish(DIRECTORIES, str(tmp_path), write, 1700000000.9, None, False) for _ in range(3)]
    assert [Path(path).name for path in published] == ["1700000000", "1700000001", "1700000002"]
    assert seen == [[], published[:1], published[:2]]


def test_only_ten_digits_are_an_export(tmp_path: Path) -> None:
    others = ("temp-1700000000-1", "170000000", "17000000000", "notes", "１７００００００００")
    for name in ("1700000001", "1700000000", *others):
        (tmp_path / name).mkdir()
    assert [Path(path).name for path in saved_model.exports(DIRECTORIES, str(tmp_path))] == ["1700000000", "1700000001"]
    assert saved_model.exports(DIRECTORIES, str(tmp_path / "nowhere")) == []


def test_features_have_integers_and_strings_for_keys_and_inputs_any_names(tmp_path: Path) -> None:
    def mixed(features: Any, mode: str) -> EstimatorSpec:
        y = features["x"] - features[42]
        step = V1.train.get_global_step()
        return EstimatorSpec(mode, {"y": y, "keys": tf.constant([sorted(features)[0]])}, y[0], step.assign_add(1))

    def receiver() -> export.ServingInputReceiver:
        x, other = V1.placeholder(tf.float32, [None]), V1.placeholder(tf.float32, [None])
        return export.ServingInputReceiver({"x": x, 42: other}, {"a-b/c": x, "42_key": other})

    estimator = Estimator(mixed, tmp_path)
    estimator.train(lambda: {"x": tf.constant([3.0]), 42: tf.constant([1.0])}, steps=1)
    assert next(estimator.predict(lambda: {"x": tf.constant([5.0]), 42: tf.constant([1.0])})) == {"y": 4.0, "keys": 42}
    path = estimator.export_saved_model(str(tmp_path / "exports"), receiver).decode()
    served = tf.saved_model.load(path).signatures["serving_default"]
    answer = served(**{"a-b/c": tf.constant([7.0]), "42_key": tf.constant([4.0])})
    assert answer["y"].numpy().tolist() == [3.0]
    model = SavedModel.FromString(Path(path, "saved_model.pb").read_bytes())
    assert set(model.meta_graphs[0].signature_def["serving_default"].inputs) == {"a-b/c", "42_key"}
