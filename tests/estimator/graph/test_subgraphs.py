"""Parts of a step, added to other graphs."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tests.estimator import step_models
from trainer.estimator.graph.subgraphs import StepGraph, definitions, graft, name_of, step_graph

X = np.ones([6, 5], np.float32)


def dense_step() -> StepGraph:
    return step_graph(step_models.traced(step_models.model(step_models.dense, step_models.sgd)))


def test_a_step_is_its_loss_its_operations_and_its_variables() -> None:
    step = dense_step()
    assert set(step.variables) == {"global_step", "dense/kernel", "dense/bias", "weight"}
    assert set(step.handles()) == set(step.variables)
    assert [feed.shape.as_list() for feed in step.feeds] == [[6, 5]]
    assert step.loss.shape.rank == 0
    assert step.operations


def test_a_grafted_loss_is_computed_from_what_is_given() -> None:
    step = dense_step()
    forward = [op for op in step.graph.get_operations() if op.type not in ("Placeholder", "AssignAddVariableOp")]

    @tf.function(autograph=False)
    def loss(x: tf.Tensor) -> tf.Tensor:
        return graft(step, definitions(forward), {name_of(step.feeds[0]): x}, [step.loss])[0]

    expected = (4 * np.tanh(5.0) - 1) ** 2 + 0.01 * 4
    np.testing.assert_allclose(loss(tf.constant(X)), expected, rtol=1e-5)
    assert step.variables["weight"].numpy().max() < 1.0  # the update was grafted with it, and runs


def test_copies_stand_in_for_the_variables_that_they_are_of() -> None:
    step = dense_step()
    copy = tf.Variable(2 * tf.ones([4, 1]))
    reads = [op for op in step.handles()["weight"].consumers() if op.type == "ReadVariableOp"][:1]

    @tf.function(autograph=False)
    def read() -> list[tf.Tensor]:
        return [
            graft(step, definitions(reads), {}, [reads[0].outputs[0]], copies)[0]
            for copies in ({}, {"weight": copy.handle})
        ]

    assert [float(tf.reduce_max(value)) for value in read()] == [1.0, 2.0]


def test_definitions_say_devices_and_keep_edges_among_themselves_alone() -> None:
    step = dense_step()
    after = next(op for op in step.graph.get_operations() if op.name == "GradientDescent/update")
    update, *others = after.control_inputs
    assert others
    first, idle = definitions({update: "/job:ps/task:1", after: ""}, idle={after})
    assert (first.op, first.device) == ("ResourceApplyGradientDescent", "/job:ps/task:1")
    assert update.control_inputs and not [name for name in first.input if name.startswith("^")]
    assert (idle.op, list(idle.input)) == ("NoOp", [f"^{update.name}"])
    (busy,) = definitions([update], idle=[])
    assert list(busy.input) == [name_of(tensor) for tensor in update.inputs]
    (nothing,) = definitions([update], idle=[update])
    assert (nothing.op, nothing.name, list(nothing.input)) == ("NoOp", update.name, [])
