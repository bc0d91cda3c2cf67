"""An input function of TensorFlow 1 on parameter servers and in synchronous workers."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from tests.cluster.conftest import Start

pytestmark = pytest.mark.process


@pytest.mark.parametrize("cluster", [["--worker=1", "--ps=1"], ["--worker=1"]], ids=["ps", "sync"])
def test_every_batch_that_an_iterator_gives_is_trained_on(start: Start, tmp_path: Path, cluster: list[str]) -> None:
    start(*cluster, module="tests.cluster.iterator_job", task=[f"--output_dir={tmp_path}"]).completes()
    # Each batch has a one and a two.
    assert tf.train.load_variable(str(tmp_path), "seen") == pytest.approx(30.0)
