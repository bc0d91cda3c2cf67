"""A program of TensorFlow 1 that disables what version 2 brought, before or after it imports this package.

It says in a line of JSON how far it came.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

if sys.argv[1] == "before":
    tf.disable_v2_behavior()

from trainer.estimator import Estimator, EstimatorSpec, ModeKeys  # noqa: E402
from trainer.estimator.canned.linear import LinearRegressor  # noqa: E402
from trainer.estimator.contract import export  # noqa: E402


def input_fn() -> Any:
    dataset = tf.data.Dataset.from_tensor_slices({"x": np.ones([8, 2], np.float32), "y": np.ones([8, 1], np.float32)})
    features = dataset.shuffle(8).repeat(3).batch(4).make_one_shot_iterator().get_next()
    return features, features.pop("y")


def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    width = features["x"].shape[1].value  # a Dimension, as the program has asked for
    prediction = tf.matmul(features["x"], tf.get_variable("w", [width, 1], initializer=tf.zeros_initializer()))
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions={"y": prediction})
    loss = tf.losses.mean_squared_error(labels, prediction)
    train_op = tf.train.AdamOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    metrics = {"mae": tf.metrics.mean_absolute_error(labels, prediction)}
    return EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


def receiver_fn() -> export.ServingInputReceiver:
    x = tf.placeholder(tf.float32, [None, 2])
    return export.ServingInputReceiver({"x": x}, {"x": x})


def main(directory: str) -> None:
    estimator = Estimator(model_fn, directory)
    estimator.train(input_fn)
    canned = LinearRegressor([tf.feature_column.numeric_column("x", [2])]).train(input_fn, steps=2)
    path = estimator.export_saved_model(f"{directory}/export", receiver_fn)
    with tf.Session(graph=tf.Graph()) as session:
        outputs = tf.saved_model.load(session, ["serve"], path.decode()).signature_def["serving_default"].outputs
    said = {
        "step": int(estimator.get_variable_value("global_step")),
        "metrics": sorted(estimator.evaluate(input_fn)),
        "predictions": sum(1 for _ in estimator.predict(input_fn)),
        "outputs": list(outputs),
        "canned": int(canned.evaluate(input_fn)["global_step"]),
        "eager": tf.executing_eagerly(),
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "after":
        tf.disable_v2_behavior()
    main(sys.argv[2])
