"""The Estimator: train, evaluate, predict and export, as the contract says."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import (
    CheckpointSaverListener,
    Estimator,
    EstimatorSpec,
    EvalSpec,
    ModeKeys,
    RunConfig,
    RunContext,
    RunValues,
    SessionRunHook,
    TrainingHook,
    TrainSpec,
    experimental,
)
from trainer.estimator.contract import export
from trainer.estimator.saving.events import read_scalars
from trainer.estimator.steps.compiling import compile_policy

V1 = tf.compat.v1
X = np.arange(1, 11, dtype=np.float32)[:, None] / 10
Y = 2 * X


def batches(size: int = 4, epochs: int | None = None) -> Callable[[], tf.data.Dataset]:
    return lambda: tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).repeat(epochs).batch(size, drop_remainder=True)


def minimized(loss: tf.Tensor) -> Any:
    return V1.train.GradientDescentOptimizer(0.5).minimize(loss, V1.train.get_global_step())


def by_keras(loss: tf.Tensor, method: str = "apply_gradients") -> Any:
    weights = V1.trainable_variables()
    gradients = tf.gradients(loss, weights)
    optimizer = keras.optimizers.SGD(0.5)
    if method == "apply":
        return optimizer.apply(gradients, weights)
    return optimizer.apply_gradients(zip(gradients, weights, strict=True))


def linear(features: Any, labels: Any, mode: str, train: Callable[[tf.Tensor], Any] = minimized) -> EstimatorSpec:
    """One weight; the train_op is built wherever there are labels."""
    weight = tf.Variable(np.zeros([1, 1], np.float32), name="w")
    predicted = features["x"] @ weight
    outputs = {"predicted": predicted, "twice": 2.0 * predicted}
    if labels is None:
        return EstimatorSpec(mode, predictions=outputs)
    loss = tf.reduce_mean(tf.square(predicted - labels))
    metrics = {"rmse": V1.metrics.root_mean_squared_error(labels, predicted)}
    return EstimatorSpec(mode, outputs, loss, train(loss), metrics)


def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    return linear(features, labels, mode)


def trained_with(train: Callable[[tf.Tensor], Any]) -> Callable[..., EstimatorSpec]:
    return lambda features, labels, mode: linear(features, labels, mode, train)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    """Three steps of SGD; do not train it further."""
    config = RunConfig(tf_random_seed=1, save_checkpoints_steps=2)
    return Estimator(model_fn, tmp_path_factory.mktemp("trained"), config).train(batches(), steps=3)


def weight(estimator: Estimator) -> float:
    return estimator.get_variable_value("w").item()


def by_hand(steps: int) -> float:
    """The weight after so many steps of SGD over batches of four."""
    value, rows, labels = np.float32(0), np.tile(X, (9, 1)), np.tile(Y, (9, 1))
    for step in range(steps):
        x, y = rows[4 * step : 4 * step + 4], labels[4 * step : 4 * step + 4]
        value -= 0.5 * np.mean(2 * x * (value * x - y))
    return float(value)


# Building


def test_a_model_function_has_to_take_features() -> None:
    with pytest.raises(ValueError, match="It has to take features. Call its first argument features"):
        Estimator(lambda x, labels: None, "unused")


def test_an_argument_that_the_contract_does_not_know_is_named() -> None:
    with pytest.raises(ValueError, match=r"model_fn takes rate\. A model function takes config, features, labels"):
        Estimator(lambda features, rate: None, "unused")


def test_params_have_to_be_accepted() -> None:
    with pytest.raises(ValueError, match="params were given, but model_fn takes none"):
        Estimator(model_fn, "unused", params={"rate": 1})


def test_a_model_function_is_callable() -> None:
    with pytest.raises(ValueError, match="model_fn is None. It takes a function"):
        Estimator(None, "unused")  # type: ignore[arg-type]


def test_params_are_copied_deep_going_in_and_coming_out(tmp_path: Path) -> None:
    @dataclasses.dataclass
    class Params:
        sizes: list[int]

    def of_params(features: Any, params: Any) -> EstimatorSpec: ...

    for given in ({"sizes": [1]}, Params([1])):
        estimator = Estimator(of_params, tmp_path, params=given)
        sizes = given["sizes"] if isinstance(given, dict) else given.sizes
        sizes.append(2)
        copied = estimator.params
        (copied["sizes"] if isinstance(copied, dict) else copied.sizes).append(3)
        kept = estimator.params
        assert (kept["sizes"] if isinstance(kept, dict) else kept.sizes) == [1]


def test_the_config_is_a_copy(tmp_path: Path) -> None:
    config = RunConfig(save_summary_steps=7)
    estimator = Estimator(model_fn, tmp_path, config)
    assert estimator.config is not config
    assert (estimator.config.save_summary_steps, estimator.config.model_dir) == (7, str(tmp_path))
    assert config.model_dir is None


def test_model_directories_have_to_agree(tmp_path: Path) -> None:
    assert Estimator(model_fn, tmp_path, RunConfig(model_dir=str(tmp_path))).model_dir == str(tmp_path)
    assert Estimator(model_fn, config=RunConfig(model_dir=str(tmp_path))).model_dir == str(tmp_path)
    with pytest.raises(ValueError, match="They have to agree. Give one of them"):
        Estimator(model_fn, tmp_path / "a", RunConfig(model_dir=str(tmp_path / "b")))


def test_an_empty_model_dir_is_rejected_and_none_is_a_temporary_directory(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="model_dir is ''. It takes a path"):
        Estimator(model_fn, "")
    with caplog.at_level(logging.WARNING, "trainer"):
        estimator = Estimator(model_fn)
    assert Path(estimator.model_dir).is_dir()
    assert "No model_dir was given, so checkpoints go to a temporary directory" in caplog.text
    Path(estimator.model_dir).rmdir()


# Calling the model function


def test_a_model_function_gets_what_it_takes(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def curious(features: Any, labels: Any, mode: str, params: Any, config: RunConfig) -> EstimatorSpec:
        seen[mode] = (params, config.model_dir, labels is None)
        return linear(features, labels, mode)

    estimator = Estimator(curious, tmp_path, params={"a": 1})
    estimator.train(batches(), steps=1)
    estimator.evaluate(batches(), steps=1)
    next(iter(estimator.predict(batches())))
    assert seen == {
        ModeKeys.TRAIN: ({"a": 1}, str(tmp_path), False),
        ModeKeys.EVAL: ({"a": 1}, str(tmp_path), False),
        ModeKeys.PREDICT: ({"a": 1}, str(tmp_path), True),
    }


def test_partials_objects_methods_and_open_keywords_are_model_functions(tmp_path: Path) -> None:
    class Model:
        def __call__(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
            return linear(features, labels, mode)

        def method(self, features: Any, labels: Any, mode: str, **more: Any) -> EstimatorSpec:
            return linear(features, labels, mode)

    kinds = [functools.partial(linear, train=minimized), Model(), Model().method]
    for number, kind in enumerate(kinds):
        assert weight(Estimator(kind, tmp_path / str(number)).train(batches(), steps=1)) == pytest.approx(by_hand(1))


def test_labels_that_are_not_taken_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gives labels, but the model function takes none"):
        Estimator(lambda features, mode: None, tmp_path).train(batches(), steps=1)


def test_anything_but_a_spec_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="The model function returned None. It returns an EstimatorSpec"):
        Estimator(lambda features, labels: None, tmp_path).train(batches(), steps=1)


def test_a_spec_of_another_mode_is_an_error(tmp_path: Path) -> None:
    confused = lambda features, labels: linear(features, labels, ModeKeys.EVAL)  # noqa: E731
    with pytest.raises(ValueError, match="was called in mode 'train' and returned an EstimatorSpec of mode 'eval'"):
        Estimator(confused, tmp_path).train(batches(), steps=1)


# Input functions


def test_an_input_function_gets_what_it_takes(tmp_path: Path) -> None:
    seen = []

    def input_fn(mode: str, params: Any, config: RunConfig, input_context: tf.distribute.InputContext) -> Any:
        seen.append((mode, params, config.model_dir, input_context.num_input_pipelines))
        return batches()()

    Estimator(model_fn, tmp_path).train(input_fn, steps=1)
    assert seen == [(ModeKeys.TRAIN, {}, str(tmp_path), 1)]


@pytest.mark.parametrize(
    "given",
    [({"x": X}, Y), [{"x": X}, Y], ({"x": tf.constant(X)}, tf.constant(Y))],
    ids=["numpy", "list of two", "tensors"],
)
def test_tensors_are_the_same_batch_for_ever(given: Any, tmp_path: Path) -> None:
    estimator = Estimator(model_fn, tmp_path).train(lambda: given, steps=2)
    curvature = np.mean(X**2)  # each step goes that share of the way to 2
    assert weight(estimator) == pytest.approx(2.0 - 2.0 * (1.0 - curvature) ** 2)


def test_features_alone_are_enough_with_none_for_labels_too(tmp_path: Path) -> None:
    def unsupervised(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        assert labels is None
        return linear(features, features["x"], mode)

    for number, given in enumerate([{"x": X}, ({"x": X}, None)]):
        Estimator(unsupervised, tmp_path / str(number)).train(lambda given=given: given, steps=1)


def test_tuples_of_three_are_an_error(tmp_path: Path) -> None:
    three = lambda: tf.data.Dataset.from_tensors((X, Y, Y))  # noqa: E731
    with pytest.raises(ValueError, match="gives tuples of 3. It gives features, or"):
        Estimator(model_fn, tmp_path).train(three, steps=1)


def test_an_input_function_of_version_1_trains_evaluates_and_predicts_and_resumes_exactly(tmp_path: Path) -> None:
    def iterating() -> Any:
        features, labels = V1.data.make_initializable_iterator(batches()().shuffle(8)).get_next()
        return {name: tensor + tf.random.normal(tf.shape(tensor)) for name, tensor in features.items()}, labels

    def trained(directory: Path, *stops: int) -> Estimator:
        for stop in stops:
            estimator = Estimator(model_fn, directory, RunConfig(tf_random_seed=3)).train(iterating, max_steps=stop)
        return estimator

    whole, parts = trained(tmp_path / "whole", 6), trained(tmp_path / "parts", 2, 6)
    for name in whole.get_variable_names():
        if not name.startswith("_"):
            assert np.array_equal(whole.get_variable_value(name), parts.get_variable_value(name)), name
    assert whole.evaluate(iterating, steps=2)["global_step"] == 6
    assert next(whole.predict(iterating)) is not None


def test_a_hook_feeds_the_placeholders_that_an_input_function_makes_its_dataset_of(tmp_path: Path) -> None:
    class Initializing(SessionRunHook):
        run: Callable[[Any], Any]

        def after_create_session(self, session: Any, coord: Any) -> None:
            self.run(session)

    hook = Initializing()

    def input_fn() -> Any:
        x, y = V1.placeholder(tf.float32, X.shape), V1.placeholder(tf.float32, Y.shape)
        iterator = V1.data.Dataset.from_tensors(({"x": x}, y)).make_initializable_iterator()
        hook.run = lambda session: session.run(iterator.initializer, feed_dict={x: X, y: Y})
        return iterator.get_next()

    estimator = Estimator(model_fn, tmp_path).train(input_fn, hooks=[hook])
    assert estimator.evaluate(input_fn, hooks=[hook])["global_step"] == 1
    assert len(list(estimator.predict(input_fn, hooks=[hook]))) == len(X)


# Training


def test_steps_add_up_and_max_steps_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    estimator = Estimator(model_fn, tmp_path)
    assert estimator.train(batches(), steps=2) is estimator
    estimator.train(batches(), steps=1)
    assert estimator.get_variable_value("global_step:0") == 3
    with caplog.at_level(logging.INFO, "trainer"):
        assert estimator.train(batches(), max_steps=3) is estimator
    assert "Training is skipped: max_steps is 3, and the checkpoint is at step 3." in caplog.text
    assert estimator.train(batches(), max_steps=4).get_variable_value("global_step") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 1, "max_steps": 1}, "train was given steps=1 and max_steps=1. It takes one of them"),
        ({"steps": 0}, "steps is 0. It takes a number greater than 0"),
        ({"steps": math.inf}, "steps is inf. It takes a number greater than 0"),
        ({"max_steps": -1}, "max_steps is -1. It takes a number greater than 0"),
    ],
)
def test_steps_are_positive_and_of_one_kind(arguments: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        Estimator(model_fn, tmp_path).train(batches(), **arguments)


def test_parts_of_steps_are_steps(tmp_path: Path) -> None:
    estimator = Estimator(model_fn, tmp_path).train(batches(), steps=1.5)
    assert estimator.get_variable_value("global_step") == 2
    assert estimator.train(batches(), max_steps=2.5).get_variable_value("global_step") == 3
    assert estimator.evaluate(batches(), steps=1.5) == estimator.evaluate(batches(), steps=2)
    spec = EvalSpec(batches(), steps=2.5)
    assert (TrainSpec(batches(), max_steps=3.5).max_steps, spec.steps) == (4, 3)


def test_training_to_the_end_of_the_data(tmp_path: Path) -> None:
    assert Estimator(model_fn, tmp_path).train(batches(4, 2)).get_variable_value("global_step") == 5


def test_no_step_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trainer"):
        Estimator(model_fn, tmp_path).train(lambda: batches()().take(0))
    assert "Training made no step: the input function gave no batch." in caplog.text


def test_evaluators_and_parameter_servers_do_not_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = '{"chief": ["localhost:1"], "worker": ["localhost:2"], "ps": ["localhost:3"]}'
    for role in ("evaluator", "ps"):
        monkeypatch.setenv("TF_CONFIG", f'{{"cluster": {cluster}, "task": {{"type": "{role}", "index": 0}}}}')
        with pytest.raises(ValueError, match=f"in a task of type {role}"):
            Estimator(model_fn, tmp_path, RunConfig()).train(batches(), steps=1)


def test_a_checkpoint_at_the_start_and_one_at_the_end(tmp_path: Path) -> None:
    Estimator(model_fn, tmp_path).train(batches(), steps=3)
    assert sorted(path.stem for path in tmp_path.glob("*.index")) == ["model.ckpt-0", "model.ckpt-3"]


def test_listeners_see_every_save_in_order(tmp_path: Path) -> None:
    seen: list[str] = []

    class Listener(CheckpointSaverListener):
        def begin(self) -> None:
            seen.append("begin")

        def before_save(self, global_step_value: int) -> None:
            seen.append(f"before {global_step_value}")

        def after_save(self, global_step_value: int) -> None:
            seen.append(f"after {global_step_value}")

        def end(self, global_step_value: int) -> None:
            seen.append(f"end {global_step_value}")

    estimator = Estimator(model_fn, tmp_path, RunConfig(save_checkpoints_steps=2))
    estimator.train(batches(), steps=3, saving_listeners=[Listener()])
    assert seen == ["begin", "before 0", "after 0", "before 2", "after 2", "before 3", "after 3", "end 3"]


def test_saving_off_leaves_no_checkpoint_at_all(tmp_path: Path) -> None:
    estimator = Estimator(model_fn, tmp_path, RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None))
    estimator.train(batches(), steps=2)
    assert estimator.latest_checkpoint() is None
    assert all(path.name.startswith("events") for path in tmp_path.iterdir())


def test_without_checkpoints_every_training_starts_from_the_beginning(tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []

    class Seeing(TrainingHook):
        def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
            seen.append((run_values.global_step, run_values.losses.item()))

    estimator = Estimator(model_fn, tmp_path, RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None))
    for _ in range(2):
        estimator.train(batches(), hooks=[Seeing()], steps=2)
    assert [step for step, _ in seen] == [1, 2, 1, 2]
    assert seen[:2] == seen[2:]


def test_many_short_trainings_are_one_long_one_over_the_same_batches(tmp_path: Path) -> None:
    adam = trained_with(lambda loss: V1.train.AdamOptimizer(0.1).minimize(loss))
    one_batch = lambda: batches()().take(1).repeat()  # noqa: E731
    long = Estimator(adam, tmp_path / "long").train(one_batch, steps=4)
    short = Estimator(adam, tmp_path / "short")
    for step in range(1, 5):
        assert short.train(one_batch, steps=1).evaluate(batches(), steps=1)["global_step"] == step
    assert values(short) == values(long)


def test_a_model_function_that_changes_between_trainings_is_heard(tmp_path: Path) -> None:
    rate = [0.5]
    changing = trained_with(lambda loss: V1.train.GradientDescentOptimizer(rate[0]).minimize(loss))
    estimator = Estimator(changing, tmp_path).train(batches(), steps=1)
    before = weight(estimator)
    rate[0] = 0.0
    assert weight(estimator.train(batches(), steps=1)) == before


V1_OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "Adam": lambda: V1.train.AdamOptimizer(0.1),
    "Momentum": lambda: V1.train.MomentumOptimizer(0.1, 0.9),
    "Adagrad": lambda: V1.train.AdagradOptimizer(0.1),
    "RMSProp": lambda: V1.train.RMSPropOptimizer(0.1),
    "Ftrl": lambda: V1.train.FtrlOptimizer(0.1),
}


@pytest.mark.parametrize("name", V1_OPTIMIZERS)
def test_a_v1_optimizer_keeps_its_slots_under_the_variables_name(name: str, tmp_path: Path) -> None:
    with_optimizer = trained_with(lambda loss: V1_OPTIMIZERS[name]().minimize(loss))
    estimator = Estimator(with_optimizer, tmp_path).train(batches(), steps=2)
    assert f"w/{name}" in estimator.get_variable_names()
    assert 0.0 < weight(estimator) < 2.0


@pytest.mark.parametrize("method", ["apply", "apply_gradients"])
def test_a_keras_optimizer_trains_as_the_v1_one(method: str, tmp_path: Path) -> None:
    estimator = Estimator(trained_with(lambda loss: by_keras(loss, method)), tmp_path).train(batches(), steps=3)
    assert weight(estimator) == pytest.approx(by_hand(3), abs=1e-6)
    assert estimator.get_variable_value("global_step:0") == 3
    assert estimator.get_variable_value("sgd/iteration") == 3


def test_a_learning_rate_decays_with_the_global_step(tmp_path: Path) -> None:
    def decayed(loss: tf.Tensor) -> Any:
        step = V1.train.get_or_create_global_step()
        rate = V1.train.exponential_decay(1.0, step, 1, 0.5)
        (weight,) = V1.trainable_variables()
        return V1.train.GradientDescentOptimizer(rate).apply_gradients([(tf.ones([1, 1]), weight)], step)

    assert weight(Estimator(trained_with(decayed), tmp_path).train(batches(), steps=3)) == -(1.0 + 0.5 + 0.25)


# Repeating and continuing, bit for bit


def noisy(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    """Dropout of both generations, batch normalisation, and an optimizer with slots."""
    x = keras.layers.Dense(3)(features["x"])
    x = keras.layers.BatchNormalization()(x, training=mode == ModeKeys.TRAIN)
    x = keras.layers.Dropout(0.4)(x, training=mode == ModeKeys.TRAIN)
    x = tf.nn.dropout(x, 0.2) + tf.random.normal([3])
    loss = tf.reduce_mean(tf.square(tf.reduce_sum(x, 1, keepdims=True) - labels))
    return EstimatorSpec(mode, loss=loss, train_op=V1.train.AdamOptimizer(0.05).minimize(loss))


def light(features: Any, labels: Any, mode: str) -> EstimatorSpec:
    weight = tf.Variable([[0.5]], name="w")
    loss = tf.reduce_mean(tf.square(tf.nn.dropout(features["x"], 0.3) @ weight - labels))
    return EstimatorSpec(mode, loss=loss, train_op=V1.train.AdamOptimizer(0.05).minimize(loss))


def ragged_fn(features: tf.RaggedTensor, mode: str) -> EstimatorSpec:
    weight = tf.Variable(1.0, name="w")
    loss = tf.reduce_mean(tf.square(weight * tf.reduce_sum(features, 1) - 1.0)) * tf.random.uniform([])
    return EstimatorSpec(mode, loss=loss, train_op=V1.train.MomentumOptimizer(0.01, 0.9).minimize(loss))


def generated() -> tf.data.Dataset:
    def generate() -> Iterator[Any]:
        yield from zip(X, Y, strict=True)

    signature = (tf.TensorSpec([1]), tf.TensorSpec([1]))
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return dataset.batch(4).repeat().map(lambda x, y: ({"x": x}, y))


def shuffled() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).shuffle(10).batch(4).repeat()


def ragged() -> tf.data.Dataset:
    return tf.data.Dataset.range(1, 8).map(lambda n: tf.ones([n])).ragged_batch(2).repeat()


CASES: dict[str, tuple[Any, Callable[[], tf.data.Dataset]]] = {
    "static batches": (noisy, batches()),
    "shuffled, with a partial batch an epoch": (light, shuffled),
    "a generator": (light, generated),
    "ragged": (ragged_fn, ragged),
}


def values(estimator: Estimator) -> dict[str, list[Any]]:
    names = estimator.get_variable_names()
    return {name: estimator.get_variable_value(name).ravel().tolist() for name in names}


AS_A_GRAPH, COMPILED, ON_THE_WAY = 100, 0, 4
"""The first step that XLA makes, of eight; a run that stops at the third is continued from before that, or after."""
TIERS = {
    "shuffled, with a partial batch an epoch": (AS_A_GRAPH, COMPILED, ON_THE_WAY),
    "static batches": (COMPILED, ON_THE_WAY),
    "a generator": (ON_THE_WAY,),  # how its place in the data is found says nothing of who makes the steps
    "ragged": (AS_A_GRAPH,),  # as XLA makes none of such batches
}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], dict[str, list[Any]]]:
    """The variables of a case after eight steps without a stop, trained in the tier that is set."""

    @functools.cache
    def train(case: str, tier: int) -> dict[str, list[Any]]:
        function, input_fn = CASES[case]
        directory = tmp_path_factory.mktemp("unbroken")
        return values(Estimator(function, directory, RunConfig(tf_random_seed=5)).train(input_fn, steps=8))

    return train


@pytest.mark.parametrize(("case", "tier"), [(case, tier) for case in CASES for tier in TIERS[case]])
def test_a_stopped_and_continued_run_equals_the_unbroken_one_bit_for_bit(
    case: str, tier: int, tmp_path: Path, unbroken: Callable[..., dict[str, list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_policy, "first_compiled_step", lambda operations: tier)
    function, input_fn = CASES[case]
    for steps in (3, 5):
        broken = Estimator(function, tmp_path, RunConfig(tf_random_seed=5)).train(input_fn, steps=steps)
    assert values(broken) == unbroken(case, tier)


def test_steps_per_loop_may_change_on_the_way(
    tmp_path: Path, unbroken: Callable[..., dict[str, list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_policy, "first_compiled_step", lambda operations: ON_THE_WAY)
    for steps, per_loop in ((1, 4), (2, 1), (5, 2)):
        config = RunConfig(tf_random_seed=5, steps_per_loop=per_loop)
        broken = Estimator(light, tmp_path, config).train(shuffled, steps=steps)
    assert values(broken) == unbroken("shuffled, with a partial batch an epoch", ON_THE_WAY)


def test_the_same_seed_gives_the_same_run_and_another_one_another(tmp_path: Path) -> None:
    runs = [
        values(Estimator(light, tmp_path / str(number), RunConfig(tf_random_seed=seed)).train(shuffled, steps=3))
        for number, seed in enumerate([1, 1, 2])
    ]
    assert runs[0] == runs[1]
    assert runs[0]["w"] != runs[2]["w"]


def test_a_second_call_begins_its_input_afresh(tmp_path: Path) -> None:
    estimator = Estimator(model_fn, tmp_path).train(batches(), steps=1)
    first = weight(estimator)
    x, y = X[:4], Y[:4]
    expected = first - 0.5 * np.mean(2 * x * (first * x - y))
    assert weight(estimator.train(batches(), steps=1)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [None, [None]])
def test_a_variable_may_change_its_shape(shape: Any, tmp_path: Path) -> None:
    def seen(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        kept = tf.Variable([1.0, 2.0], shape=tf.TensorShape(shape), trainable=False, name="kept")
        spec = model_fn(features, labels, mode)
        if mode == ModeKeys.TRAIN:
            return spec._replace(train_op=tf.group(spec.train_op, kept.assign([3.0, 4.0, 5.0])))
        return spec._replace(eval_metric_ops={"sum": V1.metrics.mean(tf.reduce_sum(kept))})

    estimator = Estimator(seen, tmp_path).train(batches(), steps=2)
    assert estimator.evaluate(batches(epochs=1))["sum"] == 12.0
    assert estimator.get_variable_value("kept").tolist() == [3.0, 4.0, 5.0]
    assert Estimator(seen, tmp_path).train(batches(), steps=1).get_variable_value("global_step") == 3


# Evaluation


class Counting(keras.initializers.Initializer):
    """Ones; counts how often it was asked for them."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, shape: Any, dtype: Any = None) -> tf.Tensor:
        self.calls += 1
        return tf.ones(shape, dtype)


