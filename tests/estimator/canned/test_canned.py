"""Canned Estimators train, evaluate, predict and export under the names of tf.estimator, in both versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import trainer.compat.v1 as tf1
from trainer import estimator as tf2
from trainer.estimator import Estimator, RunConfig

AGE = tf.feature_column.numeric_column("age")
JOB = tf.feature_column.categorical_column_with_vocabulary_list("job", ["cook", "smith"])
DENSE = [AGE, tf.feature_column.embedding_column(JOB, 2)]
LINEAR = [AGE, JOB, tf.feature_column.crossed_column(["job", "town"], 5)]
VERSIONS = {"v1": tf1.estimator, "v2": tf2}


def rows(repeat: int = 20) -> tf.data.Dataset:
    """Four persons: the class is whether one is above forty, the number twice the age.

    Who trains on them to their end says how many steps that makes: XLA is not asked to compile for more.
    """
    ages = np.float32([[0.2], [0.3], [0.5], [0.6]])
    features = {"age": ages, "job": [["cook"], ["smith"], ["cook"], ["smith"]], "town": [["a"], ["b"], ["b"], ["a"]]}
    return tf.data.Dataset.from_tensors((features, np.int64([[0], [0], [1], [1]]))).repeat(repeat)


def one_batch() -> tf.data.Dataset:
    return rows(1)


@pytest.fixture(params=sorted(VERSIONS))
def module(request: pytest.FixtureRequest) -> Any:
    return VERSIONS[request.param]


@pytest.fixture(scope="module", params=sorted(VERSIONS))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    """A combined classifier with all that a network can have, trained for 20 steps."""
    combined = VERSIONS[request.param].DNNLinearCombinedClassifier(
        tmp_path_factory.mktemp(request.param),
        linear_feature_columns=LINEAR,
        dnn_feature_columns=DENSE,
        dnn_hidden_units=[4, 3],
        dnn_dropout=0.1,
        batch_norm=True,
        config=RunConfig(tf_random_seed=1, save_summary_steps=10),
    )
    return combined.train(rows, steps=20)


def test_a_classifier_has_the_metrics_of_tf_estimator(trained: Estimator) -> None:
    assert set(trained.evaluate(one_batch)) == {
        *("accuracy", "accuracy_baseline", "auc", "auc_precision_recall", "average_loss", "label/mean"),
        *("precision", "prediction/mean", "recall", "loss", "global_step"),
    }


def test_a_classifier_has_the_predictions_of_tf_estimator(trained: Estimator) -> None:
    first = next(trained.predict(one_batch))
    assert set(first) == {
        *("logits", "logistic", "probabilities", "class_ids", "classes", "all_class_ids", "all_classes"),
    }
    assert first["probabilities"].sum() == pytest.approx(1.0)


def test_a_classifier_is_exported_with_three_signatures(trained: Estimator, tmp_path: Path) -> None:
    spec = tf.feature_column.make_parse_example_spec([*DENSE, *LINEAR])
    exported = trained.export_saved_model(tmp_path, tf2.export.build_parsing_serving_input_receiver_fn(spec))
    served = tf.saved_model.load(exported.decode() if isinstance(exported, bytes) else exported).signatures
    assert {"serving_default", "classification", "predict"} <= set(served)
    example = tf.train.Example()
    example.features.feature["age"].float_list.value.append(0.2)
    for name, value in (("job", b"cook"), ("town", b"a")):
        example.features.feature[name].bytes_list.value.append(value)
    scores = served["serving_default"](tf.constant([example.SerializeToString()]))["scores"]
    np.testing.assert_allclose(scores[0], next(trained.predict(one_batch))["probabilities"], rtol=1e-5)


def test_both_parts_are_trained(trained: Estimator) -> None:
    for name in ("linear/linear_model/age/weights", "linear/linear_model/job_X_town/weights", "dnn/logits/bias"):
        assert np.any(trained.get_variable_value(name))
    assert not np.allclose(trained.get_variable_value("dnn/hiddenlayer_0/batchnorm_0/moving_mean"), 0.0)


def model(module: Any, kind: str, **settings: Any) -> Estimator:
    """An Estimator of a kind on its usual columns."""
    makers: dict[str, Callable[..., Any]] = {
        "DNN": lambda name: getattr(module, f"DNN{name}")([3], DENSE, **settings),
        "Linear": lambda name: getattr(module, f"Linear{name}")(LINEAR, **settings),
        "Baseline": lambda name: getattr(module, f"Baseline{name}")(**settings),
    }
    family = next(family for family in makers if kind.startswith(family))
    return makers[family](kind.removeprefix(family))


@pytest.mark.parametrize("kind", ["DNNRegressor", "LinearRegressor", "BaselineRegressor"])
def test_a_regressor_learns(module: Any, kind: str) -> None:
    # Of three units drawn without a seed, it may be that none is good for another batch than that of a step.
    regressor = model(module, kind, config=RunConfig(tf_random_seed=2))
    before = regressor.evaluate(one_batch)["average_loss"]
    after = regressor.train(rows, steps=20).evaluate(one_batch)
    assert after["average_loss"] < before
    assert set(after) == {"average_loss", "label/mean", "prediction/mean", "loss", "global_step"}
    assert next(regressor.predict(one_batch))["predictions"].shape == (1,)


def test_a_loss_is_a_sum_in_version_1_and_a_mean_in_version_2() -> None:
    sums, means = (model(module, "BaselineRegressor").train(rows, steps=1) for module in VERSIONS.values())
    assert sums.evaluate(one_batch)["loss"] == pytest.approx(4 * sums.evaluate(one_batch)["average_loss"])
    assert means.evaluate(one_batch)["loss"] == pytest.approx(means.evaluate(one_batch)["average_loss"])


def test_a_baseline_learns_how_frequent_the_classes_are(module: Any) -> None:
    baseline = module.BaselineClassifier(n_classes=3, optimizer="SGD").train(lambda: rows(200))
    np.testing.assert_allclose(next(baseline.predict(one_batch))["probabilities"], [0.5, 0.5, 0.0], atol=0.05)


def test_a_head_of_choice_is_taken(module: Any) -> None:
    heads = {"v1": tf1.contrib.estimator.regression_head, "v2": tf2.RegressionHead}
    head = heads["v1" if module is tf1.estimator else "v2"]()
    deep, linear = module.DNNEstimator(head, [2], [AGE]), module.LinearEstimator(head, [AGE])
    for estimator in (deep, linear, module.BaselineEstimator(head)):
        assert estimator.train(rows, steps=2).get_variable_value("global_step") == 2
    assert set(deep.evaluate(one_batch)) > {"label/mean", "prediction/mean"}, "what a head of regression measures"


def test_weights_and_a_vocabulary_reach_the_head(module: Any) -> None:
    def named() -> tf.data.Dataset:
        def change(features: dict[str, Any], labels: Any) -> tuple[dict[str, Any], Any]:
            return {**features, "w": [[1.0], [0.0], [0.0], [0.0]]}, tf.gather(["no", "yes"], labels)

        return rows().map(change)

    classifier = module.LinearClassifier([AGE], weight_column="w", label_vocabulary=["no", "yes"])
    assert next(classifier.train(named, steps=20).predict(named))["classes"] == [b"no"]
    assert classifier.evaluate(named, steps=1)["label/mean"] == 0.0


def test_a_warm_start_takes_another_models_weights(module: Any, tmp_path: Path) -> None:
    first = module.DNNClassifier([3], DENSE, tmp_path / "first").train(rows, steps=20)
    second = module.DNNClassifier([3], DENSE, tmp_path / "second", warm_start_from=first.model_dir)
    assert next(second.predict(one_batch))["logits"] == pytest.approx(next(first.predict(one_batch))["logits"])


def test_a_stopped_run_goes_on_as_if_it_had_not_been(module: Any, tmp_path: Path) -> None:
    def classifier(name: str) -> Estimator:
        return module.DNNClassifier([3], DENSE, tmp_path / name, dropout=0.5, config=RunConfig(tf_random_seed=3))

    whole = classifier("whole").train(rows, max_steps=20)
    classifier("parts").train(rows, max_steps=7)
    parts = classifier("parts").train(rows, max_steps=20)
    for name in whole.get_variable_names():
        np.testing.assert_array_equal(parts.get_variable_value(name), whole.get_variable_value(name))


def columns_of_version_1() -> Iterator[Any]:
    job, town = (
        tf.feature_column.categorical_column_with_vocabulary_list(name, ["cook", "smith", "a", "b"])
        for name in ("job", "town")
    )
    with tf.Graph().as_default():  # TensorFlow makes them where nothing runs eagerly
        yield from tf.compat.v1.feature_column.shared_embedding_columns([job, town], 2)


def test_shared_embeddings_of_version_1_are_one_variable() -> None:
    shared = tf1.estimator.DNNClassifier([2], list(columns_of_version_1())).train(rows, steps=1)
    names = [name for name in shared.get_variable_names() if name.endswith("embedding_weights")]
    assert names == ["dnn/input_from_feature_columns/input_layer/job_town_shared_embedding/embedding_weights"]


def test_columns_of_version_1_are_refused_by_version_2() -> None:
    with pytest.raises(ValueError, match=r"Feature columns of TensorFlow 1 .* Make them there, or take"):
        tf2.DNNClassifier([2], list(columns_of_version_1()))
    with pytest.raises(ValueError, match=r"Feature columns of TensorFlow 1"):
        tf2.DNNLinearCombinedClassifier(dnn_feature_columns=list(columns_of_version_1()), dnn_hidden_units=[2])


def test_features_that_are_no_dict_are_refused(module: Any) -> None:
    with pytest.raises(ValueError, match="should be a dictionary of tensors"):
        module.LinearRegressor([AGE]).train(lambda: tf.data.Dataset.from_tensors(([[1.0]], [[1.0]])))


def test_a_column_that_gives_no_numbers_is_refused_by_a_deep_network(module: Any) -> None:
    with pytest.raises(ValueError, match=r"Wrap it in tf\.feature_column\.embedding_column"):
        module.DNNRegressor([2], [JOB]).train(rows)


def test_two_columns_of_one_name_are_refused(module: Any) -> None:
    with pytest.raises(ValueError, match="Duplicate feature column names: age"):
        module.LinearRegressor([AGE, AGE]).train(rows)


def test_a_combined_model_needs_columns_and_layers(module: Any) -> None:
    with pytest.raises(ValueError, match="Either linear_feature_columns or dnn_feature_columns must be defined"):
        module.DNNLinearCombinedClassifier()
    with pytest.raises(ValueError, match="dnn_hidden_units must be defined"):
        module.DNNLinearCombinedClassifier(dnn_feature_columns=DENSE)


def test_networks_are_functions_in_a_model_function_of_ones_own() -> None:
    def model_fn(features: dict[str, Any], labels: Any, mode: str) -> tf2.EstimatorSpec:
        make_deep, make_linear = tf2.experimental.dnn_logit_fn_builder, tf2.experimental.linear_logit_fn_builder
        deep = make_deep(1, [3], DENSE, tf.nn.relu, None, None, batch_norm=True)
        logits = deep(features, mode) + make_linear(1, LINEAR)(features)
        optimizer = tf.compat.v1.train.AdagradOptimizer(0.1)
        return tf1.contrib.estimator.binary_classification_head().create_estimator_spec(
            features, mode, logits, labels, optimizer
        )

    own = Estimator(model_fn, config=RunConfig(tf_random_seed=1)).train(rows, steps=20)
    assert {"hiddenlayer_0/kernel", "linear_model/age/weights"} <= set(own.get_variable_names())
    assert np.any(own.get_variable_value("hiddenlayer_0/batchnorm_0/moving_mean"))
    with pytest.raises(ValueError, match=r"units are 1\.5"):
        tf2.experimental.linear_logit_fn_builder(1.5, LINEAR)


def test_an_estimator_that_is_not_given_says_what_to_use(module: Any) -> None:
    with pytest.raises(AttributeError, match=r"BoostedTreesClassifier.*TensorFlow Decision Forests"):
        module.BoostedTreesClassifier  # noqa: B018
    for name, advice in (
        ("KMeans", "MiniBatchKMeans"),
        ("LinearSDCA", "Ftrl"),
        ("RNNClassifier", "LSTM"),
    ):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'.*{advice}"):
            getattr(module.experimental, name)
