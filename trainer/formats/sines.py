"""The course's sine waves: sin(arange(L) · frequency) · amplitude, for jobs that are given no data."""

from __future__ import annotations

import contextlib
import io

import numpy as np

from trainer import storage
from trainer.job.errors import DataError

TRAIN_ROWS = 1000
EVALUATION_ROWS = 50
_PARTS = (("train.csv", TRAIN_ROWS), ("valid.csv", EVALUATION_ROWS))


def rows(length: int) -> tuple[np.ndarray, np.ndarray]:
    """float64 [1000, length] for training and [50, length] for evaluation; the same every time.

    Frequencies are uniform in [0.1, 0.6), amplitudes in [0.5, 1.5), without noise (Lab 7).
    """
    return tuple(_waves(length, count, seed) for seed, (_, count) in enumerate(_PARTS))  # type: ignore[return-value]


def generate(folder: str, length: int) -> None:
    """Writes `train.csv` and `valid.csv` below `folder` unless they are there.

    Raises:
      DataError: files of these names are there and hold other numbers.
    """
    for (name, _), waves in zip(_PARTS, rows(length), strict=True):
        path = storage.join(folder, name)
        if not storage.exists(path):
            _publish(path, waves)
        elif not _holds(path, waves):
            raise DataError(
                f"{path} holds other numbers than the generated sine waves of --sequence_length={length}",
                "the files that an earlier run with the same --sequence_length generated",
                "Take another --output_dir, or train on the files as they are: "
                f"--train_data_paths={folder}/train.csv --eval_data_paths={folder}/valid.csv",
            )


def _waves(length: int, count: int, seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(seed))
    frequency = 0.1 + 0.5 * generator.random((count, 1))
    amplitude = 0.5 + generator.random((count, 1))
    return np.asarray(np.sin(np.arange(length) * frequency) * amplitude)


def _publish(path: str, waves: np.ndarray) -> None:
    text = "".join(",".join(map(repr, row)) + "\n" for row in waves.tolist())
    with contextlib.suppress(storage.ConflictError):  # another process of the job was faster
        storage.write(path, text.encode(), if_generation=storage.ABSENT)


def _holds(path: str, waves: np.ndarray) -> bool:
    """Whether a file has these numbers, up to what another machine's sine may differ by."""
    try:
        found = np.loadtxt(io.StringIO(storage.read(path).decode()), delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return False
    return found.shape == waves.shape and np.allclose(found, waves, rtol=0, atol=1e-12)
