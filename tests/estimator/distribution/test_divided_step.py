"""Steps whose parts on either side of the sum over devices are compiled are those of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import step_models
from tests.estimator.step_models import V1
from trainer.estimator.contract.xla_use import XlaUse
from trainer.estimator.distribution.averaging import averaged_gradients
from trainer.estimator.distribution.collectives import Devices, Participant, new_group_key
from trainer.estimator.distribution.divided_step import NotDividedError, divided
from trainer.estimator.distribution.step_memory import StepMemory
from trainer.estimator.distribution.sync import SyncSteps
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.steps.compiling.step_function import step_function
from trainer.estimator.steps.input.batches import StackedBatches

STEPS = 4


def traced(model: step_models.Model) -> TracedModel:
    with averaged_gradients(Participant("/device:CPU:0", 1, new_group_key()), step_models.BATCH[0]):
        return step_models.traced(model, xla=False)


def made(traced: TracedModel, step: Callable[..., Any] | None = None) -> dict[str, Any]:
    """The losses of some steps, and the variables after them."""
    function = tf.function(step_function(traced, step), autograph=False)
    losses = [float(function(batch)[0]) for batch in step_models.stack(STEPS)]
    return {"losses": losses, **{name: value.numpy() for name, value in traced.store.by_name.items()}}


@pytest.mark.parametrize(
    ("forward", "optimize"),
    [
        (step_models.dense, step_models.adam_v1),
        (step_models.looked_up, step_models.adamw),
        (step_models.normalised, step_models.decaying_momentum),
        (step_models.normalised, step_models.with_updates_before_gradients),
    ],
)
def test_losses_and_variables_are_those_of_the_graph(
    forward: Callable[[tf.Tensor], tf.Tensor], optimize: Callable[[tf.Tensor], Any]
) -> None:
    model = step_models.model(forward, optimize)
    one, other = traced(model), traced(model)
    compiled = made(one, divided(one).compiled([tf.TensorSpec(step_models.BATCH)]))
    for name, value in made(other).items():
        assert compiled[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert compiled["global_step"] == STEPS


def by_hand(loss: tf.Tensor) -> Any:
    return V1.train.get_global_step().assign_add(1)


def twice(loss: tf.Tensor) -> tf.Operation:
    return tf.group(step_models.sgd(loss), step_models.adam_v1(loss))


@pytest.mark.parametrize(
    ("forward", "optimize", "why"),
    [
        (step_models.recurrent, step_models.sgd, "it has loops or branches"),
        (step_models.dense, by_hand, "it has 0 sums over all devices"),
        (step_models.dense, twice, "it has 2 sums over all devices"),
    ],
    ids=["a loop", "no sum", "two sums"],
)
def test_what_has_not_one_sum_alone_is_not_divided(
    forward: Callable[[tf.Tensor], tf.Tensor], optimize: Callable[[tf.Tensor], Any], why: str
) -> None:
    with pytest.raises(NotDividedError, match=why):
        divided(traced(step_models.model(forward, optimize)))


def test_what_xla_does_not_compile_is_refused() -> None:
    def asks_python(x: tf.Tensor) -> tf.Tensor:
        seen = tf.py_function(lambda tensor: tensor, [x], tf.float32)
        seen.set_shape(x.shape)
        return step_models.dense(seen)

    with pytest.raises(NotDividedError, match="EagerPyFunc"):
        divided(traced(step_models.model(asks_python, step_models.sgd))).compiled([tf.TensorSpec(step_models.BATCH)])


def sync_steps(xla: XlaUse) -> SyncSteps:
    replica = step_models.replica(step_models.model(step_models.dense, step_models.sgd))
    batches = StackedBatches(tf.data.Dataset.from_tensor_slices(step_models.stack(12)), 6)
    return SyncSteps(Devices(["/device:CPU:0"]), batches, [replica], StepMemory(), xla)


def test_a_call_ends_at_the_step_from_which_steps_are_compiled() -> None:
    steps = sync_steps(XlaUse.WHERE_IT_PAYS)
    first = steps._compiled_from
    steps.traced.store.global_step.assign(first - 2)
    calls = []
    while num_steps := steps.synchronize(6, 0)[0]:
        calls.append((num_steps, steps.run(num_steps).losses))
    assert [count for count, _ in calls] == [2, 4, 6]
    as_graph = sync_steps(XlaUse.NEVER)
    losses = [as_graph.run(6).losses for _ in range(2)]
    assert np.concatenate([own for _, own in calls]) == pytest.approx(np.concatenate(losses), rel=1e-5)


@pytest.mark.parametrize(("xla", "compiled"), [(XlaUse.AT_ONCE, True), (XlaUse.NEVER, False)])
def test_a_session_config_says_when_steps_are_compiled(xla: XlaUse, compiled: bool) -> None:
    steps = sync_steps(xla)
    steps.run(6)
    assert ("_compiled" in vars(steps._replicas[0])) == compiled
