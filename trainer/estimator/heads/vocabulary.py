"""Classes by their numbers and by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Vocabulary = Sequence[str]


def check(vocabulary: Any, error: type[Exception] = ValueError) -> None:
    """Looks at the type of a label vocabulary.

    Raises:
      ValueError: it is no list or tuple; or the error that is given.
    """
    if vocabulary is not None and not isinstance(vocabulary, list | tuple):
        raise error(f"A head was given label_vocabulary {vocabulary!r}. It takes a list or a tuple of strings")


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
    numbers = tf.range(len(vocabulary), dtype=tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(list(vocabulary), numbers), -1)
    return table.lookup(labels)


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
