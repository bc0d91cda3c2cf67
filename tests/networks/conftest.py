"""A network traced as the Estimator traces it: its forecasts, its variables by name, and their gradients if asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.tracing import trace
from trainer.estimator.graph.variables import Role, VariableStore
from trainer.formats.schema import Schema


@dataclasses.dataclass
class TracedNetwork:
    """`run(values)` gives {"forecasts": ...} and, if asked, {"gradients": {name: ...}} of (forecasts - 1) squared."""

    run: Callable[[tf.Tensor], dict[str, Any]]
    weights: dict[str, tf.Variable]

    def forecasts(self, values: np.ndarray) -> np.ndarray:
        return self.run(tf.constant(values))["forecasts"].numpy()


@pytest.fixture
def make_schema() -> Callable[..., Schema]:
    def make(*, steps: int = 9, columns: int = 1, horizon: int = 1, targets: int = 1, **scales: Any) -> Schema:
        names = tuple(f"column_{number}" for number in range(columns))
        scales = {"mean": (0.0,) * columns, "scale": (1.0,) * columns} | scales
        return Schema(steps=steps, columns=names, horizon=horizon, targets=names[:targets][::-1], **scales)

    return make


@pytest.fixture
def traced() -> Callable[..., TracedNetwork]:
    def build(network: Callable[..., tf.Tensor], schema: Schema, gradients: bool = False) -> TracedNetwork:
        store = VariableStore(seed=1)
        made: dict[str, Any] = {}

        def body(values: tf.Tensor) -> tuple[EstimatorSpec, None]:
            made["forecasts"] = network(values, schema)
            if gradients:
                variables = tf.compat.v1.trainable_variables()
                each = tf.gradients(tf.reduce_sum(tf.square(made["forecasts"] - 1.0)), variables)
                made["gradients"] = dict(zip(store.named(Role.WEIGHT), each, strict=True))
            return EstimatorSpec(ModeKeys.PREDICT, predictions={"forecasts": made["forecasts"]}), None

        signature = [tf.TensorSpec([None, schema.steps, len(schema.columns)])]
        part = trace(body, signature, ModeKeys.PREDICT, store, xla=True).prune(made)
        return TracedNetwork(lambda values: part(values), store.named(Role.WEIGHT))

    return build


@pytest.fixture
def some_values() -> Callable[[Schema], np.ndarray]:
    """Five examples of standard normal values: float32 [5, steps, columns]."""

    def draw(schema: Schema) -> np.ndarray:
        return np.random.default_rng(3).normal(size=(5, schema.steps, len(schema.columns))).astype(np.float32)

    return draw
