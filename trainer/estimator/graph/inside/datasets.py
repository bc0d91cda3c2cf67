"""What datasets are made of: the steps from what they read to what they give, so that they can be made again.

A dataset tells neither what it goes over nor with what settings; `DatasetToGraph`, the public way, takes none that has
a shuffle or a state of its own. So the attributes are read that TensorFlow's classes keep.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.python.data.experimental.ops import batching, shuffle_ops
from tensorflow.python.data.ops import (
    batch_op,
    dataset_ops,
    map_op,
    prefetch_op,
    repeat_op,
    shard_op,
    shuffle_op,
    skip_op,
    take_op,
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of a pipeline.

    Attributes:
      before: the dataset that it goes over.
      again: makes the same step over another dataset, whose elements may be of other types.
      function: what is called with the flat components of each element; None where elements stay as they are.
      structure: of the elements that the function gives; None without one.
      batches: whether it puts elements together.
      batch_size: how many, where that is known before it runs.
      drops: whether it is known to leave out the rest of the elements at the end, where that is less than a batch.
      repeats: whether it goes over the elements before it several times.
      reads_ahead: whether it only reads ahead.
      options: whether it only says how to run the pipeline.
      shuffled: how many elements it holds to draw from.
      parallel: how many elements are worked on at once, int64 []; None for one.
      gathers: whether its function only takes rows that are in memory.
    """

    before: tf.data.Dataset
    again: Callable[[tf.data.Dataset], tf.data.Dataset]
    function: Any = None
    structure: Any = None
    batches: bool = False
    batch_size: int | None = None
    drops: bool = False
    repeats: bool = False
    reads_ahead: bool = False
    options: bool = False
    shuffled: int = 0
    parallel: Any = None
    gathers: bool = False


class MadeDataset(dataset_ops._VariantDataset):
    """A step made again by an op of its own, which knows what it goes over.

    Args:
      variant: of the step, [].
      step: the one that it is.
      element_spec: of what it gives; None where elements stay as they are.
    """

    def __init__(self, variant: tf.Tensor, step: Step, element_spec: Any = None) -> None:
        super().__init__(variant, step.before.element_spec if element_spec is None else element_spec)
        self.step = step


class HoldingDataset(dataset_ops._VariantDataset):
    """A dataset of a variant that holds on to what the variant was made of.

    TensorFlow calls the Python functions of a pipeline by a name, under which they can be found for as long as their
    graph lives; and a variant keeps no graph alive.

    Args:
      variant: of a dataset, [].
      element_spec: of what it gives.
      origin: what keeps its functions: the dataset, or the graph that it was made in.
    """

    def __init__(self, variant: tf.Tensor, element_spec: Any, origin: Any) -> None:
        super().__init__(variant, element_spec)
        self.origin = origin


def respecified(dataset: tf.data.Dataset, element_spec: Any) -> tf.data.Dataset:
    """The same elements, of which other things are known.

    Args:
      dataset: gives them.
      element_spec: what is known of them.
    """
    return HoldingDataset(tf.data.experimental.to_variant(dataset), element_spec, dataset)


def steps_of(dataset: tf.data.Dataset) -> list[Step]:
    """The last step of a dataset; where that is two in one, the later one first. Empty for a step that is not known."""
    dataset = unwrapped(dataset)
    if isinstance(dataset, MadeDataset):
        return [dataset.step]
    # Exactly these: a class made of one of them may do more.
    for kind, read in _STEPS.items():
        if type(dataset) is kind:
            return read(dataset)
    return []


