"""A model of tf.estimator that is bought ready-made: linear for what is remembered, deep for what is generalised.

Visitors of a shop buy or do not. Some pairs of town and product sell by themselves, which a cross of the two columns
learns by heart; how much an age likes a price is smooth, which the deep network learns (Cheng et al. 2016).

python -m trainer.task --problem=examples/wide_and_deep.py --output_dir=output/shop --exporter=best
"""

import dataclasses
from typing import Any

import numpy as np

from trainer import Problem

TOWNS, PRODUCTS = ["Bern", "Oslo", "Rome", "Wien"], ["book", "lamp", "shoe"]


@dataclasses.dataclass(frozen=True)
class Params:
    units: int = 16
    learning_rate: float = 0.05


def examples(seed: int, count: int) -> Any:
    """A dataset of (columns by name, whether the visitor bought: int64)."""
    import tensorflow as tf

    random = np.random.default_rng(seed)
    town, product = random.integers(4, size=count), random.integers(3, size=count)
    age, price = random.uniform(size=(2, count)).astype(np.float32)
    score = np.where((town + product) % 3 == 0, 2.0, -1.0) + 6.0 * (age - 0.5) * (price - 0.5)
    columns = {"town": np.take(TOWNS, town), "product": np.take(PRODUCTS, product), "age": age, "price": price}
    return tf.data.Dataset.from_tensor_slices((columns, (score > 0).astype(np.int64)))


def make_estimator(params: Params, config: Any) -> Any:
    import keras
    import tensorflow as tf

    from trainer.estimator import DNNLinearCombinedClassifier

    column = tf.feature_column
    town = column.categorical_column_with_vocabulary_list("town", TOWNS)
    product = column.categorical_column_with_vocabulary_list("product", PRODUCTS)
    return DNNLinearCombinedClassifier(
        linear_feature_columns=[town, product, column.crossed_column(["town", "product"], 50)],
        linear_optimizer=keras.optimizers.Ftrl(params.learning_rate),
        dnn_feature_columns=[column.numeric_column(name) for name in ("age", "price")]
        + [column.embedding_column(each, 3) for each in (town, product)],
        dnn_optimizer=keras.optimizers.Adagrad(params.learning_rate),
        dnn_hidden_units=[params.units, params.units],
        config=config,
    )


PROBLEM = Problem(
    make_estimator=make_estimator,
    params=Params,
    train_input_fn=lambda data: (
        examples(0, 4000).shuffle(4000, seed=data.seed or 0).repeat(data.num_epochs).batch(data.train_batch_size)
    ),
    eval_input_fn=lambda data: examples(1, 1000).batch(data.eval_batch_size),
    metrics={"accuracy": "max", "auc": "max", "loss": "min"},
    baselines=lambda: {"accuracy_majority": 0.56},
)
