"""Parts of the data as `tf.data`: batches for training in shuffled order, batches for evaluation in their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.formats.files import fetching
from trainer.formats.pipeline.held import Held
from trainer.formats.pipeline.order import shuffled
from trainer.formats.pipeline.streams import Stream
from trainer.job.config import DataConfig

if TYPE_CHECKING:
    import tensorflow as tf

Part = Held | Stream
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
    if isinstance(part, Held):
        return _options(_training_in_memory(part, data, pipelines, own), symbolic=True, sharded=pipelines > 1)
    return _options(_training_streamed(part, data, pipelines, own), symbolic=False, sharded=pipelines > 1)


def evaluation(part: Part, batch_size: int) -> tf.data.Dataset:
    """Every example once, in order; the last batch may be smaller.

    Batches have a size of which graphs know where all have the one asked for. Parts that are smaller than a batch look
    alike, so that what evaluates one of them is traced for all.
    """
    if isinstance(part, Held):
        return _options(_evaluation_in_memory(part, batch_size), symbolic=True)
    batches = _examples(part, range(len(part.paths))).batch(batch_size)
    return _options(batches.map(_as_it_is(part.decode)).prefetch(2), symbolic=False)


def _training_in_memory(part: Held, data: DataConfig, pipelines: int, own: int) -> tf.data.Dataset:
    """Blocks of batches are gathered at once and then handed out, which costs a tenth of gathering each batch alone."""
    import tensorflow as tf

    size = data.train_batch_size
    batches = _batches(part, data, pipelines, own)
    block = max(1, min(_BLOCK_EXAMPLES, _BLOCK_FLOATS // part.floats) // size)
    gather = part.gatherer()
    count = tf.constant(part.count, tf.int64)

    def batches_of(number: Any) -> tf.data.Dataset:
        first = number * block
        last = tf.minimum(first + block, batches)
        positions = tf.range(first * size, last * size) * pipelines + own
        features, labels = gather(shuffled(positions, count, data.seed or 0))
        return tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(lambda one: tf.reshape(one, [-1, size, *one.shape[1:]]), (features, labels))
        )

    return tf.data.Dataset.range(-(-batches // block)).flat_map(_as_it_is(batches_of)).prefetch(block)


def _batches(part: Held, data: DataConfig, pipelines: int, own: int) -> int:
    """Full batches in this pipeline's share; without `num_epochs` as many as positions can be counted in an int64."""
    if data.num_epochs is None:
        return (1 << 62) // (pipelines * data.train_batch_size * 2)
    examples = part.count * data.num_epochs
    return int((examples - own + pipelines - 1) // pipelines // data.train_batch_size)


def _evaluation_in_memory(part: Held, batch_size: int) -> tf.data.Dataset:
    import tensorflow as tf

    gather = part.gatherer()
    full, rest = divmod(part.count, batch_size)

    def batch(number: Any) -> Any:
        return gather(number * batch_size + tf.range(batch_size, dtype=tf.int64))

    def from_there(first: Any) -> Any:
        return gather(tf.range(first, part.count, dtype=tf.int64))

    remainder = tf.data.Dataset.from_tensors(tf.constant(full * batch_size, tf.int64)).map(_as_it_is(from_there))
    if not full:
        return remainder
    batches = tf.data.Dataset.range(full).map(_as_it_is(batch))
    return (batches.concatenate(remainder) if rest else batches).prefetch(2)


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors that AutoGraph need not read: that takes longer than tracing it."""
    import tensorflow as tf

    converted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return converted


def _training_streamed(part: Stream, data: DataConfig, pipelines: int, own: int) -> tf.data.Dataset:
    import tensorflow as tf

    by_file = len(part.paths) >= pipelines
    mine = range(own, len(part.paths), pipelines) if by_file else range(len(part.paths))

    def epoch(number: Any) -> tf.data.Dataset:
        seed = tf.stack([tf.constant(data.seed or 0, tf.int64), number])
        positions = tf.range(len(mine), dtype=tf.int64) + number * len(mine)
        shuffle = len(mine) > 1  # of one file there is one order, and the graph of a shuffle is large
        order = shuffled(positions, tf.constant(len(mine), tf.int64), data.seed or 0) if shuffle else tf.constant([0])
        examples = _examples(part, mine, order)
        examples = examples if by_file else examples.shard(pipelines, own)
        draw = tf.random.stateless_uniform([], seed, maxval=tf.int64.max, dtype=tf.int64)
        return examples.shuffle(SHUFFLE_BUFFER, seed=draw, reshuffle_each_iteration=False)

    epochs = tf.data.Dataset.range(tf.int64.max if data.num_epochs is None else data.num_epochs)
    batches = epochs.flat_map(_as_it_is(epoch)).batch(data.train_batch_size, drop_remainder=True)
    return batches.map(_as_it_is(part.decode), num_parallel_calls=os.cpu_count(), deterministic=True).prefetch(16)


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
    open_file = _as_it_is(open_file)
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