def test_values_that_a_checkpoint_gives_are_not_computed_first(tmp_path: Path) -> None:
    counting = Counting()

    def counted(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        forecasts = keras.layers.Dense(1, kernel_initializer=counting)(features["x"])
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions=forecasts)
        loss = tf.reduce_mean(tf.square(forecasts - labels))
        return EstimatorSpec(mode, loss=loss, train_op=minimized(loss))

    estimator = Estimator(counted, tmp_path).train(batches(), steps=3)
    assert counting.calls == 1
    loss = estimator.evaluate(batches(epochs=1))["loss"]
    forecasts = np.stack(list(estimator.predict(batches(epochs=1))))
    assert counting.calls == 1
    assert loss == pytest.approx(np.mean(np.square(forecasts - Y[:8])), abs=1e-6)


def test_evaluation_gives_metrics_the_mean_loss_over_batches_and_the_step(trained: Estimator) -> None:
    def uneven() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(4)

    before = weight(trained)
    results = trained.evaluate(uneven)
    errors = (X * before - Y) ** 2
    assert list(results) == ["loss", "rmse", "global_step"]
    assert results["loss"] == pytest.approx(np.mean([errors[:4].mean(), errors[4:8].mean(), errors[8:].mean()]))
    assert results["rmse"] == pytest.approx(np.sqrt(errors.mean()))
    assert results["global_step"] == 3
    assert [type(value) for value in results.values()] == [np.float32, np.float32, np.int64]
    assert weight(trained) == before
    assert trained.evaluate(uneven) == results


