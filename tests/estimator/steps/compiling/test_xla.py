"""Whether XLA compiles a function, and what it says where it does not."""

from __future__ import annotations

import pytest
import tensorflow as tf

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
    xla.compile_ahead(program, [tf.constant(5.0)]).result()
    assert variable.numpy() == 1.0
    assert program(tf.constant(5.0)).numpy() == 6.0
