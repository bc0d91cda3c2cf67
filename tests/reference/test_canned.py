"""Canned Estimators that tf.estimator 2.15 began: ours go on from its directories with its numbers and its names.

`canned/` was made by `make_canned.py` under tensorflow-cpu 2.15.1; nothing of that environment is needed here.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.estimator_run import BATCH_SIZE, Record, read_records, run
from tests.reference.make_canned import CANNED, CASES, STEPS, plan

TOLERANCE = 1e-6  # of an example; a loss of TensorFlow 1 is a sum over its batch


@pytest.fixture(scope="module", params=sorted(CASES))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Record, Path]:
    """What the reference recorded, what ours did from the same directory, and where."""
    case, home = request.param, tmp_path_factory.mktemp(request.param)
    (theirs,) = read_records(CANNED / case / "records.json")
    # Those of version 2 are made by XLA from their first step, those of version 1 as a graph; and so are those of the
    # linear part alone, which XLA makes beside a deep one.
    compiled = 1 if case.endswith("_v2") and case != "linear_v2" else 0
    begun = plan(case, home, "continued", STEPS, CANNED / case / "model_dir")
    ours = dataclasses.replace(begun, jit_level=compiled)
    return theirs, run(ours), Path(ours.model_dir)


def test_a_hundred_losses_are_the_references(pair: tuple[Record, Record, Path]) -> None:
    theirs, ours, _ = pair
    compared = sorted(theirs.losses.keys() & ours.losses.keys())
    assert len(compared) == STEPS
    expected = np.array([theirs.losses[step] for step in compared])
    bound = TOLERANCE * (BATCH_SIZE if "v1" in ours.name else 1)
    np.testing.assert_allclose([ours.losses[step] for step in compared], expected, rtol=TOLERANCE, atol=bound)


def test_metrics_and_predictions_are_the_references(pair: tuple[Record, Record, Path]) -> None:
    theirs, ours, _ = pair
    for expected, metrics in ((theirs.metrics_before, ours.metrics_before), (theirs.metrics, ours.metrics)):
        assert metrics == pytest.approx(expected, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(ours.predictions, theirs.predictions, atol=1e-5)


def test_our_checkpoint_has_every_variable_that_the_reference_reads(pair: tuple[Record, Record, Path]) -> None:
    theirs, _, directory = pair
    names = dict(tf.train.list_variables(str(directory)))
    own = {name for name in names if name.startswith("_trainer_input/")}
    assert {name: names[name] for name in names.keys() - own} == {
        name: list(np.shape(value)) for name, value in theirs.variables.items()
    }


def test_the_variables_are_the_references(pair: tuple[Record, Record, Path]) -> None:
    theirs, ours, _ = pair
    for name, value in theirs.variables.items():
        np.testing.assert_allclose(ours.variables[name], value, rtol=1e-4, atol=1e-4, err_msg=name)
