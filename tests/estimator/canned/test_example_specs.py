"""How serialized examples are parsed for canned Estimators."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import classifier_parse_example_spec, regressor_parse_example_spec

AGE = tf.feature_column.numeric_column("age")
TOWN = tf.feature_column.indicator_column(tf.feature_column.categorical_column_with_hash_bucket("town", 10))


def test_features_label_and_weights_are_parsed_together() -> None:
    spec = classifier_parse_example_spec([AGE, TOWN], "churned", tf.string, "no", weight_column="weight")
    example = tf.train.Example()
    example.features.feature["age"].float_list.value.append(30)
    example.features.feature["weight"].float_list.value.append(0.5)
    example.features.feature["town"].bytes_list.value.append(b"Bern")
    parsed = tf.io.parse_example([example.SerializeToString()], spec)
    assert parsed["churned"].numpy().tolist() == [[b"no"]]
    assert (parsed["age"].numpy().tolist(), parsed["weight"].numpy().tolist()) == ([[30.0]], [[0.5]])
    assert parsed["town"].values.numpy().tolist() == [b"Bern"]


def test_a_regressor_has_labels_of_several_values() -> None:
    spec = regressor_parse_example_spec([AGE], "prices", label_dimension=2)
    assert spec == {"age": tf.io.FixedLenFeature((1,), tf.float32), "prices": tf.io.FixedLenFeature((2,), tf.float32)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_key": "age"}, "label_key is 'age', and a feature column reads 'age' too"),
        ({"label_key": "y", "weight_column": "age"}, "weight_column is 'age', and a feature column or the label reads"),
        ({"label_key": "y", "weight_column": TOWN}, "It takes a name or a tf.feature_column.numeric_column. Give one"),
    ],
)
def test_what_cannot_be_parsed_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier_parse_example_spec([AGE, TOWN], **arguments)
