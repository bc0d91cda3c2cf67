"""What README.md shows is true: its model function trains, and every flag that it names exists."""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import re

from trainer import inputs, task
from trainer.formats.settings import ForecastData
from trainer.formats.tables.settings import TableData
from trainer.job.config import RunSettings
from trainer.launch.cluster.options import ClusterOptions
from trainer.launch.kubernetes.options import KubernetesOptions
from trainer.launch.submission.options import SubmitOptions
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
    kinds = (RunSettings, ForecastData, TableData, Params, ClusterOptions, SweepOptions, *submissions)
    known = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    named = {name.replace("-", "_") for name in re.findall(r"`--([a-z][\w-]+)", README)}
    assert named - known == {"job_dir", "flagfile", "version"}


def test_every_message_that_is_explained_is_said() -> None:
    literals = re.compile(r'"\s*f?"')  # between the parts of a text that is written in several lines
    package = pathlib.Path(task.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    said = literals.sub("", "\n".join([*sources, os.strerror(errno.ENOSPC)]))
    cells = re.findall(r"^\| (.*?) \|", README.partition("| message | fix |")[2], re.MULTILINE)[1:]
    quoted = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    values = re.compile(r"…|\.\.\.|gs://|--\w+=?\w*|\bN\b|\b\d[\d.]*")
    parts = [part.strip(" :?.") for text in quoted for part in values.split(text)]
    assert len(quoted) > 15
    assert [part for part in parts if len(part) > 3 and part not in said] == []
