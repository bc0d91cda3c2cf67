"""The ways of a worker to make many steps in one call; here the servers are the process itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import step_models
from tests.estimator.distribution.ps.test_pull_push import Trained, alone, assert_same, compiled, run, steps_of, values
from trainer.estimator.distribution.ps import worker_functions
from trainer.estimator.distribution.ps.downpour import downpour
from trainer.estimator.graph.tracing import TracedModel

STEPS = 4
MODEL = step_models.model(step_models.dense, step_models.adam_v1)
WAYS: dict[str, Callable[[TracedModel], worker_functions.Call]] = {
    "pull and push": lambda traced: worker_functions.pull_push(steps_of(traced), STEPS, STEPS),
    "pull and push, two at a time": lambda traced: worker_functions.pull_push(steps_of(traced), STEPS, 2),
    "op by op": lambda traced: worker_functions.op_by_op(traced, STEPS),
    "downpour": lambda traced: downpour(traced, STEPS),
}


@pytest.fixture(scope="module")
def trained() -> list[Trained]:
    """What one process makes of a whole stack, and then of the first batch again."""
    stack = step_models.stack(STEPS)
    return alone(MODEL, stack, stack[:1])


@pytest.fixture(scope="module")
def after_two() -> Trained:
    """What one process makes of a stack of two."""
    return alone(MODEL, step_models.stack(2))[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_call_makes_as_many_steps_as_are_wanted(way: str, trained: list[Trained]) -> None:
    stack, traced = step_models.stack(STEPS), step_models.traced(MODEL, xla=way != "op by op")
    call = compiled(WAYS[way](traced))
    nothing: Trained = (np.zeros([0], np.float32), values(traced))
    for losses, variables in (nothing, *trained):
        assert run(call, stack, wanted=len(losses)) == pytest.approx(losses, rel=1e-5)
        assert_same(values(traced), variables)


@pytest.mark.parametrize("way", WAYS)
def test_the_last_stack_of_the_data_may_be_short_and_after_it_no_step_is_made(way: str, after_two: Trained) -> None:
    traced = step_models.traced(MODEL, xla=way != "op by op")
    call = tf.function(WAYS[way](traced), autograph=False)
    iterator = step_models.numbered(step_models.stack(2))
    assert [int(call(iterator, tf.constant(STEPS))[0]) for _ in range(2)] == [2, 0]
    assert_same(values(traced), after_two[1])


@pytest.mark.parametrize(
    "way",
    [
        lambda traced: worker_functions.pull_push(steps_of(traced), STEPS, STEPS, stacks=3),
        lambda traced: downpour(traced, STEPS, stacks=3),
    ],
    ids=["pull and push", "downpour"],
)
def test_a_call_takes_one_stack_after_the_other_to_the_end_of_the_data(
    way: Callable[[TracedModel], worker_functions.Call],
) -> None:
    data = tf.concat([step_models.stack(STEPS)] * 2, 0)[: 2 * STEPS - 1]
    [(losses, variables)] = alone(MODEL, data)
    traced = step_models.traced(MODEL, xla=True)
    call, iterator = compiled(way(traced)), step_models.numbered(data, STEPS)
    steps_made, padded, batches = call(iterator, tf.constant(3 * STEPS))
    assert padded.numpy()[: int(steps_made)] == pytest.approx(losses, rel=1e-5)
    assert_same(values(traced), variables)
    assert not tf.size(batches[-1])
    assert int(call(iterator, tf.constant(3 * STEPS))[0]) == 0


def test_the_batches_at_a_nan_are_those_of_the_first_stack_that_has_one() -> None:
    losses = tf.constant([[1.0, 1.0], [1.0, np.nan], [np.nan, np.nan]])
    call = worker_functions.over_stacks(lambda stacks, _: tf.gather(losses, stacks[0][0] // 2), 2, 3)
    numbers = tf.stack([tf.zeros([6], tf.int64), tf.range(6, dtype=tf.int64)], 1)
    iterator = iter(tf.data.Dataset.from_tensor_slices((tf.range(6), numbers)).batch(2))
    steps_made, given, batches = tf.function(call, autograph=False)(iterator, tf.constant(6))
    assert (int(steps_made), given.numpy().tolist()[:3]) == (6, [1.0, 1.0, 1.0])
    assert [part.numpy().tolist() for part in batches] == [[2, 3], [[0, 2], [0, 3]]]


@pytest.mark.parametrize("way", ["pull and push", "downpour"])
def test_xla_is_given_small_products_as_arithmetic(way: str) -> None:
    call = tf.function(WAYS[way](step_models.traced(MODEL, xla=True)), autograph=False)
    iterator = step_models.numbered(step_models.stack(STEPS))
    library = call.get_concrete_function(iterator, tf.constant(STEPS)).graph.as_graph_def().library.function
    compiled_by_xla = [function for function in library if function.attr["_XlaMustCompile"].b]
    assert compiled_by_xla
    assert "MatMul" not in {node.op for function in library for node in function.node_def}


def test_a_call_of_one_step_needs_no_loop() -> None:
    traced = step_models.traced(MODEL)
    call = tf.function(worker_functions.pull_push(steps_of(traced), 1, 1), autograph=False)
    iterator = step_models.numbered(step_models.stack(1))
    graph = call.get_concrete_function(iterator, tf.constant(1)).graph
    functions = graph.as_graph_def().library.function
    assert not any(node.op in ("While", "StatelessWhile") for function in functions for node in function.node_def)
    [(losses, _)] = alone(MODEL, step_models.stack(1))
    assert call(iterator, tf.constant(1))[1].numpy() == pytest.approx(losses, rel=1e-5)
