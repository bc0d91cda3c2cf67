"""The events of an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from trainer.estimator.saving.evaluation_events import write_results
from trainer.estimator.saving.job_directory import JobDirectories


def test_arrays_are_written_as_tensors_beside_the_scalars(tmp_path: Path) -> None:
    results = {"accuracy": np.float32(0.5), "confusion": np.array([[3, 1], [0, 4]]), "global_step": np.int64(7)}
    write_results(JobDirectories({}), str(tmp_path / "eval"), results, None)
    (file,) = (tmp_path / "eval").iterdir()
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            is_scalar = value.WhichOneof("value") == "simple_value"
            found[value.tag] = value.simple_value if is_scalar else tf.make_ndarray(value.tensor).tolist()
            assert event.step == 7
    assert found == {"accuracy": 0.5, "confusion": [[3, 1], [0, 4]]}
