"""A wide table in plain TensorFlow and Keras; and the speed of its file."""

from __future__ import annotations

import os

from benchmarks.race.contenders.startup import since_start
from benchmarks.race.contenders.task import Figures, Task

SIZES, LEARNING_RATE = (128, 64, 1), 0.001


def batches(task: Task, path: str):  # type: ignore[no-untyped-def]  # TensorFlow is imported below
    """`tf.data` as its guide has it: lines in batches, decoded by as many threads as pay."""
    import tensorflow as tf

    def decode(lines: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        columns = tf.io.decode_csv(lines, [[0.0]] * (task["columns"] + 1))
        return tf.stack(columns[:-1], 1), columns[-1][:, None]

    compression = "GZIP" if path.endswith(".gz") else ""
    lines = tf.data.TextLineDataset(path, compression, buffer_size=1 << 20).skip(1)
    lines = lines.batch(task["batch_size"], drop_remainder=True)
    return lines.map(decode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def decode_csv(task: Task) -> Figures:
    """One pass over the file; the mean square of its labels shows that it was read."""
    import tensorflow as tf

    began, squares = task.clock(), tf.constant(0.0, tf.float64)
    for _, labels in batches(task, task["path"]):
        squares += tf.reduce_sum(tf.square(tf.cast(labels, tf.float64)))
    return Figures(rate=task["rows"] / (task.clock() - began), loss=float(squares) / task["rows"])


def keras_fit(task: Task) -> Figures:
    """A command that trains for a pass and evaluates."""
    import keras

    model = keras.Sequential([keras.Input((task["columns"],))])
    for size in SIZES:
        model.add(keras.layers.Dense(size, activation=None if size == SIZES[-1] else "relu"))
    rmse = keras.metrics.RootMeanSquaredError()
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "mse", metrics=[rmse], steps_per_execution=20, jit_compile=True)
    model.fit(batches(task, task["path"]), epochs=1, verbose=0)
    _, judged = model.evaluate(batches(task, task["eval_path"]), verbose=0)
    return Figures(rate=task["rows"] / since_start(task), loss=judged)


def disk(task: Task) -> Figures:
    """The bytes of the file, which the kernel was told to forget before."""
    with open(task["path"], "rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = task.clock()
        while file.read(4 << 20):
            pass
        seconds = task.clock() - began
    megabytes = os.path.getsize(task["path"]) / 1e6
    return Figures(rate=task["rows"] / seconds, notes={"MB": megabytes, "MB/s": megabytes / seconds})
