"""Starting variables from those of another vocabulary: entry by entry, as TensorFlow's own warm start does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator import Estimator, EstimatorSpec, RunConfig, VocabInfo, WarmStartSettings
from trainer.estimator.saving import checkpoints, vocabularies

OLD, NEW = ["a", "b", "c"], ["c", "d", "a"]


def file_of(directory: Path, name: str, entries: list[str]) -> str:
    path = directory / name
    path.write_text("".join(f"{entry}\n" for entry in entries))
    return str(path)


def embedding(entries: int, directory: Path, warm_start_from: Any = None, parts: int = 1) -> Estimator:
    """A model of one table [entries, 2] that starts from ones, in so many parts."""

    def model_fn(features: tf.Tensor, labels: tf.Tensor, mode: str) -> EstimatorSpec:
        one = tf.compat.v1.initializers.ones()
        partitioner = tf.compat.v1.fixed_size_partitioner(parts) if parts > 1 else None
        table = tf.compat.v1.get_variable("table", [entries, 2], initializer=one, partitioner=partitioner)
        rows = tf.nn.embedding_lookup(table, features)
        loss = tf.reduce_mean((rows - tf.cast(labels, tf.float32)[:, None]) ** 2)
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.3)
        return EstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss, tf.compat.v1.train.get_global_step()))

    return Estimator(model_fn, str(directory), RunConfig(tf_random_seed=1), warm_start_from=warm_start_from)


def rows_and_labels(count: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors((tf.constant([0, 1, 2]), tf.constant([3, 5, 7]))).repeat(count)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Estimator:
    directory = tmp_path_factory.mktemp("old")
    return embedding(3, directory).train(lambda: rows_and_labels(5), steps=5)


@pytest.mark.parametrize(("parts", "which"), [(1, ".*"), (2, ".*"), (2, None)])
def test_entries_of_both_vocabularies_keep_their_rows(
    trained: Estimator, tmp_path: Path, parts: int, which: str | None
) -> None:
    info = VocabInfo(file_of(tmp_path, "new", NEW), 3, 2, file_of(tmp_path, "old", OLD))
    settings = WarmStartSettings(trained.model_dir, which, {"table": info})
    warm = embedding(5, tmp_path / "new_model", settings, parts)
    warm.train(lambda: rows_and_labels(0), max_steps=1)
    before, after = trained.get_variable_value("table"), warm.get_variable_value("table")
    np.testing.assert_array_equal(after, [before[2], [0, 0], before[0], [0, 0], [0, 0]])


def test_a_vocabulary_of_no_warm_started_variable_is_refused(trained: Estimator, tmp_path: Path) -> None:
    info = VocabInfo(file_of(tmp_path, "new", NEW), 3, 0, file_of(tmp_path, "old", OLD))
    settings = WarmStartSettings(trained.model_dir, var_name_to_vocab_info={"tabel": info})
    with pytest.raises(ValueError, match="var_name_to_vocab_info has tabel. It takes names of variables"):
        embedding(3, tmp_path / "new_model", settings).train(lambda: rows_and_labels(0), max_steps=1)


@pytest.mark.parametrize("backup", [None, tf.compat.v1.initializers.ones()])
@pytest.mark.parametrize(
    ("axis", "old_size", "new_size", "buckets"),
    # Along axis 1, TensorFlow leaves entries unset that stand behind the first `old_size` of the old vocabulary.
    [(0, -1, 3, 0), (0, 2, 3, 1), (0, 3, 2, 4), (1, -1, 3, 0), (1, 3, 2, 4)],
)
def test_values_are_those_of_tensorflows_own_warm_start(
    tmp_path: Path, axis: int, backup: Any, old_size: int, new_size: int, buckets: int
) -> None:
    old = file_of(tmp_path, "old", OLD)
    info = VocabInfo(file_of(tmp_path, "new", NEW), new_size, buckets, old, old_size, backup, axis)
    entries = 3 if old_size < 0 else old_size
    shape, old_shape = [4, 4], [4, 4]
    shape[axis], old_shape[axis] = new_size + buckets, entries
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        before = tf.compat.v1.get_variable("table", initializer=tf.random.stateless_normal(old_shape, (1, 2)))
        session.run(before.initializer)
        saved = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=1)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.compat.v1.get_variable("table", shape)
        tf.compat.v1.train.warm_start(saved, var_name_to_vocab_info={"table": info})
        session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.tables_initializer()])
        expected = session.run(table)
    got = vocabularies.remapped("table", shape, checkpoints.read(saved), "table", info)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("entries", "size", "message"),
    [
        (["a", "a"], 2, "has 2 lines, 1 of them different, and 2 entries are to be taken"),
        (["a"], 2, "has 1 lines, 1 of them different, and 2 entries are to be taken"),
        (["a", "b"], 2, r"table has the shape \[3, 2\], table in .* \[3, 2\]; along axis 0 the new vocabulary has 2"),
    ],
)
def test_vocabularies_that_do_not_fit_are_refused(
    trained: Estimator, tmp_path: Path, entries: list[str], size: int, message: str
) -> None:
    info = VocabInfo(file_of(tmp_path, "new", entries), size, 0, file_of(tmp_path, "old", OLD))
    reader = checkpoints.read(trained.model_dir)
    with pytest.raises(checkpoints.OtherModelError, match=message):
        vocabularies.remapped("table", [3, 2], reader, "table", info)


def test_a_missing_vocabulary_is_named(trained: Estimator, tmp_path: Path) -> None:
    info = VocabInfo(str(tmp_path / "gone"), 3, 0, file_of(tmp_path, "old", OLD))
    with pytest.raises(checkpoints.OtherModelError, match=r"the vocabulary .*gone cannot be read"):
        vocabularies.remapped("table", [3, 2], checkpoints.read(trained.model_dir), "table", info)
