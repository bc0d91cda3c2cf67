"""Sparse and ragged tensors wherever a model takes and gives tensors: from batches to signatures and predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, SessionRunArgs, SessionRunHook
from trainer.estimator.contract import export
from trainer.estimator.saving import signature_inputs

V1 = tf.compat.v1
IDS = tf.sparse.from_dense(np.eye(3, dtype=np.int64))
ROWS = tf.ragged.constant([[1], [2, 3], []], dtype=tf.int64)
FEATURES = {"ids": IDS, "rows": ROWS, "x": np.ones([3, 1], np.float32)}
LABELS = np.ones([3, 1], np.float32)


class Looking(SessionRunHook):
    """Keeps what it saw last of a tensor."""

    seen: ClassVar[Any] = None

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs([self._tensor])

    def after_run(self, run_context: Any, run_values: Any) -> None:
        (Looking.seen,) = run_values.results


def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    table = V1.get_variable("table", [4, 1])
    looked_up = tf.nn.safe_embedding_lookup_sparse(table, features["ids"], combiner="sum")
    y = looked_up + features["x"] + tf.cast(tf.reduce_sum(features["rows"], 1, keepdims=True), tf.float32)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"y": y, "ids": features["ids"], "rows": features["rows"] * 2})
    loss = tf.reduce_mean((y - labels) ** 2)
    train_op = V1.train.GradientDescentOptimizer(0.1).minimize(loss, V1.train.get_global_step())
    return EstimatorSpec(mode, loss=loss, train_op=train_op, training_hooks=[Looking(features["ids"])])


def input_fn() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors((FEATURES, LABELS)).repeat(2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    return Estimator(model_fn, tmp_path_factory.mktemp("model")).train(input_fn)


def test_a_hook_sees_a_sparse_tensor_as_a_session_gave_it(trained: Estimator) -> None:
    assert isinstance(Looking.seen, V1.SparseTensorValue)
    assert Looking.seen.indices.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_predictions_are_values_as_a_session_gave_them(trained: Estimator) -> None:
    batch = next(trained.predict(input_fn, yield_single_examples=False))
    assert batch["y"].shape == (3, 1)
    assert isinstance(batch["ids"], V1.SparseTensorValue) and batch["ids"].dense_shape.tolist() == [3, 3]
    assert isinstance(batch["rows"], V1.ragged.RaggedTensorValue)
    assert batch["rows"].to_list() == [[2], [4, 6], []]
    assert trained.evaluate(input_fn)["global_step"] >= 2


def test_single_examples_of_sparse_predictions_are_refused_in_words(trained: Estimator) -> None:
    with pytest.raises(ValueError, match="The predictions ids, rows are sparse or ragged.*yield_single_examples=False"):
        next(trained.predict(input_fn))
    assert next(trained.predict(input_fn, predict_keys="y"))["y"].shape == (1,)


def sparse_alternative() -> export.ServingInputReceiver:
    receiver = export.build_raw_serving_input_receiver_fn(FEATURES)()
    dense = V1.placeholder(tf.int64, [None, 3], name="dense")
    features = {**receiver.features, "ids": tf.sparse.from_dense(dense)}
    tensors = {"dense": dense, "rows": features["rows"], "x": features["x"]}
    return export.ServingInputReceiver(
        features, tensors, {"alternative": {**receiver.features, "ids": features["ids"]}}
    )


@pytest.mark.parametrize("receiver_fn", [export.build_raw_serving_input_receiver_fn(FEATURES), sparse_alternative])
def test_a_signature_takes_and_gives_sparse_and_ragged_tensors(
    trained: Estimator, tmp_path: Path, receiver_fn: Callable[[], export.ServingInputReceiver]
) -> None:
    path = trained.export_saved_model(tmp_path, receiver_fn).decode()
    name = "alternative:serving_default" if receiver_fn is sparse_alternative else "serving_default"
    served = tf.saved_model.load(path).signatures[name](
        x=tf.constant(FEATURES["x"]),
        ids_indices=IDS.indices,
        ids_values=IDS.values,
        ids_dense_shape=IDS.dense_shape,
        rows_values=ROWS.values,
        rows_row_splits=ROWS.row_splits,
    )
    expected = next(trained.predict(input_fn, yield_single_examples=False))
    assert np.array_equal(served["y"], expected["y"])
    assert served["rows"].to_list() == [[2], [4, 6], []] and tf.sparse.to_dense(served["ids"]).shape == [3, 3]
    definition = SavedModel.FromString(Path(path, "saved_model.pb").read_bytes()).meta_graphs[0].signature_def[name]
    encodings = {key: info.WhichOneof("encoding") for key, info in definition.inputs.items()}
    assert encodings == {"ids": "coo_sparse", "rows": "composite_tensor", "x": "name"}


def test_a_session_feeds_a_sparse_input_as_it_feeds_that_of_tf_estimator(trained: Estimator, tmp_path: Path) -> None:
    path = trained.export_saved_model(tmp_path, export.build_raw_serving_input_receiver_fn(FEATURES)).decode()
    with tf.Graph().as_default(), V1.Session() as session:
        definition = V1.saved_model.load(session, ["serve"], path).signature_def["serving_default"]
        sparse = definition.inputs["ids"].coo_sparse
        rows = definition.inputs["rows"].composite_tensor.components
        fed = {
            sparse.indices_tensor_name: IDS.indices.numpy(),
            sparse.values_tensor_name: IDS.values.numpy(),
            sparse.dense_shape_tensor_name: [3, 3],
            rows[0].name: ROWS.values.numpy(),
            rows[1].name: ROWS.row_splits.numpy(),
            definition.inputs["x"].name: FEATURES["x"],
        }
        assert session.run(definition.outputs["y"].name, fed).shape == (3, 1)


def test_parts_have_names_of_their_own() -> None:
    with tf.Graph().as_default():
        inputs = {"ids": V1.sparse_placeholder(tf.int64, [None, 2]), "ids_values": tf.constant(1)}
        nested = V1.ragged.placeholder(tf.float32, 2)
        assert list(signature_inputs.flat(inputs)) == ["ids_indices_", "ids_values_", "ids_dense_shape_", "ids_values"]
        assert list(signature_inputs.flat({"r": nested})) == ["r_values", "r_row_splits_0", "r_row_splits_1"]


def test_only_dense_tensors_are_scores_values_and_examples() -> None:
    with pytest.raises(ValueError, match="It takes a tensor of floating-point values"):
        export.RegressionOutput(tf.sparse.from_dense([[1.0]]))
    words = tf.sparse.from_dense([["a"]])
    assert not export.ServingInputReceiver({"words": words}, words).receives_examples()
