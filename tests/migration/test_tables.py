"""What the tables of migrations name is there: modules of ours, parts of tf.contrib, files of TensorFlow."""

from __future__ import annotations

import ast
import importlib
import pathlib

import pytest

from trainer.migration import advice, known_names, modules
from trainer.migration.modules import Generation
from trainer.migration.own_names import OwnNames

ROOT = pathlib.Path(__file__).parent.parent.parent
GONE = [
    "tensorflow",
    "tensorflow.estimator",
    "tensorflow.estimator.export",
    "tensorflow.estimator.inputs",
    "tensorflow.estimator.experimental",
    "tensorflow.python.estimator.inputs.pandas_io",
    "tensorflow.python.estimator.tpu.tpu_config",
    "tensorflow.keras.estimator",
    "tensorflow.layers",
    "tensorflow.nn.rnn_cell",
    "tensorflow.lookup",
    *(f"tensorflow.contrib.{name}" for name in ("crf", "data", "layers", "metrics", "rnn", "tpu", "training")),
]


@pytest.mark.parametrize("generation", Generation)
@pytest.mark.parametrize("module", GONE)
def test_an_import_can_go_through_the_counterpart(module: str, generation: Generation) -> None:
    own = modules.counterpart(module, generation)
    if own is None:
        assert generation is Generation.V2
        return
    importlib.import_module(modules.place(own))


def test_the_parts_of_contrib_that_are_given_are_those_of_compat() -> None:
    tree = ast.parse((ROOT / "trainer" / "compat" / "v1" / "contrib" / "__init__.py").read_text(encoding="utf-8"))
    given = {
        each.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("_GIVEN", "_OWN")
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and str(each.value).isidentifier()
    }
    assert given == advice.CONTRIB_GIVEN - {"keras"}


def test_names_of_both_versions_are_read_from_the_files_of_tensorflow() -> None:
    one, two = known_names.version_1(), known_names.version_2()
    names = ("placeholder", "train.get_global_step", "logging.INFO", "app.run", "function", "math.multiply", "x")
    assert [name for name in names if one.lacks(name)] == ["x"]
    assert [name for name in names if two.lacks(name)] == [
        "placeholder",
        "train.get_global_step",
        "logging.INFO",
        "app.run",
        "x",
    ]


def test_names_of_our_own_are_read_from_our_files() -> None:
    own = OwnNames()
    given = ("contrib.layers.fully_connected", "contrib.rnn.LSTMCell", "estimator.RunConfig.replace", "layers.x")
    assert [name for name in given if own.lacks(name)] == []
    assert [own.lacks(f"estimator.{name}") for name in ("_regression_head", "_no_head")] == [False, True]
    assert own.lacks("contrib.estimator.RNNEstimator")
    assert own.advice("contrib.estimator.RNNEstimator") == "Write a model function with tf.nn.dynamic_rnn"
