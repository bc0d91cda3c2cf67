"""Random ops of a step, drawn by seed and global step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.randomness import hides_state
from trainer.estimator.graph.tracing import TracedModel, trace
from trainer.estimator.graph.variables import VariableStore

OPS: dict[str, Callable[[], tf.Tensor]] = {
    "uniform": lambda: tf.random.uniform([4], 1.0, 2.0),
    "integers": lambda: tf.random.uniform([4], 0, 1 << 30, tf.int64),
    "normal": lambda: tf.random.normal([4], 3.0, 0.5),
    "truncated": lambda: tf.random.truncated_normal([4]),
    "dropout": lambda: tf.nn.dropout(tf.ones([64]), 0.5),
    "v1 dropout": lambda: tf.compat.v1.nn.dropout(tf.ones([64]), rate=0.5),
}


def traced(op: Callable[[], Any], seed: int | None, mode: str = ModeKeys.TRAIN) -> TracedModel:
    def body(x: tf.Tensor) -> tuple[EstimatorSpec, None]:
        return EstimatorSpec(mode, predictions=op(), loss=tf.constant(0.0), train_op=tf.no_op()), None

    return trace(body, [tf.TensorSpec([])], mode, VariableStore(seed))


def drawn(op: Callable[[], Any], seed: int | None, *, xla: bool = False, steps: tuple[int, ...] = (0, 1)) -> Any:
    model = traced(op, seed)
    part = tf.function(model.prune(model.spec.predictions, feeds=()), jit_compile=xla)
    found = []
    for step in steps:
        model.store.global_step.assign(step)
        found.append(tf.nest.map_structure(lambda tensor: tensor.numpy().tolist(), part()))
    return found


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_a_seed_gives_the_same_numbers_at_the_same_step(xla: bool) -> None:
    def of_each(seed: int, *steps: int) -> list[dict[str, list[float]]]:
        """What every op draws at each step."""
        return drawn(lambda: {name: op() for name, op in OPS.items()}, seed, xla=xla, steps=steps)

    first, second = of_each(1, 0, 1)
    (again,), (of_another,) = of_each(1, 1), of_each(2, 0)
    assert second == again
    for name in OPS:
        assert first[name] != second[name], name
        assert first[name] != of_another[name], name


def test_without_a_seed_every_trace_draws_its_own_numbers() -> None:
    assert drawn(OPS["normal"], None) != drawn(OPS["normal"], None)


def test_two_ops_of_one_function_draw_different_numbers() -> None:
    first, second = drawn(lambda: tf.stack([tf.random.normal([4]), tf.random.normal([4])]), 1, steps=(0,))[0]
    assert first != second


def test_ranges_and_moments_stay_those_of_the_op() -> None:
    uniform = drawn(lambda: tf.random.uniform([1000], 1.0, 2.0), 1, steps=(0,))[0]
    assert 1.0 <= min(uniform) < 1.05
    assert 1.95 < max(uniform) < 2.0
    normal = drawn(lambda: tf.random.normal([1000], 3.0, 0.5), 1, steps=(0,))[0]
    assert sum(normal) / 1000 == pytest.approx(3.0, abs=0.1)


def test_a_random_op_inside_a_loop_keeps_its_hidden_state() -> None:
    def noisy() -> tf.Tensor:
        return tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, x + tf.random.normal([])), [0, 0.0])[1]

    assert hides_state(traced(noisy, 1).graph)
    assert hides_state(traced(lambda: tf.random.shuffle(tf.range(3)), 1).graph)
    assert not hides_state(traced(OPS["normal"], 1).graph)