def test_an_evaluation_may_be_short_named_and_of_an_older_checkpoint(trained: Estimator) -> None:
    older = str(Path(trained.model_dir, "model.ckpt-0"))
    results = trained.evaluate(batches(), steps=1, checkpoint_path=older, name="older")
    assert results["global_step"] == 0
    assert results["loss"] == pytest.approx(np.mean(Y[:4] ** 2))
    events = read_scalars(trained.eval_dir("older"))
    assert events == {0: {"loss": results["loss"], "rmse": results["rmse"]}}
    assert Path(trained.eval_dir("older")) == Path(trained.model_dir, "eval_older")
    assert Path(trained.eval_dir()) == Path(trained.model_dir, "eval")


def test_steps_of_an_evaluation_are_positive(trained: Estimator) -> None:
    with pytest.raises(ValueError, match="steps is 0. It takes a number greater than 0"):
        trained.evaluate(batches(), steps=0)


def test_without_a_checkpoint_fresh_variables_are_evaluated(tmp_path: Path, trained: Estimator) -> None:
    estimator = Estimator(model_fn, tmp_path)
    expected = {"loss": pytest.approx(np.mean(Y[:4] ** 2)), "rmse": pytest.approx(np.sqrt(np.mean(Y[:4] ** 2)))}
    fresh = estimator.evaluate(batches(), steps=1)
    assert fresh == {**expected, "global_step": 0}
    estimator.evaluate(batches(), steps=1, checkpoint_path=trained.latest_checkpoint())
    assert estimator.evaluate(batches(), steps=1) == fresh