def gathered(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """A map by a function that only takes rows that are in memory."""
    mapped = dataset.map(function)
    (step,) = steps_of(mapped)
    variant = tf.data.experimental.to_variant(mapped)
    return MadeDataset(variant, dataclasses.replace(step, gathers=True), mapped.element_spec)


def changes_refused(dataset: tf.data.Dataset) -> bool:
    """Whether a program has switched off what TensorFlow changes in pipelines by itself.

    `options()` warns in a graph; what it reads there are the settings that Python keeps.
    """
    return unwrapped(dataset)._options_attr.experimental_optimization.apply_default_optimizations is False


def unwrapped(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset within one of TensorFlow 1, which wraps each."""
    while isinstance(dataset, dataset_ops.DatasetV1Adapter):
        dataset = dataset._dataset
    return dataset


def _types(dataset: tf.data.Dataset) -> Mapping[str, Any]:
    """What ops of datasets are told of elements. Nothing public gives this for composite ones."""
    structure: Mapping[str, Any] = dataset._flat_structure
    return structure


def _same(make: Callable[[Any, tf.data.Dataset], tf.data.Dataset], **what: bool) -> Callable[[Any], list[Step]]:
    """A step that leaves elements as they are."""

    def read(dataset: Any) -> list[Step]:
        return [Step(before=dataset._input_dataset, again=lambda other: make(dataset, other), **what)]

    return read


def _shuffle(dataset: Any) -> list[Step]:
    """The public method would draw other seeds."""
    seeds = {"buffer_size": dataset._buffer_size, "seed": dataset._seed, "seed2": dataset._seed2}

    def again(other: tf.data.Dataset) -> tf.data.Dataset:
        settings = {**seeds, "reshuffle_each_iteration": dataset._reshuffle_each_iteration, **_types(other)}
        variant = tf.data.experimental.to_variant(other)
        # As TensorFlow chooses: the op of version 2 has its seeds from a generator that outlives one iteration.
        within = tf.executing_eagerly() or tf.compat.v1.get_default_graph().building_function
        if tf.__internal__.tf2.enabled() and within:
            generator = tf.raw_ops.DummySeedGenerator()
            made = tf.raw_ops.ShuffleDatasetV3(input_dataset=variant, seed_generator=generator, **settings)
        else:
            made = tf.raw_ops.ShuffleDataset(input_dataset=variant, **settings)
        return MadeDataset(made, dataclasses.replace(step, before=other))

    step = Step(before=dataset._input_dataset, again=again, shuffled=_number(dataset._buffer_size))
    return [step]


def _shuffle_and_repeat(dataset: Any) -> list[Step]:
    def again(other: tf.data.Dataset) -> tf.data.Dataset:
        made = tf.raw_ops.ShuffleAndRepeatDataset(
            input_dataset=tf.data.experimental.to_variant(other),
            buffer_size=dataset._buffer_size,
            seed=dataset._seed,
            seed2=dataset._seed2,
            count=dataset._count,
            **_types(other),
        )
        return MadeDataset(made, dataclasses.replace(step, before=other))

    step = Step(before=dataset._input_dataset, again=again, repeats=True, shuffled=_number(dataset._buffer_size))
    return [step]


def _number(tensor: tf.Tensor) -> int:
    """The number [] that a tensor is, or 1 where that is not known before it runs."""
    known = _known(tensor)
    return 1 if known is None else known


def _known(tensor: tf.Tensor) -> int | None:
    """The number [] that a tensor is; None where that is not known before it runs."""
    value = tf.get_static_value(tensor)
    return None if value is None else int(value)


def _map(dataset: Any) -> list[Step]:
    wrapper, parallel = dataset._map_func, getattr(dataset, "_num_parallel_calls", None)
    # The function as it was traced. To call the program's once more would run what it does in Python twice.
    settings = {"f": wrapper.function, "other_arguments": wrapper.function.captured_inputs}

    def again(other: tf.data.Dataset) -> tf.data.Dataset:
        variant = tf.data.experimental.to_variant(other)
        if parallel is None:
            made = tf.raw_ops.MapDataset(
                input_dataset=variant, preserve_cardinality=dataset._preserve_cardinality, **settings, **_types(dataset)
            )
        else:
            made = tf.raw_ops.ParallelMapDatasetV2(
                input_dataset=variant,
                num_parallel_calls=parallel,
                deterministic=dataset._deterministic,
                preserve_cardinality=dataset._preserve_cardinality,
                **settings,
                **_types(dataset),
            )
        return MadeDataset(made, dataclasses.replace(step, before=other), dataset.element_spec)

    step = Step(
        before=dataset._input_dataset,
        again=again,
        function=wrapper.function,
        structure=wrapper.output_structure,
        parallel=parallel,
    )
    return [step]


def _batch(dataset: Any) -> list[Step]:
    def again(other: tf.data.Dataset) -> tf.data.Dataset:
        return other.batch(dataset._batch_size, drop_remainder=dataset._drop_remainder)

    return [
        Step(
            before=dataset._input_dataset,
            again=again,
            batches=True,
            batch_size=_known(dataset._batch_size),
            drops=bool(_known(dataset._drop_remainder)),
        )
    ]


def _map_and_batch(dataset: Any) -> list[Step]:
    """Two steps in one, of which neither is there by itself."""
    wrapper = dataset._map_func

    def batch(other: tf.data.Dataset) -> tf.data.Dataset:
        return other.batch(dataset._batch_size_t, drop_remainder=dataset._drop_remainder_t)

    def refuse(other: tf.data.Dataset) -> tf.data.Dataset:
        # Whoever asks leaves the pipeline as its program made it.
        raise NotImplementedError(f"the map before the batches of {dataset} over {other}")

    # The order in which the steps stand in a pipeline, from its end.
    return [
        Step(before=dataset._input_dataset, again=batch, batches=True),
        Step(
            before=dataset._input_dataset,
            again=refuse,
            function=wrapper.function,
            structure=wrapper.output_structure,
            parallel=dataset._num_parallel_calls_t,
        ),
    ]


_STEPS: Mapping[type, Callable[[Any], list[Step]]] = {
    repeat_op._RepeatDataset: _same(lambda own, other: other.repeat(own._count), repeats=True),
    take_op._TakeDataset: _same(lambda own, other: other.take(own._count)),
    skip_op._SkipDataset: _same(lambda own, other: other.skip(own._count)),
    shard_op._ShardDataset: _same(lambda own, other: other.shard(own._num_shards, own._index)),
    prefetch_op._PrefetchDataset: _same(lambda own, other: other.prefetch(_number(own._buffer_size)), reads_ahead=True),
    dataset_ops._OptionsDataset: _same(lambda own, other: other.with_options(own._options_attr), options=True),
    shuffle_op._ShuffleDataset: _shuffle,
    shuffle_ops._ShuffleAndRepeatDataset: _shuffle_and_repeat,
    map_op._MapDataset: _map,
    map_op._ParallelMapDataset: _map,
    batch_op._BatchDataset: _batch,
    batch_op._ParallelBatchDataset: _batch,
    batching._MapAndBatchDataset: _map_and_batch,
}
