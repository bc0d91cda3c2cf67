"""The course's sine waves, and the input functions that read them in either package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

FEATURE = "rawdata"
SEQUENCE_LENGTH = 10
N_OUTPUTS = 1


def waves(rows: int, seed: int) -> np.ndarray:
    """`sin(arange(10) * freq) * ampl`, freq in [0.1, 0.6), ampl in [0.5, 1.5): float32 [rows, 10]."""
    random = np.random.RandomState(seed)
    frequencies = random.uniform(0.1, 0.6, (rows, 1))
    amplitudes = random.uniform(0.5, 1.5, (rows, 1))
    return (np.sin(np.arange(SEQUENCE_LENGTH) * frequencies) * amplitudes).astype(np.float32)


def write_csv(path: Path, sequences: np.ndarray) -> None:
    """Headerless CSV, a sequence a line."""
    np.savetxt(path, sequences, fmt="%.9g", delimiter=",")


def in_order(sequences: np.ndarray, batch_size: int, epochs: int | None) -> Callable[[], tf.data.Dataset]:
    """An input function that reads the rows in their order; `epochs` None repeats for ever."""

    def input_fn() -> tf.data.Dataset:
        import tensorflow as tf

        features = {FEATURE: sequences[:, :-N_OUTPUTS]}
        dataset = tf.data.Dataset.from_tensor_slices((features, sequences[:, -N_OUTPUTS:]))
        return dataset.batch(batch_size).repeat(epochs)

    return input_fn


def course_csv(path: str, batch_size: int, seed: int | None = None) -> Callable[[], tf.data.Dataset]:
    """The course's own way to read its CSV: decode a line, shuffle, repeat, batch, prefetch."""

    def input_fn() -> tf.data.Dataset:
        import tensorflow as tf

        def decode(line: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            columns = tf.io.decode_csv(line, record_defaults=[[0.0]] * SEQUENCE_LENGTH)
            return {FEATURE: tf.stack(columns[:-N_OUTPUTS])}, tf.stack(columns[-N_OUTPUTS:])

        lines = tf.data.TextLineDataset(path).map(decode)
        return lines.shuffle(10 * batch_size, seed).repeat().batch(batch_size).prefetch(1)

    return input_fn


def batched_csv(path: str, batch_size: int) -> Callable[[], tf.data.Dataset]:
    """The same file as tf.data's guide would have it: shuffle lines, batch them, then decode a batch at a time."""

    def input_fn() -> tf.data.Dataset:
        import tensorflow as tf

        lines = tf.data.TextLineDataset(path).shuffle(10 * batch_size).repeat().batch(batch_size, drop_remainder=True)
        return lines.map(decode_lines).prefetch(2)

    return input_fn


def csv_in_order(path: str, batch_size: int) -> Callable[[], tf.data.Dataset]:
    """The same file in its order for ever, which lets other programs read the very same batches."""

    def input_fn() -> tf.data.Dataset:
        import tensorflow as tf

        lines = tf.data.TextLineDataset(path).repeat().batch(batch_size, drop_remainder=True)
        return lines.map(decode_lines).prefetch(2)

    return input_fn


def decode_lines(lines: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """A batch: features float32 [batch, 9] and labels [batch, 1] of lines string [batch]."""
    import tensorflow as tf

    columns = tf.io.decode_csv(lines, record_defaults=[[0.0]] * SEQUENCE_LENGTH)
    return {FEATURE: tf.stack(columns[:-N_OUTPUTS], 1)}, tf.stack(columns[-N_OUTPUTS:], 1)