def test_batch_norm_and_dropout_are_still_in_an_evaluation(tmp_path: Path) -> None:
    def quiet(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        x = keras.layers.BatchNormalization()(features["x"], training=mode == ModeKeys.TRAIN)
        x = keras.layers.Dropout(0.5)(x, training=mode == ModeKeys.TRAIN)
        loss = tf.reduce_mean(tf.square(keras.layers.Dense(1)(x) - labels))
        return EstimatorSpec(mode, loss=loss, train_op=by_keras(loss) if mode == ModeKeys.TRAIN else None)

    estimator = Estimator(quiet, tmp_path).train(batches(), steps=2)
    moved = estimator.get_variable_value("batch_normalization/moving_mean")
    assert moved != 0.0
    assert estimator.evaluate(batches(), steps=2) == estimator.evaluate(batches(), steps=2)


# Prediction


def test_predictions_come_one_by_one_in_order_and_by_key(trained: Estimator) -> None:
    rows = lambda: tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(4)  # noqa: E731
    found = list(trained.predict(rows, predict_keys=["predicted"]))
    assert [list(row) for row in found] == [["predicted"]] * 10
    assert np.stack([row["predicted"] for row in found]) == pytest.approx(X * weight(trained))
    assert set(next(iter(trained.predict(rows)))) == {"predicted", "twice"}
    assert list(next(iter(trained.predict(rows, predict_keys="twice")))) == ["twice"]


def test_predictions_come_in_batches_when_asked(trained: Estimator) -> None:
    rows = lambda: tf.data.Dataset.from_tensor_slices({"x": X}).batch(4)  # noqa: E731
    found = trained.predict(rows, yield_single_examples=False)
    assert [batch["predicted"].shape for batch in found] == [(4, 1), (4, 1), (2, 1)]


def test_an_unknown_key_is_an_error_at_the_first_prediction(trained: Estimator) -> None:
    asked = trained.predict(batches(), predict_keys=["nope"])
    with pytest.raises(ValueError, match=r"predict_keys is \['nope'\]; the model predicts predicted, twice"):
        next(iter(asked))


def test_prediction_works_without_a_checkpoint(tmp_path: Path) -> None:
    assert next(iter(Estimator(model_fn, tmp_path).predict(batches())))["predicted"] == [0.0]


# What a checkpoint holds


def test_variables_are_read_from_the_latest_checkpoint(trained: Estimator) -> None:
    assert trained.get_variable_names() == ["global_step", "w"]
    assert weight(trained) == pytest.approx(by_hand(3), abs=1e-6)
    assert trained.latest_checkpoint() == str(Path(trained.model_dir, "model.ckpt-3"))
    with pytest.raises(ValueError, match=r"has no variable 'nope'; it has global_step, w"):
        trained.get_variable_value("nope")


def test_without_a_checkpoint_there_are_no_variables(tmp_path: Path) -> None:
    estimator = Estimator(model_fn, tmp_path)
    assert estimator.latest_checkpoint() is None
    with pytest.raises(ValueError, match="Could not find a trained model in model_dir"):
        estimator.get_variable_names()
    with pytest.raises(ValueError, match="Could not find a trained model in model_dir"):
        estimator.get_variable_value("w")


# Export


def raw() -> export.ServingInputReceiver:
    return export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None, 1])})()


