"""Classes by their numbers and by their names."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Vocabulary = Sequence[str]
_BUCKETS = 2**62  # so many that no two names of a vocabulary share one


def check(vocabulary: Any, error: type[Exception] = ValueError) -> None:
    """Looks at a label vocabulary.

    Raises:
      ValueError: it is no list or tuple, or the error that is given then; a name is in it twice.
    """
    if vocabulary is None:
        return
    if not isinstance(vocabulary, list | tuple):
        raise error(f"A head was given label_vocabulary {vocabulary!r}. It takes a list or a tuple of strings")
    twice = sorted(name for name, times in collections.Counter(vocabulary).items() if times > 1)
    if twice:
        raise ValueError(f"A head's label_vocabulary has {', '.join(map(repr, twice))} more than once. Names differ")


def check_size(vocabulary: Vocabulary | None, n_classes: Any) -> None:
    """Looks at the length of a label vocabulary.

    Raises:
      ValueError: it has more or less names than there are classes.
    """
    if vocabulary is not None and len(vocabulary) != n_classes:
        raise ValueError(
            f"A head was given a label_vocabulary of {len(vocabulary)} names and n_classes {n_classes}. "
            "They are as many. Give each class one name"
        )


def check_strings(labels: Any) -> None:
    """Looks at the type of labels, of any shape, that a vocabulary is for.

    Raises:
      ValueError: they are no strings.
    """
    if labels.dtype != tf.string:
        raise ValueError(
            f"A head with a label_vocabulary was given labels of type {labels.dtype.name}. It takes strings. "
            "Leave the vocabulary out, or return names from the input function"
        )


def ids(labels: tf.Tensor, vocabulary: Vocabulary) -> tf.Tensor:
    """The numbers of labels, string of any shape: int64 of that shape, -1 for those that are in no class."""
    # A hash table would be a resource, and a step that uses one is not divided among parameter servers.
    classes = tf.constant(list(vocabulary))
    hashes = tf.strings.to_hash_bucket_fast(classes, _BUCKETS)
    order = tf.argsort(hashes)
    wanted = tf.reshape(tf.strings.to_hash_bucket_fast(labels, _BUCKETS), [-1])
    place = tf.minimum(tf.searchsorted(tf.gather(hashes, order), wanted), len(vocabulary) - 1)
    found = tf.reshape(tf.gather(order, place), tf.shape(labels))
    return tf.where(tf.equal(tf.gather(classes, found), labels), tf.cast(found, tf.int64), -1)


def names(class_ids: tf.Tensor, vocabulary: Vocabulary | None) -> tf.Tensor:
    """The names of classes, int64 of any shape: string of that shape, the numbers where there is no vocabulary."""
    if vocabulary is None:
        return tf.strings.as_string(class_ids, name="str_classes")
    return tf.gather(tf.constant(list(vocabulary)), class_ids)


def all_ids(logits: tf.Tensor, n_classes: Any) -> tf.Tensor:
    """The numbers of all classes for each example of logits [batch, …]: int32 [batch, n_classes]."""
    return tf.tile(tf.expand_dims(tf.range(n_classes), 0), [tf.shape(logits)[0], 1])


def all_names(logits: tf.Tensor, n_classes: Any, vocabulary: Vocabulary | None) -> tf.Tensor:
    """The names of all classes for each example: string [batch, n_classes].

    Args:
      logits: [batch, …].
      n_classes: how many there are.
      vocabulary: their names; None for their numbers.
    """
    classes = tf.strings.as_string(tf.range(n_classes)) if vocabulary is None else tf.constant(list(vocabulary))
    return tf.tile(tf.expand_dims(classes, 0), [tf.shape(logits)[0], 1])
