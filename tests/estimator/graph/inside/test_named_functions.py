"""Functions under names that say what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.graph.inside.named_functions import NamedFunction


def traced(variable: tf.Variable, factor: float = 2.0) -> Any:
    """Powers of the variable times x, by a loop with a branch."""

    def run(x: tf.Tensor, times: tf.Tensor) -> dict[str, Any]:
        def body(index: tf.Tensor, value: tf.Tensor) -> Any:
            return index + 1, tf.cond(index < 5, lambda: factor * variable * value, lambda: value)

        _, value = tf.while_loop(lambda index, _: index < times, body, [0, x])
        return {"value": value, "pair": (variable.read_value(), times)}

    return tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec([2]), tf.TensorSpec([], tf.int32))


def test_the_name_is_the_same_however_many_functions_were_traced_before() -> None:
    first = traced(tf.Variable(3.0))
    for _ in range(3):
        tf.function(lambda: tf.constant(1)).get_concrete_function()
    second = traced(tf.Variable(3.0))
    assert first.name != second.name
    assert NamedFunction(first).name == NamedFunction(second).name


def test_another_definition_has_another_name() -> None:
    variable = tf.Variable(3.0)
    assert NamedFunction(traced(variable)).name != NamedFunction(traced(variable, factor=4.0)).name


def test_it_computes_what_the_function_does_on_its_own_variables_or_on_others() -> None:
    variable, stand_in = tf.Variable(3.0), tf.Variable(10.0)
    named, arguments = NamedFunction(traced(variable)), [tf.constant([1.0, 2.0]), tf.constant(2)]
    results = named(*arguments)
    np.testing.assert_array_equal(results["value"], [36.0, 72.0])
    assert [value.numpy() for value in results["pair"]] == [3.0, 2]
    assert [handle is variable.handle for handle in named.captured_inputs] == [True]
    np.testing.assert_array_equal(named.call(arguments, [stand_in.handle])["value"], [400.0, 800.0])


def test_a_function_without_results_is_called_for_what_it_does() -> None:
    variable = tf.Variable(1.0)

    def add(x: tf.Tensor) -> None:
        variable.assign_add(x)

    assert NamedFunction(tf.function(add).get_concrete_function(tf.TensorSpec([])))(tf.constant(2.0)) is None
    assert variable.numpy() == 3.0
