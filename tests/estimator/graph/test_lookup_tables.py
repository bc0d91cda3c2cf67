"""Lookup tables made inside a model function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, ModeKeys
from trainer.estimator.graph.tracing import trace
from trainer.estimator.graph.variables import VariableStore

WORDS = tf.constant(["a", "b", "z"])


def looked_up(make: Callable[[], tf.lookup.StaticHashTable], mode: str, xla: bool) -> list[int]:
    def body(words: tf.Tensor) -> tuple[EstimatorSpec, None]:
        found = make().lookup(words)
        return EstimatorSpec(mode, predictions=found, loss=tf.constant(0.0), train_op=tf.no_op()), None

    traced = trace(body, [tf.TensorSpec([None], tf.string)], mode, VariableStore(), xla=xla)
    part = traced.prune(traced.spec.predictions)
    assert not [op.type for op in part.graph.get_operations() if "Import" in op.type or "Initialize" in op.type]
    del traced  # the part keeps the table alive
    return part(WORDS).numpy().tolist()


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT])
def test_a_table_is_filled_in_every_mode(mode: str, xla: bool, tmp_path: Path) -> None:
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")

    def of_values() -> tf.lookup.StaticHashTable:
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), -1)

    def of_tensors() -> tf.lookup.StaticHashTable:
        keys, values = tf.constant(["a", "b"]), tf.range(1, 3)
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), tf.constant(-1))

    def of_a_file() -> tf.lookup.StaticVocabularyTable:
        kinds = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
        return tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(str(vocabulary), *kinds), 1)

    def of_version_1() -> tf.lookup.StaticHashTable:
        initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2])
        return tf.compat.v1.lookup.StaticHashTable(initializer, -1)

    assert looked_up(of_values, mode, xla) == [1, 2, -1]
    assert looked_up(of_tensors, mode, xla) == [1, 2, -1]
    assert looked_up(of_version_1, mode, xla) == [1, 2, -1]
    assert looked_up(of_a_file, mode, xla) == [0, 1, 2]
