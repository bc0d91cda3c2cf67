"""Small parts of `tf.contrib`: predictors of exports, its summaries, the loss of sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow

import trainer.compat.v1 as tf
from trainer.job.errors import UsageError


def model_fn(features: Any, labels: Any, mode: str) -> Any:
    scale = tf.get_variable("scale", [], initializer=tf.ones_initializer())
    outputs = features["x"] * scale
    exports = {"serving_default": tf.estimator.export.PredictOutput({"y": outputs})}
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=outputs, export_outputs=exports)
    loss = tf.reduce_mean((outputs - labels) ** 2)
    with tf.contrib.summary.create_file_writer("elsewhere").as_default():
        with tf.contrib.summary.always_record_summaries():
            tf.contrib.summary.scalar("noted", tf.reshape(loss, [1])[0] * 2, step=tf.train.get_global_step())
        noted = tf.contrib.summary.all_summary_ops()
    with tf.control_dependencies(noted):
        noted = tf.contrib.layers.OPTIMIZER_SUMMARIES
        train_op = tf.contrib.layers.optimize_loss(loss, None, 0.1, "SGD", summaries=noted)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn() -> Any:
    return tf.data.Dataset.from_tensors(({"x": np.ones((4, 1), np.float32)}, np.full((4, 1), 3, np.float32))).repeat()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = tf.estimator.RunConfig(save_summary_steps=1)
    return tf.estimator.Estimator(model_fn, tmp_path_factory.mktemp("model"), config).train(input_fn, steps=2)


def summaries(directory: str) -> dict[str, float]:
    """The first number of each tag in the events of a directory."""
    found: dict[str, float] = {}
    for path in Path(directory).glob("events*"):
        for event in tensorflow.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = tensorflow.make_ndarray(value.tensor) if value.HasField("tensor") else value.simple_value
                if np.ndim(number) == 0:
                    found.setdefault(value.tag, float(number))
    return found


def test_summaries_of_contrib_go_to_the_events_of_the_estimator(trained: Any) -> None:
    assert summaries(trained.model_dir)["noted"] == 8.0


def test_optimize_loss_notes_what_it_did_in_its_scope(trained: Any) -> None:
    found = summaries(trained.model_dir)
    names = ("loss", "global_norm/gradient_norm", "gradient_norm/scale_0")
    assert [found[f"OptimizeLoss/{name}"] for name in names] == pytest.approx([4.0, 4.0, 4.0])


def test_a_predictor_answers_for_arrays_and_names_what_it_takes(trained: Any, tmp_path: Path) -> None:
    receiver_fn = tf.estimator.export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None, 1], tf.float32)})
    export = trained.export_savedmodel(tmp_path, receiver_fn)
    predict = tf.contrib.predictor.from_saved_model(export)
    assert predict({"x": [[2.0]]})["y"] == pytest.approx(2 * trained.get_variable_value("scale"))
    with pytest.raises(ValueError, match="was given nothing. It takes x. Give values"):
        predict({})
    with pytest.raises(UsageError, match="no signature 'other'. .*serving_default"):
        tf.contrib.predictor.from_saved_model(export, "other")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (1 + 2 + 4) / 4),
        ({"average_across_batch": False}, [3 / 2, 4 / 2]),
        ({"average_across_timesteps": False}, [(1 + 4) / 3, 2 / 1]),
        ({"average_across_batch": False, "average_across_timesteps": False}, [[1, 2], [4, 0]]),
    ],
)
def test_the_loss_of_sequences_is_a_mean_over_what_is_asked_for(settings: Any, expected: Any) -> None:
    weights = np.array([[1, 1], [2, 0]], np.float32)

    def losses(labels: Any, logits: Any) -> Any:
        return tensorflow.cast(labels, "float32") + 0 * logits[:, 0]

    loss = tf.contrib.seq2seq.sequence_loss(
        np.zeros((2, 2, 3), np.float32), np.array([[1, 2], [2, 9]]), weights, softmax_loss_function=losses, **settings
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
