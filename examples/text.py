"""Whether a sentence of made-up words is friendly: a Keras model, trained by the Estimator that is made of it.

python -m trainer.task --problem=examples/text.py --output_dir=output/text --train_steps=600
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from trainer import Problem

WORDS, LENGTH = 200, 12


@dataclasses.dataclass(frozen=True)
class Params:
    units: int = 16
    dropout: float = 0.2
    learning_rate: float = 0.01


def sentences(seed: int, count: int) -> Any:
    """A dataset of ({"words_input": int32 [LENGTH]}, 1.0 for a friendly sentence and 0.0 for another)."""
    import tensorflow as tf

    kindness = np.random.default_rng(7).normal(size=WORDS)  # of each word, the same in training and evaluation
    words = np.random.default_rng(seed).integers(WORDS, size=(count, LENGTH), dtype=np.int32)
    friendly = (kindness[words].sum(axis=1) > 0).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices(({"words_input": words}, friendly[:, None]))


def train_input_fn(data: Any) -> Any:
    return sentences(0, 4000).shuffle(4000, seed=data.seed or 0).repeat(data.num_epochs).batch(data.train_batch_size)


def eval_input_fn(data: Any) -> Any:
    return sentences(1, 1000).batch(data.eval_batch_size)


def make_estimator(params: Params, config: Any) -> Any:
    """Features are called after the layer that takes them, `words`, as Estimators of Keras models always had it."""
    import keras

    from trainer.estimator import model_to_estimator

    model = keras.Sequential(
        [
            keras.layers.Input((LENGTH,), dtype="int32"),
            keras.layers.Embedding(WORDS, params.units, name="words"),
            keras.layers.LSTM(params.units),
            keras.layers.Dropout(params.dropout),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = keras.optimizers.RMSprop(params.learning_rate)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model_to_estimator(keras_model=model, config=config)


PROBLEM = Problem(
    make_estimator=make_estimator,
    params=Params,
    train_input_fn=train_input_fn,
    eval_input_fn=eval_input_fn,
    metrics={"accuracy": "max", "loss": "min"},
    baselines=lambda: {"accuracy_chance": 0.5},
)
