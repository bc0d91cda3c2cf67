"""`tf.contrib.layers`."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_HERE = "trainer.compat.v1.contrib"
_COLUMNS = "tensorflow:feature_column"
_OWN = {
    **{name: f"{_HERE}.units:{name}" for name in ("fully_connected", "conv2d", "embed_sequence")},
    **{name: f"{_HERE}.units:fully_connected" for name in ("relu", "dense")},
    "convolution2d": f"{_HERE}.units:conv2d",
    **{
        name: f"{_HERE}.plain_layers:{name}"
        for name in ("flatten", "dropout", "max_pool2d", "avg_pool2d", "one_hot_encoding", "stack", "repeat")
    },
    **{name: f"{_HERE}.normalization:{name}" for name in ("batch_norm", "layer_norm")},
    **{
        name: f"{_HERE}.initial:{name}"
        for name in (
            "apply_regularization",
            "l1_l2_regularizer",
            "l1_regularizer",
            "l2_regularizer",
            "sum_regularizer",
            "variance_scaling_initializer",
            "xavier_initializer",
        )
    },
    "xavier_initializer_conv2d": f"{_HERE}.initial:xavier_initializer",
    **{name: f"{_HERE}.optimizing:{name}" for name in ("optimize_loss", "OPTIMIZER_CLS_NAMES", "OPTIMIZER_SUMMARIES")},
    "real_valued_column": f"{_COLUMNS}.numeric_column",
    "sparse_column_with_hash_bucket": f"{_COLUMNS}.categorical_column_with_hash_bucket",
    "sparse_column_with_keys": f"{_COLUMNS}.categorical_column_with_vocabulary_list",
    "sparse_column_with_vocabulary_file": f"{_COLUMNS}.categorical_column_with_vocabulary_file",
    "sparse_column_with_integerized_feature": f"{_COLUMNS}.categorical_column_with_identity",
    "bucketized_column": f"{_COLUMNS}.bucketized_column",
    "crossed_column": f"{_COLUMNS}.crossed_column",
    "embedding_column": f"{_COLUMNS}.embedding_column",
    "one_hot_column": f"{_COLUMNS}.indicator_column",
    "input_from_feature_columns": "tensorflow:compat.v1.feature_column.input_layer",
    "bias_add": "tensorflow:nn.bias_add",
    "linear": f"{_HERE}.units:linear",
    "safe_embedding_lookup_sparse": "tensorflow:compat.v1.nn.safe_embedding_lookup_sparse",
    "weighted_sparse_column": f"{_COLUMNS}.weighted_categorical_column",
    "softmax": "tensorflow:nn.softmax",
}
_ADVICE = {
    "create_feature_spec_for_parsing": "Use tf.feature_column.make_parse_example_spec",
    "parse_feature_columns_from_examples": "Use tf.feature_column.make_parse_example_spec and tf.io.parse_example",
    "weighted_sum_from_feature_columns": "Use tf.feature_column.linear_model",
    "conv2d_transpose": "Use tf.layers.conv2d_transpose",
    "separable_conv2d": "Use tf.layers.separable_conv2d",
    "summarize_layers": "Use tf.summary.histogram",
}
__path__: list[str] = []  # imports go through it, see dotted.py


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, _ADVICE)
