"""Parts of the data as `tf.data`: batches for training in shuffled order, batches for evaluation in their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats import fetching
from trainer.formats.order import shuffled
from trainer.formats.source import Part
from trainer.formats.streams import Stream
from trainer.formats.windows import Windows
from trainer.job.config import DataConfig

if TYPE_CHECKING:
    import tensorflow as tf

SHUFFLE_BUFFER = 10_000
"""Streamed examples among which the next one is drawn."""
_BLOCK_EXAMPLES = 16_384
_BLOCK_FLOATS = 1 << 20
_FILES_AT_ONCE = 8


def training(part: Part, data: DataConfig, input_context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
    """Shuffled batches of `train_batch_size` examples, for ever or for `num_epochs`; batches run across epochs.

    The order depends on `data.seed` alone (None counts as 0), so that a job that is started again has the same batches.

    Args:
      part: the examples.
      data: batch size, number of epochs and seed.
      input_context: which of several pipelines this one is, each of which takes its part of the examples; None where
        there is one.
    """
    pipelines, own = (input_context.num_input_pipelines, input_context.input_pipeline_id) if input_context else (1, 0)
    if isinstance(part, Windows):
        return _options(_training_in_memory(part, data, pipelines, own), symbolic=True, sharded=pipelines > 1)
    return _options(_training_streamed(part, data, pipelines, own), symbolic=False, sharded=pipelines > 1)


def evaluation(part: Part, batch_size: int) -> tf.data.Dataset:
    """Every example once, in order; the last batch may be smaller."""
    if isinstance(part, Windows):
        return _options(_evaluation_in_memory(part, batch_size), symbolic=True)
    batches = _examples(part, range(len(part.paths))).batch(batch_size)
    return _options(batches.map(part.decode).prefetch(2), symbolic=False)


def _training_in_memory(part: Windows, data: DataConfig, pipelines: int, own: int) -> tf.data.Dataset:
    """Blocks of batches are gathered at once and then handed out, which costs a tenth of gathering each batch alone."""
    import tensorflow as tf

    size = data.train_batch_size
    batches = _batches(part, data, pipelines, own)
    block = max(1, min(_BLOCK_EXAMPLES, _BLOCK_FLOATS // _floats(part)) // size)
    gather = _gatherer(part)
    count = tf.constant(part.count, tf.int64)

    def batches_of(number: Any) -> tf.data.Dataset:
        first = number * block
        last = tf.minimum(first + block, batches)
        positions = tf.range(first * size, last * size) * pipelines + own
        features, labels = gather(shuffled(positions, count, data.seed or 0))
        values = tf.reshape(features["values"], [-1, size, *features["values"].shape[1:]])
        return tf.data.Dataset.from_tensor_slices(
            ({"values": values}, tf.reshape(labels, [-1, size, *labels.shape[1:]]))
        )

    return tf.data.Dataset.range(-(-batches // block)).flat_map(_as_it_is(batches_of)).prefetch(block)


def _batches(part: Windows, data: DataConfig, pipelines: int, own: int) -> int:
    """Full batches in this pipeline's share; without `num_epochs` as many as positions can be counted in an int64."""
    if data.num_epochs is None:
        return (1 << 62) // (pipelines * data.train_batch_size * 2)
    examples = part.count * data.num_epochs
    return int((examples - own + pipelines - 1) // pipelines // data.train_batch_size)


def _floats(part: Windows) -> int:
    return int(part.steps * part.values.shape[1] + part.horizon * part.labels.shape[1])


def _evaluation_in_memory(part: Windows, batch_size: int) -> tf.data.Dataset:
    import tensorflow as tf

    gather = _gatherer(part)
    full, rest = divmod(part.count, batch_size)

    def batch(number: Any) -> Any:
        return gather(number * batch_size + tf.range(batch_size, dtype=tf.int64))

    def last(_: Any) -> Any:
        return gather(tf.range(part.count - rest, part.count, dtype=tf.int64))

    remainder = tf.data.Dataset.range(1).map(_as_it_is(last))
    if not full:
        return remainder
    batches = tf.data.Dataset.range(full).map(_as_it_is(batch))
    return (batches.concatenate(remainder) if rest else batches).prefetch(2)


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors that AutoGraph need not read: that takes longer than tracing it."""
    import tensorflow as tf

    converted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return converted


def _gatherer(part: Windows) -> Any:
    """From integers [n], examples, to ({"values": [n, steps, columns]}, [n, horizon, targets]) of the part's type."""
    import tensorflow as tf

    values = tf.constant(part.typed_values)
    labels = values if part.labels is part.values else tf.constant(part.typed_labels)
    if part.starts is not None:
        starts = tf.constant(part.starts)

        def gather_from(index: Any) -> Any:
            first = tf.gather(starts, index)
            return {"values": _rows_from(values, first, part.steps)}, _rows_from(
                labels, first + part.steps, part.horizon
            )

        return gather_from

    def gather(index: Any) -> Any:
        history = _cut(values, index, part.first_value, part.value_stride, part.steps)
        return {"values": history}, _cut(labels, index, part.first_label, part.label_stride, part.horizon)

    return gather


def _cut(table: Any, index: Any, first: int, stride: int, length: int) -> Any:
    """Rows [first + index · stride, + length) of the table, [n, length, columns]."""
    import tensorflow as tf

    if first + length <= stride:  # Examples lie one after another: whole ones are copied at once.
        return tf.gather(tf.reshape(table, [-1, stride, table.shape[1]]), index)[:, first : first + length]
    return _rows_from(table, tf.cast(index, tf.int64) * stride + first, length)


def _rows_from(table: Any, first: Any, length: int) -> Any:
    """Rows [first, + length) of the table for each of `first`, int64 [n]: [n, length, columns]."""
    import tensorflow as tf

    return tf.gather(table, first[:, tf.newaxis] + tf.range(length, dtype=tf.int64))


def _training_streamed(part: Stream, data: DataConfig, pipelines: int, own: int) -> tf.data.Dataset:
    import tensorflow as tf

    by_file = len(part.paths) >= pipelines
    mine = range(own, len(part.paths), pipelines) if by_file else range(len(part.paths))

    def epoch(number: Any) -> tf.data.Dataset:
        seed = tf.stack([tf.constant(data.seed or 0, tf.int64), number])
        positions = tf.range(len(mine), dtype=tf.int64) + number * len(mine)
        order = shuffled(positions, tf.constant(len(mine), tf.int64), data.seed or 0)
        examples = _examples(part, mine, order)
        examples = examples if by_file else examples.shard(pipelines, own)
        draw = tf.random.stateless_uniform([], seed, maxval=tf.int64.max, dtype=tf.int64)
        return examples.shuffle(SHUFFLE_BUFFER, seed=draw, reshuffle_each_iteration=False)

    epochs = tf.data.Dataset.range(tf.int64.max if data.num_epochs is None else data.num_epochs)
    batches = epochs.flat_map(_as_it_is(epoch)).batch(data.train_batch_size, drop_remainder=True)
    return batches.map(part.decode, num_parallel_calls=os.cpu_count(), deterministic=True).prefetch(16)


def _examples(part: Stream, files: Sequence[int], order: Any = None) -> tf.data.Dataset:
    """Examples of files as strings: one after the other, or by an `order` [files] in turns from several at once."""
    import tensorflow as tf

    addresses = [fetching.address(part.paths[file]) for file in files]
    names = [tf.constant(addresses), tf.constant(["GZIP" if part.compressed[file] else "" for file in files])]
    open_file: Callable[..., tf.data.Dataset] = part.open_file
    if any(part.left_out):
        names.append(tf.constant([*files], tf.int64))
        open_file = _leaving_out(part)
    if order is not None:
        names = [tf.gather(column, order) for column in names]
    listed = tf.data.Dataset.from_tensor_slices(tuple(names))
    if addresses != [part.paths[file] for file in files]:
        listed, open_file = fetching.ahead(listed), fetching.opening(open_file)
    if order is None:
        return listed.flat_map(open_file)
    return listed.interleave(open_file, cycle_length=_FILES_AT_ONCE, block_length=16)


def _leaving_out(part: Stream) -> Callable[..., tf.data.Dataset]:
    """`part.open_file` for a path, a compression and the number of the file, int64 [], by which it skips lines."""
    import tensorflow as tf

    ends = np.cumsum([0, *map(len, part.left_out)])
    numbers = tf.constant([number for file in part.left_out for number in file], tf.int64)

    def open_file(path: Any, compression: Any, file: Any) -> tf.data.Dataset:
        first, end = (tf.gather(tf.constant(ends, tf.int64), file + shift) for shift in (0, 1))
        return part.open_file(path, compression, numbers[first:end])

    return open_file


def _options(dataset: tf.data.Dataset, *, symbolic: bool, sharded: bool = False) -> tf.data.Dataset:
    """Saved symbolically an iterator is a few numbers; a shuffle buffer cannot be, and would warn at each example."""
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False  # halves the speed of streams, and its thread may keep an iterator from ending
    options.experimental_symbolic_checkpoint = symbolic
    # What TensorFlow takes for state here has none: a fixed seed, and the check that values are finite.
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
    if sharded:
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
