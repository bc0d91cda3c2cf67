"""The events of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.estimator.saving.evaluation_events import write_results
from trainer.estimator.saving.job_directory import JobDirectories


def written(results: dict[str, Any], directory: Path) -> dict[str, Any]:
    """What the one event file of an evaluation of step 7 has, by tag."""
    write_results(JobDirectories({}), str(directory / "eval"), results, None)
    (file,) = (directory / "eval").iterdir()
    found: dict[str, Any] = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            found[value.tag] = tf.make_ndarray(value.tensor).tolist() if kind == "tensor" else getattr(value, kind)
            assert event.step == 7
    return found


def test_arrays_are_written_as_tensors_beside_the_scalars(tmp_path: Path) -> None:
    results = {"accuracy": np.float32(0.5), "confusion": np.array([[3, 1], [0, 4]]), "global_step": np.int64(7)}
    assert written(results, tmp_path) == {"accuracy": 0.5, "confusion": [[3, 1], [0, 4]]}


def test_parts_of_tuples_are_numbered(tmp_path: Path) -> None:
    results = {"nested": ((np.float32(2), np.int64(1)), np.array([3.0, 4.0])), "global_step": np.int64(7)}
    assert written(results, tmp_path) == {"nested/0": 2, "nested/1": 1, "nested/2": [3.0, 4.0]}


def test_the_summary_of_an_image_is_an_image_and_other_bytes_are_a_text(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        image = session.run(tf.compat.v1.summary.image("seen", tf.zeros([5, 3, 3, 1]), max_outputs=2))
    found = written({"pictures": image, "name": b"a name", "global_step": np.int64(7)}, tmp_path)
    assert found.keys() == {"pictures/0", "pictures/1", "name"}
    assert (found["pictures/0"].height, found["name"]) == (3, b"a name")
