"""What README.md shows is true: its model function trains, and every flag that it names exists."""

from __future__ import annotations

import dataclasses
import pathlib
import re

from trainer import inputs
from trainer.formats.settings import ForecastData
from trainer.job.config import RunSettings
from trainer.launch.cluster.options import ClusterOptions
from trainer.launch.kubernetes.options import KubernetesOptions
from trainer.launch.submit.options import SubmitOptions
from trainer.launch.sweep.options import SweepOptions
from trainer.launch.vertex.options import VertexOptions
from trainer.model import Params

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_model_function_trains_as_it_is_written(tmp_path: pathlib.Path) -> None:
    import tensorflow as tf

    from trainer.estimator import Estimator, EstimatorSpec, ModeKeys, RunConfig

    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {"tf": tf, "EstimatorSpec": EstimatorSpec, "ModeKeys": ModeKeys}
    exec(code, names)
    data = ForecastData(seed=1)
    source = inputs.describe(data)
    estimator = Estimator(
        names["model_fn"],
        model_dir=str(tmp_path),
        config=RunConfig(tf_random_seed=1, save_checkpoints_steps=1000),
        params=Params(learning_rate=0.05),
    )
    losses = []
    for _ in range(2):
        estimator.train(lambda: inputs.train_input_fn(source, data), steps=200)
        losses.append(estimator.evaluate(lambda: inputs.eval_input_fn(source, data))["loss"])
    assert losses[1] < losses[0]
    assert estimator.get_variable_value("weights").shape == (9, 1)
    forecast = next(estimator.predict(lambda: inputs.eval_input_fn(source, data)))["forecast"]
    assert forecast.shape == (1,)


def test_every_flag_that_is_named_exists() -> None:
    submissions = (SubmitOptions, VertexOptions, KubernetesOptions)
    kinds = (RunSettings, ForecastData, Params, ClusterOptions, SweepOptions, *submissions)
    known = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    named = {name.replace("-", "_") for name in re.findall(r"`--([a-z][\w-]+)", README)}
    assert named - known == {"job_dir", "flagfile"}
