"""Models of tf.estimator's time train on workers in step and on parameter servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import old_model_job
from tests.cluster.conftest import Start
from trainer import estimator as tf_estimator
from trainer.compat.v1 import estimator as tf1_estimator

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore:.*tf.layers:UserWarning")]


@pytest.mark.parametrize("shape", [["--worker=1"], ["--worker=1", "--ps=2"]], ids=["sync", "ps"])
@pytest.mark.parametrize("model", ["canned", "layers"])
def test_an_old_model_learns_on_a_cluster(start: Start, tmp_path: Path, model: str, shape: list[str]) -> None:
    task = [f"--model={model}", f"--output_dir={tmp_path}"]
    start(*shape, module="tests.cluster.old_model_job", task=task).completes()
    config = tf_estimator.RunConfig(str(tmp_path))
    if model == "canned":
        trained = old_model_job.canned(config)
    else:
        trained = tf1_estimator.Estimator(old_model_job.model_fn, config=config)
    metrics = trained.evaluate(old_model_job.input_fn, steps=4)
    assert metrics["global_step"] >= 200
    assert metrics["accuracy"] > 0.8
