"""Dimensions, receivers' placeholders, and names of before TensorFlow 1."""

from __future__ import annotations

import pathlib

import pytest

from tests.migration.programs import all_rewritten, rewritten

HEAD = "import trainer.compat.v1 as tf\n"
DIMENSIONS = {
    "n = x.shape[1].value": "n = x.shape[1]",
    "n = x.get_shape()[-1].value": "n = x.get_shape()[-1]",
    "n = x.get_shape().with_rank(2)[1].value": "n = x.get_shape().with_rank(2)[1]",
    "n = [d.value for d in x.get_shape()]": "n = [d for d in x.get_shape()]",
    "input_shape[-1].value": "input_shape[-1]",
    "dims = x.get_shape()\ndims[1].value": "dims = x.get_shape()\ndims[1]",
    "d = x.shape[1]\nd.value": "d = x.shape[1]\nd",
    "x.shape.dims[1].value": "x.shape.dims[1].value",
    "flag.value": "flag.value",
    "tf.mul(a, tf.train.SummaryWriter)": "tf.multiply(a, tf.summary.FileWriter)",
    "tf.contrib.learn.ModeKeys.TRAIN": "tf.estimator.ModeKeys.TRAIN",
    "tf.contrib.learn.ModeKeys.INFER": "tf.estimator.ModeKeys.PREDICT",
    "tf.sub_module": "tf.sub_module",
}


@pytest.mark.parametrize(("old", "new"), DIMENSIONS.items(), ids=DIMENSIONS)
def test_a_dimension_is_a_number(tmp_path: pathlib.Path, old: str, new: str) -> None:
    assert rewritten(tmp_path, f"import tensorflow as tf\n{old}\n") == f"{HEAD}{new}\n"


def test_a_program_with_the_shapes_of_tensorflow_1_keeps_their_dimensions(tmp_path: pathlib.Path) -> None:
    files = {"a.py": "n = x.shape[1].value\n", "b.py": "import tensorflow as tf\ntf.disable_v2_behavior()\n"}
    assert all_rewritten(tmp_path, files)["a.py"] == files["a.py"]


def test_placeholders_of_a_raw_receiver_are_specs(tmp_path: pathlib.Path) -> None:
    text = rewritten(
        tmp_path,
        """\
        import tensorflow as tf

        image = tf.placeholder(tf.float32, [None, 28])
        features = {"image": image, "id": tf.placeholder(dtype=tf.int64, shape=None, name="id")}
        other = tf.placeholder(tf.float32, [None])
        receiver_fn = tf.estimator.export.build_raw_serving_input_receiver_fn(features)
        """,
    )
    assert "image = tf.TensorSpec([None, 28], tf.float32)\n" in text
    assert '"id": tf.TensorSpec(None, tf.int64, name="id")}' in text
    assert "other = tf.placeholder(tf.float32, [None])\n" in text
