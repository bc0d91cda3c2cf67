"""`import trainer.compat.v1 as tf`: what it gives, and what it says of the rest."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import tensorflow

import trainer.compat.v1 as tf
from trainer import estimator


def at(path: str) -> Any:
    """The value of a dotted path below tf."""
    value: Any = tf
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Session", tensorflow.compat.v1.Session),
        ("estimator.Estimator", estimator.Estimator),
        ("estimator.inputs.numpy_input_fn", estimator.inputs.numpy_input_fn),
        ("estimator.tpu.TPUEstimator", estimator.tpu.TPUEstimator),
        ("contrib.tpu.CrossShardOptimizer", estimator.tpu.CrossShardOptimizer),
        ("tpu.CrossShardOptimizer", estimator.tpu.CrossShardOptimizer),
        ("tpu.cross_replica_sum", tensorflow.compat.v1.tpu.cross_replica_sum),
        ("contrib.estimator.add_metrics", estimator.add_metrics),
        ("contrib.estimator.stop_if_no_decrease_hook", estimator.experimental.stop_if_no_decrease_hook),
        ("contrib.framework.get_or_create_global_step", tensorflow.compat.v1.train.get_or_create_global_step),
        ("contrib.data.AUTOTUNE", tensorflow.data.AUTOTUNE),
        ("contrib.rnn.static_rnn", tensorflow.compat.v1.nn.static_rnn),
        ("contrib.layers.real_valued_column", tensorflow.feature_column.numeric_column),
        ("keras.estimator.model_to_estimator", estimator.model_to_estimator),
        ("keras.layers.Dense", tensorflow.keras.layers.Dense),
        ("nn.relu", tensorflow.compat.v1.nn.relu),
        ("newaxis", None),
        ("contrib.layers.safe_embedding_lookup_sparse", tensorflow.compat.v1.nn.safe_embedding_lookup_sparse),
        ("contrib.layers.weighted_sparse_column", tensorflow.feature_column.weighted_categorical_column),
        ("train.LoggingTensorHook", estimator.LoggingTensorHook),
        ("train.ProfilerHook", estimator.ProfilerHook),
        ("estimator._linear_logit_fn_builder", estimator.experimental.linear_logit_fn_builder),
    ],
)
def test_a_name_is_ours_or_tensorflows_own(path: str, value: Any) -> None:
    assert at(path) is value


@pytest.mark.parametrize(
    "path",
    [
        "layers.dense",
        "nn.rnn_cell.GRUCell",
        "contrib.rnn.LSTMBlockCell",
        "contrib.data.map_and_batch",
        "contrib.lookup.index_table_from_tensor",
        "contrib.cluster_resolver.TPUClusterResolver",
        "lookup.index_table_from_file",
        "keras.layers.DenseFeatures",
        "contrib.metrics.streaming_accuracy",
    ],
)
def test_a_lost_name_is_there_again(path: str) -> None:
    assert callable(at(path))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "tf.nothing is asked for, which this package does not give"),
        ("contrib.slim", "tf.contrib.slim is asked for.*Install tf_slim"),
        ("contrib.learn", "Use tf.estimator: Estimator, TrainSpec"),
        ("contrib.layers.conv2d_transpose", "Use tf.layers.conv2d_transpose"),
        ("contrib.framework.assign_from_checkpoint_fn", "Use tf.train.init_from_checkpoint in the model function"),
        ("estimator.BoostedTreesClassifier", "TensorFlow Decision Forests"),
        ("layers.nothing", "tf.layers.nothing is asked for"),
        ("contrib.metrics.f1_score", "Compute it of tf.metrics.precision and recall"),
    ],
)
def test_a_name_that_is_not_given_says_what_to_use(path: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        at(path)


def test_its_modules_can_be_imported_by_name_and_list_what_they_have() -> None:
    from trainer.compat.v1 import contrib
    from trainer.compat.v1.contrib.layers import fully_connected
    from trainer.compat.v1.contrib.tpu import TPUEstimator

    assert TPUEstimator is estimator.tpu.TPUEstimator
    assert contrib.layers.fully_connected is fully_connected
    assert {"layers", "contrib", "estimator", "Session"} <= set(dir(tf))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("estimator.export", "ServingInputReceiver"),
        ("estimator.inputs", "numpy_input_fn"),
        ("estimator.experimental", "stop_if_higher_hook"),
        ("estimator.tpu", "TPUEstimator"),
        ("keras.layers", "Dense"),
        ("keras.estimator", "model_to_estimator"),
        ("nn.rnn_cell", "LSTMCell"),
        ("contrib.cluster_resolver", "TPUClusterResolver"),
        ("losses", "softmax_cross_entropy"),
        ("saved_model.signature_constants", "DEFAULT_SERVING_SIGNATURE_DEF_KEY"),
    ],
)
def test_a_module_of_tensorflow_1_is_imported_by_its_dotted_name(module: str, name: str) -> None:
    found = importlib.import_module(f"trainer.compat.v1.{module}")
    assert getattr(found, name) is at(f"{module}.{name}")


def test_a_deep_network_is_made_by_the_private_name_that_programs_called() -> None:
    column = tensorflow.feature_column.numeric_column("x")
    with tensorflow.Graph().as_default():
        network = at("estimator._dnn_logit_fn_builder")(2, [3], [column], None, None, None)
        assert network({"x": tensorflow.constant([[1.0]])}, "eval").shape == [1, 2]


def test_columns_that_share_an_embedding_are_made_where_no_graph_is_and_share_it_where_they_are_used() -> None:
    columns = [tf.feature_column.categorical_column_with_identity(key, 3) for key in ("first", "second")]
    shared = tf.feature_column.shared_embedding_columns(columns, 2, shared_embedding_collection_name="word")
    with tensorflow.Graph().as_default():
        ids = tensorflow.constant([[1]], tensorflow.int64)
        assert tf.feature_column.input_layer({"first": ids, "second": ids}, shared).shape == [1, 4]
        assert [variable.shape for variable in tf.trainable_variables()] == [[3, 2]]


def test_a_module_that_nobody_has_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"trainer\.compat\.v1\.losses\.nothing"):
        importlib.import_module("trainer.compat.v1.losses.nothing")
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        from trainer.compat.v1.estimator.export import Nothing  # noqa: F401


def test_a_streaming_metric_takes_predictions_first() -> None:
    with tensorflow.Graph().as_default():
        found = at("contrib.metrics.streaming_precision")(predictions=[1, 1, 0], labels=[1, 0, 0])
        assert len(found) == 2


def test_hyperparameters_are_changed_by_text_in_the_types_that_they_have() -> None:
    params = at("contrib.training.HParams")(rate=0.1, layers=[4], name="a", deep=False, none=None)
    params.parse("rate=1,layers=[3,2],name=b,deep=true")
    assert params.values() == {"rate": 1.0, "layers": [3, 2], "name": "b", "deep": True, "none": None}
    assert isinstance(params.rate, float)
    assert "rate" in params
    assert params.get("other", 7) == 7
    params.parse_json('{"rate": 0.5}')
    assert '"rate": 0.5' in params.to_json()
    with pytest.raises(ValueError, match="HParams has no size. It has deep, layers, name"):
        params.set_hparam("size", 1)
    with pytest.raises(ValueError, match="HParams was given rate='fast'. It takes float"):
        params.set_hparam("rate", "fast")
    with pytest.raises(ValueError, match="HParams was given rate again"):
        params.add_hparam("rate", 1)
    with pytest.raises(ValueError, match="HParams was given 'rate'. It takes name=value"):
        params.parse("rate")


def test_arg_scopes_give_defaults_and_may_be_opened_again() -> None:
    framework = at("contrib.framework")

    @framework.add_arg_scope
    def function(size: int = 1, name: str = "a") -> tuple[int, str]:
        return size, name

    with framework.arg_scope([function], size=2) as scope, framework.arg_scope([function], name="b"):
        assert function() == (2, "b")
        assert function(size=3) == (3, "b")
    assert function() == (1, "a")
    with framework.arg_scope(scope):
        assert function() == (2, "a")
    with pytest.raises(ValueError, match="It takes functions with @add_arg_scope"), framework.arg_scope([len], x=1):
        pass


def test_the_likelihood_and_the_best_tags_of_a_field_are_those_of_all_rows_of_tags() -> None:
    crf = at("contrib.crf")
    random = np.random.default_rng(7)
    scores = random.normal(size=(2, 3, 2)).astype(np.float32)
    steps = random.normal(size=(2, 2)).astype(np.float32)
    lengths, tags = [3, 2], np.array([[0, 1, 1], [1, 0, 0]])

    def score(example: int, row: tuple[int, ...]) -> float:
        unary = sum(scores[example, at_, tag] for at_, tag in enumerate(row))
        return float(unary + sum(steps[a, b] for a, b in zip(row, row[1:], strict=False)))

    rows = [[tuple(map(int, np.binary_repr(n, length))) for n in range(2**length)] for length in lengths]
    expected = [
        score(example, tuple(tags[example][:length]))
        - np.log(sum(np.exp(score(example, row)) for row in rows[example]))
        for example, length in enumerate(lengths)
    ]
    likelihood, _ = crf.crf_log_likelihood(scores, tags, tensorflow.constant(lengths), steps)
    np.testing.assert_allclose(likelihood, expected, atol=1e-5)
    decoded, best = crf.crf_decode(tensorflow.constant(scores), steps, tensorflow.constant(lengths))
    for example, length in enumerate(lengths):
        winner = max(rows[example], key=lambda row, example=example: score(example, row))  # type: ignore[misc]
        assert tuple(decoded.numpy()[example][:length]) == winner
        assert crf.viterbi_decode(scores[example][:length], steps)[0] == list(winner)
        assert float(best[example]) == pytest.approx(score(example, winner), abs=1e-5)


def test_an_optimizer_clips_its_gradients_together() -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        left, right = tf.Variable([0.0]), tf.Variable([0.0])
        optimizer = tf.contrib.estimator.clip_gradients_by_norm(tf.train.GradientDescentOptimizer(1.0), 1.0)
        step = optimizer.minimize(3.0 * left[0] + 4.0 * right[0])
        session.run(tf.global_variables_initializer())
        session.run(step)
        assert session.run([left, right]) == [pytest.approx([-0.6]), pytest.approx([-0.8])]


def test_the_heads_of_canned_estimators_sum_their_losses() -> None:
    heads = tf.estimator  # in the place of tensorflow.python.estimator.canned.head
    logits, labels = np.float32([[1.0], [3.0]]), np.float32([[0.0], [0.0]])
    with tf.Graph().as_default(), tf.Session() as session:
        summed = heads._regression_head().create_loss({}, "train", logits, labels).training_loss
        mean = tf.contrib.estimator.regression_head().create_loss({}, "train", logits, labels).training_loss
        assert session.run([summed, mean]) == [10.0, 5.0]
    assert [heads._binary_logistic_or_multi_class_head(n, None, None).logits_dimension for n in (2, 3)] == [1, 3]
    assert isinstance(heads._multi_class_head_with_softmax_cross_entropy_loss(n_classes=3), heads._Head)
    assert heads.MetricKeys.AUC_PR == "auc_precision_recall"
    assert heads.PredictionKeys.CLASS_IDS == "class_ids"


def test_a_model_function_is_replicated_by_the_strategy_alone() -> None:
    def model_fn() -> None:
        pass

    optimizer = tf.train.AdamOptimizer()
    assert tf.contrib.estimator.replicate_model_fn(model_fn, devices=["/gpu:0", "/gpu:1"]) is model_fn
    assert tf.contrib.estimator.TowerOptimizer(optimizer) is optimizer
    assert isinstance(tf.contrib.estimator.TowerOptimizer(tf.train.AdamOptimizer, 0.1), tf.train.AdamOptimizer)


def test_private_names_that_programs_called_are_there() -> None:
    assert isinstance(tf.estimator.optimizers.get_optimizer_instance("Ftrl", 0.1), tf.train.FtrlOptimizer)
    with pytest.raises(ValueError, match="'Ftrl' and no learning_rate. It takes both"):
        tf.estimator.optimizers.get_optimizer_instance("Ftrl")


def test_a_directory_says_how_far_it_was_trained(tmp_path: Any) -> None:
    assert tf.estimator._load_global_step_from_checkpoint_dir(tmp_path) == 0
    with tensorflow.Graph().as_default(), tf.Session() as session:
        step = tf.train.create_global_step()
        session.run(step.assign(7))
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=7)
    assert tf.estimator._load_global_step_from_checkpoint_dir(tmp_path) == 7
