"""Whether XLA compiles a function, and what it says where it does not."""

from __future__ import annotations

import threading

import pytest
import tensorflow as tf

from trainer.estimator.graph.inside.modes import eagerly
from trainer.estimator.graph.inside.named_functions import NamedFunction
from trainer.estimator.steps.compiling import xla


def test_a_function_that_xla_compiles_is_not_refused() -> None:
    function = tf.function(lambda x: x * x, jit_compile=True)
    assert xla.refusal(function, tf.zeros([3])) is None


def test_the_reason_of_a_refusal_is_the_whole_first_line_of_what_xla_says() -> None:
    function = tf.function(lambda x: tf.strings.to_number(tf.as_string(x)), jit_compile=True)
    refused = xla.refusal(function, tf.zeros([3]))
    assert refused is not None
    assert "No registered 'AsString' OpKernel for XLA_CPU_JIT devices" in refused
    assert refused.endswith("{{node AsString}}")
    assert len(refused) > 200


def test_nothing_runs_when_a_refusal_is_asked_for() -> None:
    variable = tf.Variable(1.0)
    function = tf.function(lambda x: variable.assign_add(x), jit_compile=True)
    assert xla.refusal(function, tf.constant(5.0)) is None
    assert variable.numpy() == 1.0


def test_a_first_call_that_xla_refuses_says_why() -> None:
    function = tf.function(tf.as_string, jit_compile=True)
    with pytest.raises(xla.NotCompilableError, match="AsString"), xla.first_call():
        function(tf.zeros([3]))


def test_other_errors_of_a_first_call_are_not_taken_for_refusals() -> None:
    with pytest.raises(tf.errors.ResourceExhaustedError), xla.first_call():
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")


def test_a_program_compiled_ahead_leaves_its_variables_alone() -> None:
    variable = tf.Variable(1.0)
    function = tf.function(lambda x: variable.assign_add(x), jit_compile=True)
    program = NamedFunction(function.get_concrete_function(tf.TensorSpec([])))
    xla.compile_ahead(lambda: program, [tf.constant(5.0)]).result()
    assert variable.numpy() == 1.0
    assert program(tf.constant(5.0)).numpy() == 6.0


@pytest.mark.parametrize("shapes_of_tensorflow_1", [False, True])
def test_a_program_is_made_beside_the_training_unless_shapes_change_meanwhile(shapes_of_tensorflow_1: bool) -> None:
    made_in: list[threading.Thread] = []

    def make() -> NamedFunction:
        made_in.append(threading.current_thread())
        function = tf.function(lambda x: x + 1.0, jit_compile=True)
        return NamedFunction(function.get_concrete_function(tf.TensorSpec([])))

    if shapes_of_tensorflow_1:
        tf.compat.v1.disable_v2_tensorshape()
    try:
        result = eagerly(lambda: xla.compile_ahead(make, [tf.constant(5.0)]).result())()
    finally:
        tf.compat.v1.enable_v2_tensorshape()
    assert result.numpy() == 6.0
    assert (made_in == [threading.current_thread()]) is shapes_of_tensorflow_1
