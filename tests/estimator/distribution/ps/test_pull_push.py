"""A step that pulls from and pushes to its servers once makes what the step of one process makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import step_models
from tests.estimator.step_models import V1
from trainer.estimator.distribution.ps import worker_functions
from trainer.estimator.distribution.ps.pull_push import PullPush
from trainer.estimator.distribution.ps.step_graph import step_graph
from trainer.estimator.distribution.ps.step_partition import partition
from trainer.estimator.graph.tracing import TracedModel

STEPS = 4


def steps_of(traced: TracedModel, xla: bool = True) -> PullPush:
    step = step_graph(traced)
    step_partition = partition(step, lambda name: step.variables[name].device)
    return PullPush(step_partition, lambda variable: worker_functions.own(f"copies of {id(traced)}", variable), xla)


def compiled(call: worker_functions.Call) -> worker_functions.Call:
    """A function of the graph that the call makes, whose stacks all hold STEPS batches."""
    return tf.function(call, autograph=False)


def run(call: worker_functions.Call, stack: tf.Tensor, wanted: int = STEPS) -> np.ndarray:
    """The losses of one call on the stack."""
    iterator = step_models.numbered(stack)
    steps_made, losses, _ = call(iterator, tf.constant(wanted))
    return losses.numpy()[: int(steps_made)]


def values(traced: TracedModel) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in traced.store.by_name.items()}


Trained = tuple[np.ndarray, dict[str, np.ndarray]]
"""Losses of some steps, and the variables after them."""


def alone(model: step_models.Model, *stacks: tf.Tensor) -> list[Trained]:
    """What the ordinary steps of one process make of one stack after the other."""
    dataset = tf.data.Dataset.from_tensor_slices(tf.concat(stacks, 0))
    steps = step_models.steps(lambda features: model(features), lambda: dataset, tf_random_seed=1)
    return [(steps.run(len(stack)).losses, values(steps.traced)) for stack in stacks]


def assert_same(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize(
    ("forward", "optimize"),
    [
        (step_models.dense, step_models.sgd),
        (step_models.dense, step_models.adamw),
        (step_models.dense, step_models.decaying_momentum),
        (step_models.recurrent, step_models.adam_v1),
        (step_models.looked_up, step_models.adam_v1),
        (step_models.looked_up, step_models.adamw),
        (step_models.normalised, step_models.with_updates_before_gradients),
    ],
)
def test_losses_and_variables_are_those_of_one_process(
    forward: Callable[[tf.Tensor], tf.Tensor], optimize: Callable[[tf.Tensor], Any]
) -> None:
    model, stack = step_models.model(forward, optimize), step_models.stack(STEPS)
    traced = step_models.traced(model)
    call = compiled(worker_functions.pull_push(steps_of(traced), STEPS, STEPS))
    for losses, variables in alone(model, stack, stack[:-1]):
        assert run(call, stack, wanted=len(losses)) == pytest.approx(losses, rel=1e-5)
        assert_same(values(traced), variables)
    assert variables["global_step"] == STEPS + STEPS - 1


def test_a_stack_that_is_short_at_the_end_of_the_data_is_used_up_and_then_there_is_no_step() -> None:
    model, stack = step_models.model(step_models.dense, step_models.sgd), step_models.stack(2)
    traced = step_models.traced(model)
    call = tf.function(worker_functions.pull_push(steps_of(traced), STEPS, STEPS), autograph=False)
    iterator = step_models.numbered(stack)
    steps_made = [int(call(iterator, tf.constant(STEPS))[0]) for _ in range(2)]
    assert steps_made == [2, 0]
    assert_same(values(traced), alone(model, stack)[0][1])


def test_a_step_reads_each_variable_once_and_a_call_reads_once_what_no_step_writes() -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        frozen = tf.Variable(tf.ones([5, 5]), trainable=False, name="frozen")
        weight = tf.Variable(tf.ones([5, 5]), name="weight")
        return tf.reduce_mean(((x @ frozen @ weight.read_value()) @ weight.read_value() @ frozen) ** 2)

    traced = step_models.traced(step_models.model(forward, step_models.sgd))
    pull_push = steps_of(traced)

    @tf.function(autograph=False)
    def call(stack: tf.Tensor) -> list[tf.Tensor]:
        resident = pull_push.begin()
        return [pull_push.step([stack], tf.constant(index), resident) for index in range(STEPS)]

    graph = call.get_concrete_function(step_models.stack(STEPS)).graph
    names = {id(inner): traced.store.names_by_handle()[id(outer)] for outer, inner in graph.captures}
    reads = [names[id(op.inputs[0])] for op in graph.get_operations() if op.type == "ReadVariableOp"]
    assert sorted(reads) == ["frozen"] + ["weight"] * STEPS


@pytest.mark.parametrize("behind", [step_models.dense, step_models.recurrent])
def test_what_xla_refuses_runs_op_by_op_on_the_worker(behind: Callable[[tf.Tensor], tf.Tensor]) -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        seen = tf.py_function(lambda tensor: tensor, [x], tf.float32)
        seen.set_shape(x.shape)
        return behind(seen)

    model, stack = step_models.model(forward, step_models.sgd), step_models.stack(STEPS)
    traced = step_models.traced(model)
    refused = steps_of(traced).refused_by_xla(STEPS)
    assert refused is not None and "EagerPyFunc" in refused
    losses = run(compiled(worker_functions.pull_push(steps_of(traced, xla=False), STEPS, STEPS)), stack)
    assert losses == pytest.approx(alone(model, stack)[0][0], rel=1e-5)


@pytest.mark.parametrize("forward", [step_models.dense, step_models.recurrent, step_models.looked_up])
def test_what_xla_compiles_is_not_refused(forward: Callable[[tf.Tensor], tf.Tensor]) -> None:
    assert steps_of(step_models.traced(step_models.model(forward, step_models.sgd))).refused_by_xla(STEPS) is None


def test_two_tables_that_the_same_ids_look_up_are_not_compiled_since_xla_confuses_their_sizes() -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        ids = tf.cast(20 * x, tf.int32)
        tables = [keras.layers.Embedding(50, size, embeddings_initializer="ones")(ids) for size in (1, 4)]
        return tf.reduce_mean((tf.reduce_sum(tf.concat(tables, axis=2), axis=[1, 2]) - 1.0) ** 2)

    model, stack = step_models.model(forward, step_models.adam_v1), step_models.stack(STEPS)
    refused = steps_of(step_models.traced(model)).refused_by_xla(STEPS)
    assert refused is not None and "where two tables are looked up by the same feature" in refused
    losses = run(compiled(worker_functions.pull_push(steps_of(step_models.traced(model), False), STEPS, STEPS)), stack)
    assert losses == pytest.approx(alone(model, stack)[0][0], rel=1e-5)


def test_a_loss_of_another_type_is_given_as_float32() -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        weight = V1.get_variable("weight", [5, 1], tf.float64, V1.zeros_initializer())
        return tf.reduce_mean((tf.cast(x, tf.float64) @ weight - 1.0) ** 2)

    model, stack = step_models.model(forward, step_models.sgd), step_models.stack(STEPS)
    losses = run(compiled(worker_functions.pull_push(steps_of(step_models.traced(model)), STEPS, STEPS)), stack)
    assert losses.dtype == np.float32
    assert losses == pytest.approx(alone(model, stack)[0][0], rel=1e-6)
