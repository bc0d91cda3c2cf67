"""Which part of a step runs where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
import tensorflow as tf

from tests.estimator import step_models
from tests.estimator.step_models import V1
from trainer.estimator.distribution.ps import step_partition
from trainer.estimator.distribution.ps.step_graph import step_graph
from trainer.estimator.distribution.ps.variable_accesses import NotPartitionableError
from trainer.job.errors import UsageError


def partitioned(
    forward: Callable[[tf.Tensor], tf.Tensor],
    optimize: Callable[[tf.Tensor], Any],
    place: Callable[[str], str] = lambda name: "ps",
) -> step_partition.StepPartition:
    return step_partition.partition(step_graph(step_models.traced(step_models.model(forward, optimize))), place)


def pushed(divided: step_partition.StepPartition) -> dict[str, list[tuple[int, ...]]]:
    """Shapes of what is sent to each device."""
    return {device: sorted(tuple(tensor.shape) for tensor in tensors) for device, tensors in divided.pushed.items()}


def types(ops: Any) -> set[str]:
    return {op.type for op in ops}


def weight_and_bias(x: tf.Tensor) -> tf.Tensor:
    weight = V1.get_variable("weight", [5, 1], initializer=V1.zeros_initializer())
    bias = V1.get_variable("bias", [1], initializer=V1.zeros_initializer())
    return tf.reduce_mean((x @ weight + bias - 1.0) ** 2)


def test_gradient_descent_takes_a_snapshot_and_sends_gradients() -> None:
    divided = partitioned(weight_and_bias, step_models.sgd)
    assert divided.needed == ["bias", "weight"]
    assert pushed(divided) == {"ps": [(1,), (5, 1)]}
    assert types(divided.applied) - {"Const"} == {"ResourceApplyGradientDescent", "AssignAddVariableOp"}
    assert {op.type for op in divided.counting} == {"AssignAddVariableOp"}
    assert divided.written == {"weight", "bias"}
    assert not {"ReadVariableOp", "ResourceApplyGradientDescent"} & types(divided.local)


@pytest.mark.parametrize("optimize", [step_models.adam_v1, step_models.adamw])
def test_slots_and_rates_of_an_optimizer_stay_on_the_server(optimize: Callable[[tf.Tensor], Any]) -> None:
    divided = partitioned(weight_and_bias, optimize)
    assert divided.needed == ["bias", "weight"]
    assert pushed(divided) == {"ps": [(1,), (5, 1)]}


def test_each_server_is_sent_its_own_gradients() -> None:
    divided = partitioned(weight_and_bias, step_models.sgd, lambda name: f"ps{int(name == 'bias')}")
    assert pushed(divided) == {"ps0": [(5, 1)], "ps1": [(1,)]}


def test_a_rate_on_one_server_that_several_use_goes_by_the_worker() -> None:
    def optimize(loss: tf.Tensor) -> Any:
        rate = tf.Variable(0.1, trainable=False, name="rate")
        return V1.train.GradientDescentOptimizer(rate).minimize(loss)

    apart = partitioned(weight_and_bias, optimize, lambda name: f"ps{int(name == 'bias')}")
    assert apart.needed == ["bias", "rate", "weight"]
    assert pushed(apart) == {"ps0": [(), (5, 1)], "ps1": [(), (1,)]}
    assert partitioned(weight_and_bias, optimize).needed == ["bias", "weight"]


def test_moving_averages_are_kept_on_the_server_and_updates_before_gradients_do_not_hold_them_back() -> None:
    divided = partitioned(step_models.normalised, step_models.with_updates_before_gradients)
    assert divided.needed == ["scale"]
    assert pushed(divided) == {"ps": [(5,), (5,)]}


def test_rows_of_a_table_are_gathered_and_their_gradients_sent() -> None:
    divided = partitioned(step_models.looked_up, step_models.sgd)
    assert list(divided.gathers.values()) == ["table"]
    assert divided.needed == ["weight"]
    assert pushed(divided) == {"ps": [(4, 1), (30,), (30, 4)]}


def test_a_loop_that_reads_variables_is_given_copies() -> None:
    divided = partitioned(step_models.recurrent, step_models.sgd)
    assert divided.copied == {"lstm/lstm_cell/kernel", "lstm/lstm_cell/recurrent_kernel", "lstm/lstm_cell/bias"}


# What cannot be partitioned


def refused(forward: Callable[[tf.Tensor], tf.Tensor], optimize: Callable[[tf.Tensor], Any] = step_models.sgd) -> str:
    with pytest.raises(NotPartitionableError) as raised:
        partitioned(forward, optimize)
    return str(raised.value)


def test_a_loss_that_sees_what_the_step_has_written() -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        centre = tf.Variable(tf.zeros([5]), trainable=False, name="centre")
        return weight_and_bias(x - centre.assign(tf.reduce_mean(x, 0)))

    assert refused(forward) == "the loss is computed from what the step has written"


def test_an_optimizer_that_was_made_outside_of_the_model_function() -> None:
    optimizer = keras.optimizers.Adam(0.1)
    with pytest.raises(UsageError, match=r"a variable that was made outside of it, .*Make the optimizer or the layer"):
        partitioned(weight_and_bias, lambda loss: optimizer.apply_gradients(step_models.gradients(loss)))


def test_an_update_that_is_more_than_arithmetic() -> None:
    def optimize(loss: tf.Tensor) -> Any:
        (gradient, weight), *_ = step_models.gradients(loss)
        moment = tf.Variable(tf.zeros([5, 1]), trainable=False, name="moment")
        return weight.assign_sub(tf.linalg.qr(moment.assign_add(gradient))[0])

    assert refused(weight_and_bias, optimize) == "Qr is computed from what the step has written"


def test_a_branch_that_writes() -> None:
    def optimize(loss: tf.Tensor) -> Any:
        count = tf.Variable(0.0, trainable=False, name="count")
        return tf.cond(loss > 0, lambda: count.assign_add(1.0), lambda: count.assign_add(2.0))

    assert refused(weight_and_bias, optimize) == "a loop or a branch (If) writes variables"


def test_a_branch_that_looks_rows_up() -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        table = V1.get_variable("table", [50, 4], initializer=V1.zeros_initializer())
        rows = tf.cond(x[0, 0] > 0, lambda: tf.gather(table, [1]), lambda: tf.gather(table, [2]))
        return tf.reduce_mean((rows - 1.0) ** 2)

    def optimize(loss: tf.Tensor) -> Any:
        return tf.Variable(0.0, trainable=False, name="last").assign(loss)

    assert refused(forward, optimize) == "a loop or a branch (If) gathers rows of a variable"


def test_rows_chosen_by_a_variable() -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        table = V1.get_variable("table", [50, 4], initializer=V1.zeros_initializer())
        chosen = tf.Variable([1, 2], trainable=False, name="chosen")
        return tf.reduce_mean((tf.gather(table, chosen.read_value()) - tf.reduce_mean(x)) ** 2)

    assert refused(forward) == "rows are gathered by indices that ReadVariableOp gives"


def test_a_lookup_table() -> None:
    def forward(x: tf.Tensor) -> tf.Tensor:
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([0, 1], [1.0, 2.0]), 0.0)
        return weight_and_bias(x + table.lookup(tf.cast(x, tf.int32)))

    assert refused(forward) == "LookupTableFindV2 uses a lookup table"


def test_a_global_step_that_is_read_after_it_was_advanced() -> None:
    def optimize(loss: tf.Tensor) -> Any:
        step = V1.train.get_global_step()
        advanced = step.assign_add(1)
        noted = tf.Variable(0, dtype=tf.int64, trainable=False, name="noted")
        with tf.control_dependencies([advanced]):
            return tf.group(step_models.sgd(loss), noted.assign(step.read_value()))

    assert refused(weight_and_bias, optimize) == "the global step is read after it was advanced"
