"""Evaluations that are traced before anything is evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from trainer.estimator import EstimatorSpec, RunConfig
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.saving import slices
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps.inference.traced_evaluations import TracedEvaluations

SPEC = tf.TensorSpec([2, 1])


@pytest.mark.parametrize(("cluster", "calls"), [({}, 1), ({"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}, 2)])
def test_a_chief_traces_anew_after_it_has_joined_its_servers(
    cluster: dict[str, Any], calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str] = []

    def model_fn(features: tf.Tensor, mode: str) -> EstimatorSpec:
        modes.append(mode)
        weight = tf.Variable(3.0, name="weight")
        return EstimatorSpec(mode, loss=tf.reduce_mean(features * weight))

    if cluster:
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}}))
    evaluations = TracedEvaluations(ModelFunction(model_fn, None, RunConfig()))
    values = StartingValues()
    evaluations.prepare(SPEC, values)
    prefix = str(tmp_path / "model.ckpt-7")
    slices.write(prefix, {"weight": tf.constant(4.0), "global_step": tf.constant(7, tf.int64)})
    ready = evaluations.ready(SPEC, values.at(prefix))
    assert ready.traced.store.by_name["weight"].numpy() == 4.0
    assert ready is evaluations.ready(SPEC, values.at(prefix))
    assert len(modes) == calls
