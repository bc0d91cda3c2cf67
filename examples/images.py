"""Which way the bars in a noisy picture run: a small convolutional network, with pictures in TensorBoard.

python -m trainer.task --problem=examples/images.py --output_dir=output/images --train_steps=300
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from trainer import Problem

SIZE, DIRECTIONS = 12, 4


@dataclasses.dataclass(frozen=True)
class Params:
    filters: int = 8
    learning_rate: float = 0.01


def pictures(seed: int, count: int) -> Any:
    """A dataset of ({"picture": float32 [SIZE, SIZE, 1] between 0 and 1}, int64 direction)."""
    import tensorflow as tf

    random = np.random.default_rng(seed)
    direction = random.integers(DIRECTIONS, size=count)
    angle, phase = np.pi * direction / DIRECTIONS, random.uniform(0, 2 * np.pi, size=count)
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    along = x * np.cos(angle)[:, None, None] + y * np.sin(angle)[:, None, None]
    bars = 0.5 + 0.25 * np.sin(along + phase[:, None, None]) + random.normal(scale=0.4, size=(count, SIZE, SIZE))
    picture = np.clip(bars, 0, 1).astype(np.float32)[..., None]
    return tf.data.Dataset.from_tensor_slices(({"picture": picture}, direction))


def train_input_fn(data: Any) -> Any:
    return pictures(0, 2000).shuffle(2000, seed=data.seed or 0).repeat(data.num_epochs).batch(data.train_batch_size)


def eval_input_fn(data: Any) -> Any:
    return pictures(1, 500).batch(data.eval_batch_size)


def model_fn(features: Any, labels: Any, mode: str, params: Params) -> Any:
    import keras
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec, ModeKeys

    training = mode == ModeKeys.TRAIN
    units = features["picture"]
    tf.summary.image("pictures", units, max_outputs=3)
    for _ in range(2):
        units = keras.layers.Conv2D(params.filters, 3, padding="same", use_bias=False)(units)
        units = keras.layers.BatchNormalization()(units, training=training)
        units = keras.layers.MaxPooling2D()(keras.ops.relu(units))
    logits = keras.layers.Dense(DIRECTIONS)(keras.layers.Flatten()(units))
    predictions = {"direction": tf.argmax(logits, 1), "probabilities": tf.nn.softmax(logits)}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    train_op = tf.compat.v1.train.AdamOptimizer(params.learning_rate).minimize(loss)
    accuracy = tf.compat.v1.metrics.accuracy(labels, predictions["direction"])
    return EstimatorSpec(mode, predictions, loss, train_op, eval_metric_ops={"accuracy": accuracy})


PROBLEM = Problem(
    model_fn=model_fn,
    params=Params,
    train_input_fn=train_input_fn,
    eval_input_fn=eval_input_fn,
    metrics={"accuracy": "max", "loss": "min"},
    baselines=lambda: {"accuracy_chance": 1 / DIRECTIONS},
)