def supervised() -> experimental.SupervisedInputReceiver:
    x = V1.placeholder(tf.float32, [None, 1], "x")
    y = V1.placeholder(tf.float32, [None, 1], "y")
    return experimental.SupervisedInputReceiver({"x": x}, y, {"x": x, "y": y})


def test_an_export_is_named_by_ten_digits_and_answers(trained: Estimator, tmp_path: Path) -> None:
    path = trained.export_saved_model(str(tmp_path), raw)
    assert isinstance(path, bytes)
    directory = Path(path.decode())
    assert directory.parent == tmp_path
    assert len(directory.name) == 10
    assert directory.name.isdigit()
    served = tf.saved_model.load(str(directory)).signatures["serving_default"](x=tf.constant([[2.0]]))
    assert served["predicted"].numpy().item() == pytest.approx(2.0 * weight(trained))
    again = trained.export_saved_model(str(tmp_path), raw)
    assert int(again.decode()[-10:]) > int(directory.name)


def test_an_export_without_a_checkpoint_is_an_error_but_a_warm_start_is_exported(
    trained: Estimator, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="There is nothing to export"):
        Estimator(model_fn, tmp_path / "cold").export_saved_model(str(tmp_path / "out"), raw)
    assert not (tmp_path / "out").exists()
    warm = Estimator(model_fn, tmp_path / "warm", warm_start_from=trained.model_dir)
    path = warm.export_saved_model(str(tmp_path / "out"), raw).decode()
    served = tf.saved_model.load(path).signatures["serving_default"](x=tf.constant([[1.0]]))
    assert served["predicted"].numpy().item() == pytest.approx(weight(trained))


