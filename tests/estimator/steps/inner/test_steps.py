"""The inner loop: many steps in one device call, over whatever the data are."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.estimator import step_models
from trainer.estimator import EstimatorSpec, ModeKeys, TrainingHook
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.steps.compiling import compile_policy
from trainer.estimator.steps.compiling.program import Compiled, StackProgram
from trainer.estimator.steps.inner import one_device, stacked_steps
from trainer.estimator.steps.inner.iterated_steps import IteratedSteps
from trainer.estimator.steps.inner.stacked_steps import StackedSteps
from trainer.estimator.steps.steps import Steps

V1 = tf.compat.v1
ROWS = np.arange(10, dtype=np.float32)[:, None] / 10


@pytest.fixture(autouse=True)
def compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_from(monkeypatch, 0)


def compile_from(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(compile_policy, "first_compiled_step", lambda operations: step)


def model(x: tf.Tensor) -> EstimatorSpec:
    weight = tf.Variable([[0.0]], name="w")
    loss = tf.reduce_mean(tf.square(x @ weight - 1.0))
    return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=V1.train.GradientDescentOptimizer(0.5).minimize(loss))


def steps(
    dataset: tf.data.Dataset,
    model_fn: Callable[[Any], EstimatorSpec] = model,
    limit: int | None = None,
    seed: int | None = None,
    stop_at: int | None = None,
) -> Steps:
    settings = {"steps_per_loop": limit, "tf_random_seed": seed}
    return step_models.steps(lambda features: model_fn(features), lambda: dataset, stop_at=stop_at, **settings)


def made(inner: Steps, num_steps: int = 100) -> list[int]:
    """Steps in each call up to the end of the data."""
    found = []
    while not (result := inner.run(num_steps)).data_ended:
        found.append(len(result.losses))
    return found


def weight(inner: Steps) -> float:
    return inner.traced.store.by_name["w"].numpy().item()


def batches(size: int = 2) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(ROWS).batch(size)


def through_python(x: tf.Tensor) -> tf.Tensor:
    value = tf.py_function(lambda tensor: tensor, [x], tf.float32)
    value.set_shape(x.shape)
    return value


def test_dense_batches_run_as_one_xla_program() -> None:
    inner = steps(batches())
    assert (type(inner), inner.how) == (StackedSteps, "one XLA program for many steps")
    assert inner.run(100).losses.shape == (5,)
    assert inner.run(100).data_ended


@pytest.mark.parametrize(
    ("level", "how", "since"),
    [
        (-1, "a graph loop over many steps", None),
        (0, "one XLA program for many steps", None),
        (1, "one XLA program for many steps", 0),
        (2, "one XLA program for many steps", 0),
    ],
    ids=["off", "default", "on", "on, level 2"],
)
def test_a_session_config_says_whether_xla_makes_the_steps(
    level: int, how: str, since: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_from(monkeypatch, 1000)
    session_config = V1.ConfigProto()
    session_config.graph_options.optimizer_options.global_jit_level = level
    inner = step_models.steps(lambda features: model(features), batches, session_config=session_config)
    assert isinstance(inner, StackedSteps)
    assert made(inner) == [5]
    assert (inner.how, inner.xla_since) == (how, since)


def of_texts(x: tf.Tensor) -> EstimatorSpec:
    """The model of numbers that are written out, of which long ones are refused."""
    fine = tf.raw_ops.Assert(condition=tf.reduce_all(tf.strings.length(x) < 8), data=[tf.constant("too long")])
    with tf.control_dependencies([fine]):
        return model(tf.strings.to_number(x))


def written_out(size: int = 2) -> tf.data.Dataset:
    return batches(size).map(lambda x: tf.strings.as_string(x, precision=3))


@pytest.mark.parametrize("size", [2, 3], ids=["whole", "with a short end"])
def test_texts_become_numbers_before_the_program_of_xla(size: int) -> None:
    plain, inner = steps(batches(size)), steps(written_out(size), of_texts)
    assert inner.how == "one XLA program for many steps"
    assert made(inner, 2) == made(plain, 2)
    assert weight(inner) == pytest.approx(weight(plain), rel=1e-6)


def test_a_text_that_a_model_refuses_ends_the_step_that_has_it() -> None:
    bad = written_out().map(lambda x: tf.where(x == "0.600", "0.60000000", x))
    inner = steps(bad, of_texts)
    assert len(inner.run(2).losses) == 2
    inner.run(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="too long"):
        inner.run(1)


def test_what_texts_make_of_a_variable_runs_as_a_graph(caplog: pytest.LogCaptureFixture) -> None:
    def printing(x: tf.Tensor) -> EstimatorSpec:
        weight = tf.Variable([[1.0]], name="v")
        return model(tf.strings.to_number(tf.strings.as_string(weight * tf.strings.to_number(x))))

    with caplog.at_level(logging.INFO, "trainer"):
        inner = steps(written_out(), printing)
    assert inner.how == "a graph loop over many steps"
    assert made(inner) == [5]
    assert "XLA has no texts, so the steps of this model function run as a graph" in caplog.text


def test_what_xla_cannot_compile_runs_as_a_graph_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    inner = steps(batches(), lambda x: model(through_python(x)))
    with caplog.at_level(logging.INFO, "trainer"):
        assert made(inner) == [5]
    assert inner.how == "a graph loop over many steps"
    assert "XLA cannot compile this model function, so its steps run as a graph" in caplog.text


@pytest.mark.parametrize("through", [through_python, lambda x: tf.strings.to_number(tf.strings.as_string(x))])
def test_a_model_function_that_xla_cannot_compile_is_called_once(through: Callable[[tf.Tensor], tf.Tensor]) -> None:
    calls = []

    def counted(x: tf.Tensor) -> EstimatorSpec:
        calls.append(x.shape)
        rate = tf.cond(tf.reduce_mean(x) > 0.0, lambda: 1.0, lambda: 0.5)
        return model(tf.reshape(through(tf.Variable([[1.0]], name="v") * x), x.shape) * rate)

    inner = steps(batches(), counted)
    assert made(inner) == [5]
    assert (inner.how, calls) == ("a graph loop over many steps", [[2, 1]])


def test_ragged_batches_are_pulled_by_the_loop() -> None:
    ragged = tf.data.Dataset.range(1, 6).map(lambda n: tf.ones([n])).ragged_batch(2)
    inner = steps(ragged, lambda x: model(tf.reduce_sum(x, 1)[:, None]))
    assert isinstance(inner, IteratedSteps)
    result = inner.run(2)
    assert (result.losses.shape, result.data_ended) == ((2,), False)
    result = inner.run(2)
    assert (result.losses.shape, result.data_ended) == ((1,), True)


def test_sparse_batches_are_pulled_by_the_loop() -> None:
    inner = steps(batches(5).map(tf.sparse.from_dense), lambda x: model(tf.sparse.to_dense(x)))
    assert isinstance(inner, IteratedSteps)
    assert inner.run(10).losses.shape == (2,)


def test_every_kind_of_loop_makes_the_same_steps() -> None:
    kinds = [
        steps(batches()),
        steps(batches(), limit=1),
        steps(batches().map(tf.strings.as_string), lambda x: model(tf.strings.to_number(x))),
        steps(batches().map(tf.sparse.from_dense), lambda x: model(tf.sparse.to_dense(x))),
    ]
    for inner in kinds:
        while len(inner.run(3).losses) and not inner.run(3).data_ended:
            pass
    assert [weight(inner) for inner in kinds] == pytest.approx([weight(kinds[0])] * 4, abs=1e-6)


def test_a_loss_is_the_one_before_the_update_of_its_step() -> None:
    losses = steps(tf.data.Dataset.from_tensors([[1.0]]).repeat(3)).run(3).losses
    assert losses.tolist() == [1.0, 0.0, 0.0]


def test_a_step_counts_one_whether_or_not_the_train_op_advances_the_global_step() -> None:
    def advancing(x: tf.Tensor) -> EstimatorSpec:
        both = [V1.train.get_or_create_global_step().assign_add(1) for _ in range(2)]
        return model(x)._replace(train_op=tf.group(*both))

    for model_fn in (model, advancing):
        inner = steps(batches(), model_fn)
        inner.run(3)
        assert inner.traced.store.global_step.numpy() == 3


def test_a_call_makes_no_more_steps_than_asked_for_and_the_limit_is_the_most() -> None:
    inner = steps(batches(1), limit=4)
    assert [len(inner.run(count).losses) for count in (3, 3, 3, 9)] == [3, 1, 3, 1]


def test_a_smaller_batch_is_a_step_of_its_own() -> None:
    assert made(steps(batches(4).repeat(2))) == [2, 1, 2, 1]


def test_batches_that_stay_smaller_get_a_program_of_their_own() -> None:
    inner = steps(batches(5).take(1).concatenate(batches(2).repeat(2)), limit=4)
    assert made(inner) == [1] * 8 + [3]


def test_data_without_a_batch_end_at_once() -> None:
    assert steps(batches().take(0)).run(5).data_ended


def test_the_tensors_of_a_hook_are_those_of_the_last_step() -> None:
    def hooked(x: tf.Tensor) -> EstimatorSpec:
        hook = TrainingHook()
        hook.tensors = {"first": x[0, 0]}
        return model(x)._replace(training_hooks=[hook])

    results = steps(batches(), hooked).run(3).results
    assert {key: value.item() for key, value in results.items()} == {"hook/0/first": pytest.approx(0.4)}


def test_a_seeded_random_op_in_a_loop_is_kept_from_xla() -> None:
    def noisy(x: tf.Tensor) -> EstimatorSpec:
        return model(x + tf.map_fn(lambda row: tf.random.normal([1]), x))

    assert steps(batches(), noisy, seed=1).how == "a graph loop over many steps"
    assert steps(batches(), noisy).how == "one XLA program for many steps"


def test_what_was_compiled_serves_the_next_training_of_the_same_model() -> None:
    store, compiled, scale = VariableStore(), Compiled(), [1.0]
    plan = step_models.plan(lambda features: model(scale[0] * features), lambda: batches(4))

    def run() -> Any:
        inner = one_device.begin(plan, ModelReplica(plan.model, store), compiled)
        assert made(inner) == [2, 1]
        return compiled.program

    first = run()
    assert run() is first
    assert store.global_step.numpy() == 6
    scale[0] = 2.0
    second = run()
    assert second is not first
    assert run() is second


def test_what_xla_could_not_compile_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    store, compiled = VariableStore(), Compiled()
    plan = step_models.plan(lambda features: model(features + tf.math.special.dawsn(features)), lambda: batches(5))

    with caplog.at_level(logging.INFO, "trainer"):
        for _ in range(2):
            made(one_device.begin(plan, ModelReplica(plan.model, store), compiled))
    assert caplog.text.count("XLA cannot compile") == 1


# A graph first, XLA afterwards


def calls(monkeypatch: pytest.MonkeyPatch, inner: Steps, num_steps: int = 100) -> list[tuple[bool, int]]:
    """Whether XLA compiled what was called, and the steps made, call by call up to the end of the data."""
    compiled: list[bool] = []
    call = StackProgram.__call__

    def spied(self: StackProgram, *arguments: Any) -> Any:
        compiled.append(self.jit_compile)
        return call(self, *arguments)

    monkeypatch.setattr(StackProgram, "__call__", spied)
    lengths = made(inner, num_steps)
    return list(zip(compiled, lengths, strict=True))


def test_xla_takes_over_at_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_from(monkeypatch, 3)
    inner = steps(batches(1))
    assert calls(monkeypatch, inner) == [(False, 3), (True, 7)]
    compile_from(monkeypatch, 0)
    assert weight(inner) == pytest.approx(weight_after_all(steps(batches(1))), abs=1e-6)


def weight_after_all(inner: Steps) -> float:
    made(inner)
    return weight(inner)


def test_the_lengths_of_calls_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_from(monkeypatch, 3)
    short, long = steps(batches(1), limit=10), steps(batches(1), limit=10)
    assert calls(monkeypatch, short, 2) == [(False, 2), (False, 1), (True, 2), (True, 2), (True, 2), (True, 1)]
    assert weight(short) == weight_after_all(long)


@pytest.mark.parametrize(("stop_at", "compiles"), [(3, False), (4, True), (None, True)])
def test_nothing_is_compiled_for_a_training_that_ends_before(
    stop_at: int | None, compiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_from(monkeypatch, 3)
    inner = steps(batches(1), stop_at=stop_at)
    assert isinstance(inner, StackedSteps)
    inner.run(2)
    assert (inner._program.compiling is not None) is compiles


def test_large_variables_are_not_copied_for_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_from(monkeypatch, 3)
    monkeypatch.setattr(stacked_steps, "_MOST_BYTES_TWICE", 8)  # a weight and the global step have 12
    inner = steps(batches(1))
    assert isinstance(inner, StackedSteps)
    inner.run(2)
    assert inner._program.compiling is None
    assert calls(monkeypatch, inner) == [(False, 1), (True, 7)]


def test_compiling_on_the_way_touches_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_from(monkeypatch, 3)
    inner = steps(batches(1))
    assert isinstance(inner, StackedSteps)
    inner.run(1)
    before = weight(inner)
    assert inner._program.compiling is not None
    inner._program.compiling.result()
    assert (weight(inner), inner.global_step()) == (before, 1)


def test_what_xla_cannot_compile_goes_on_as_a_graph(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compile_from(monkeypatch, 3)
    inner = steps(batches(1), lambda x: model(through_python(x)))
    with caplog.at_level(logging.INFO, "trainer"):
        assert made(inner) == [3, 7]
    assert caplog.text.count("XLA cannot compile this model function, so its steps run as a graph") == 1
    assert weight(inner) == pytest.approx(weight_after_all(steps(batches(1))), abs=1e-6)
