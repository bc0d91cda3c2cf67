"""A model of `tf.contrib` as programs wrote them: it trains, and its variables have the names that they had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import trainer.compat.v1 as tf

LAYERS, FRAMEWORK = tf.contrib.layers, tf.contrib.framework
WORDS = np.array([["a", "b"], ["b", "c"], ["a", "a"], ["q", "b"]])


def input_fn() -> Any:
    features = {"x": np.ones((4, 8, 8, 1), np.float32), "words": WORDS}
    return tf.data.Dataset.from_tensors((features, np.ones((4, 1), np.float32))).repeat()


def model_fn(features: Any, labels: Any, mode: str, params: Any) -> Any:
    training = mode == tf.estimator.ModeKeys.TRAIN
    settings = {"weights_regularizer": LAYERS.l2_regularizer(1e-3), "normalizer_fn": LAYERS.batch_norm}
    both = [LAYERS.conv2d, LAYERS.fully_connected]
    with FRAMEWORK.arg_scope(both, normalizer_params={"is_training": training}, **settings):
        net = LAYERS.max_pool2d(LAYERS.conv2d(features["x"], 4, 3), 2)
        net = LAYERS.stack(LAYERS.flatten(net), LAYERS.fully_connected, [8, 4], scope="fc")
    table = tf.contrib.lookup.index_table_from_tensor(["a", "b", "c"], num_oov_buckets=1)
    words = LAYERS.layer_norm(LAYERS.embed_sequence(table.lookup(features["words"]), 4, 3))
    net = LAYERS.dropout(tf.concat([net, tf.reduce_mean(words, 1)], 1), is_training=training)
    output = LAYERS.fully_connected(net, 1, activation_fn=None)
    tf.losses.mean_squared_error(labels, output)
    loss = tf.losses.get_total_loss()
    assert len(tf.losses.get_regularization_losses()) == 3
    step = tf.train.get_global_step()
    op = LAYERS.optimize_loss(loss, step, params.rate, "Adam", clip_gradients=5.0)
    assert {v.op.name for v in FRAMEWORK.get_variables("fc", "weights")} == {
        "fc/fully_connected_1/weights",
        "fc/fully_connected_2/weights",
    }
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=op, predictions=output)


def test_a_model_of_contrib_layers_trains_under_the_names_that_it_had(tmp_path: Path) -> None:
    estimator = tf.estimator.Estimator(model_fn, tmp_path, params=tf.contrib.training.HParams(rate=0.05))
    before = estimator.train(input_fn, steps=1).evaluate(input_fn, steps=1)["loss"]
    assert estimator.train(input_fn, steps=60).evaluate(input_fn, steps=1)["loss"] < before / 2
    names = {name for name in estimator.get_variable_names() if "OptimizeLoss" not in name}
    assert names == {
        *(f"Conv/{name}" for name in ("weights", "BatchNorm/beta", "BatchNorm/moving_mean")),
        "Conv/BatchNorm/moving_variance",
        *(
            f"fc/fully_connected_{layer}/{name}"
            for layer in (1, 2)
            for name in ("weights", "BatchNorm/beta", "BatchNorm/moving_mean", "BatchNorm/moving_variance")
        ),
        "EmbedSequence/embeddings",
        "LayerNorm/beta",
        "LayerNorm/gamma",
        "fully_connected/biases",
        "fully_connected/weights",
        "global_step",
    }
    assert {"OptimizeLoss/learning_rate", "OptimizeLoss/Conv/weights/Adam"} <= set(estimator.get_variable_names())
    assert np.any(estimator.get_variable_value("Conv/BatchNorm/moving_mean"))
