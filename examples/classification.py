"""Three kinds of flowers told apart by four measurements (Fisher 1936), drawn around the mean of each kind.

python -m trainer.task --problem=examples/classification.py --output_dir=output/flowers --exporter=best
"""

import dataclasses
from typing import Any

import numpy as np

from trainer import Problem
from trainer.reporting import classification

KINDS = ("setosa", "versicolor", "virginica")
CENTRES = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])


@dataclasses.dataclass(frozen=True)
class Params:
    units: int = 16
    learning_rate: float = 0.01


def examples(seed: int, count: int) -> Any:
    """A dataset of ({"measures": float32 [4]}, int64 kind)."""
    import tensorflow as tf

    random = np.random.default_rng(seed)
    kinds = random.integers(3, size=count)
    measures = (CENTRES[kinds] + random.normal(scale=0.4, size=(count, 4))).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices(({"measures": measures}, kinds))


def train_input_fn(data: Any) -> Any:
    return examples(0, 1500).shuffle(1500, seed=data.seed or 0).repeat(data.num_epochs).batch(data.train_batch_size)


def model_fn(features: Any, labels: Any, mode: str, params: Params) -> Any:
    import keras
    import tensorflow as tf

    from trainer.estimator import EstimatorSpec, ModeKeys

    hidden = keras.layers.Dense(params.units, activation="relu")(features["measures"])
    logits = keras.layers.Dense(3)(hidden)
    predictions = {"kind": tf.argmax(logits, 1), "probabilities": tf.nn.softmax(logits)}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    train_op = tf.compat.v1.train.AdamOptimizer(params.learning_rate).minimize(loss)
    accuracy = tf.compat.v1.metrics.accuracy(labels, predictions["kind"])
    return EstimatorSpec(mode, predictions, loss, train_op, eval_metric_ops={"accuracy": accuracy})


PROBLEM = Problem(
    model_fn=model_fn,
    params=Params,
    train_input_fn=train_input_fn,
    eval_input_fn=lambda data: examples(1, 500).batch(data.eval_batch_size),
    metrics={"accuracy": "max", "loss": "min"},
    baselines=lambda: {"accuracy_chance": 1 / 3},
    plots=lambda examples: classification.plots(examples.labels, examples.predictions["probabilities"], KINDS),
)