def test_an_export_needs_a_receiver(trained: Estimator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was given no serving_input_receiver_fn"):
        trained.export_saved_model(str(tmp_path), None)  # type: ignore[arg-type]


def test_a_failing_receiver_leaves_nothing_behind(trained: Estimator, tmp_path: Path) -> None:
    def broken() -> Any:
        raise RuntimeError("no receiver today")

    with pytest.raises(RuntimeError, match="no receiver today"):
        trained.export_saved_model(str(tmp_path), broken)
    assert list(tmp_path.iterdir()) == []


def test_all_modes_are_exported_under_their_tags_and_run_in_a_session(trained: Estimator, tmp_path: Path) -> None:
    receivers = {ModeKeys.PREDICT: raw, ModeKeys.TRAIN: supervised, ModeKeys.EVAL: supervised}
    path = trained.experimental_export_all_saved_models(str(tmp_path), receivers).decode()
    expected = {"serve": "serving_default", "train": "train", "eval": "eval"}
    for tag, name in expected.items():
        with tf.Graph().as_default(), V1.Session() as session:
            signature = V1.saved_model.load(session, [tag], path).signature_def[name]
            feeds = {"x": [[1.0]], "y": [[2.0]]}
            fed = {signature.inputs[key].name: feeds[key] for key in signature.inputs}
            outputs = {key: tensor.name for key, tensor in signature.outputs.items()}
            found = session.run(outputs, fed)
        predicted = found["predicted" if tag == "serve" else "predictions/predicted"]
        assert predicted.item() == pytest.approx(weight(trained))
        if tag != "serve":
            assert found["loss"] == pytest.approx((weight(trained) - 2.0) ** 2)


def test_modes_of_different_variables_find_each_its_own_in_an_export(tmp_path: Path) -> None:
    def by_mode(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        late, early = tf.Variable(2.0, name="late"), tf.Variable(3.0, name="early")
        chosen = late if mode == ModeKeys.PREDICT else early
        step = V1.train.get_global_step()
        return EstimatorSpec(mode, {"y": chosen * features["x"]}, chosen * 1.0, step.assign_add(1))

    estimator = Estimator(by_mode, tmp_path / "model")
    estimator.train(lambda: tf.data.Dataset.from_tensors(({"x": [[1.0]]}, [[1.0]])))
    receivers = {ModeKeys.PREDICT: raw, ModeKeys.TRAIN: supervised}
    path = estimator.experimental_export_all_saved_models(str(tmp_path), receivers).decode()
    with tf.Graph().as_default(), V1.Session() as session:
        signature = V1.saved_model.load(session, ["train"], path).signature_def["train"]
        fed = {tensor.name: [[1.0]] for tensor in signature.inputs.values()}
        assert session.run(signature.outputs["loss"].name, fed) == 3.0


def test_an_export_has_what_its_graph_makes_and_does_not_use(tmp_path: Path) -> None:
    def model(name: str, start: float) -> Callable[..., EstimatorSpec]:
        def idle(features: Any, mode: str) -> EstimatorSpec:
            unused = tf.Variable(start, name="unused" if mode == ModeKeys.TRAIN else name)
            step = V1.train.get_global_step()
            return EstimatorSpec(mode, {"y": features["x"]}, unused * 1.0, step.assign_add(1))

        return idle

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors({"x": [[1.0]]})

    estimator = Estimator(model("unused", 42.0), tmp_path / "model")
    estimator.train(input_fn)
    path = estimator.export_saved_model(str(tmp_path), raw)
    warm = Estimator(model("unused", 36.0), tmp_path / "warm", warm_start_from=path)
    warm.train(input_fn)
    assert warm.get_variable_value("unused") == 42.0
    with pytest.raises(ValueError, match="only_served"):
        Estimator(model("only_served", 1.0), tmp_path / "model").export_saved_model(str(tmp_path), raw)


def test_one_mode_alone_is_exported_under_its_tag(trained: Estimator, tmp_path: Path) -> None:
    path = trained.export_saved_model(str(tmp_path), supervised, experimental_mode=ModeKeys.EVAL).decode()
    assert list(tf.saved_model.load(path, tags=["eval"]).signatures) == ["eval"]


def test_unknown_modes_are_not_exported(trained: Estimator, tmp_path: Path) -> None:
    for wrong in ({}, {"serve": raw}):
        with pytest.raises(ValueError, match="It takes infer, train, eval, one at least"):
            trained.experimental_export_all_saved_models(str(tmp_path), wrong)


def test_features_that_are_a_tuple_are_predicted_without_their_labels(tmp_path: Path) -> None:
    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        first, second = features
        weight = tf.Variable(1.0, name="w")
        if mode == ModeKeys.PREDICT:
            assert labels is None
            return EstimatorSpec(mode, predictions=first * weight + second)
        loss = tf.reduce_mean((first * weight + second - labels) ** 2)
        return EstimatorSpec(mode, loss=loss, train_op=minimized(loss))

    def input_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(((X, X), 2 * X)).batch(5)

    estimator = Estimator(model_fn, tmp_path).train(input_fn)
    np.testing.assert_allclose(list(estimator.predict(input_fn)), 2 * X, rtol=1e-6)
