"""Losses, metrics and predictions of heads on 200 random batches: those of tf.estimator 2.15.

`golden/heads.json` was made by `make_head_numbers.py` under tensorflow-cpu 2.15.1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.reference.head_cases import BATCHES, CASES, KINDS, OF_V1, Case, numbers_of_v1, numbers_of_v2
from trainer import estimator
from trainer.compat.v1.contrib import estimator as v1_heads

GOLDEN = json.loads((Path(__file__).parent / "golden" / "heads.json").read_text(encoding="utf-8"))
V1_HEADS = {
    "binary": v1_heads.binary_classification_head,
    "names": v1_heads.binary_classification_head,
    "classes": v1_heads.multi_class_head,
    "class_names": v1_heads.multi_class_head,
    "numbers": v1_heads.regression_head,
}


def v1_head(kind: str, **arguments: Any) -> Any:
    return V1_HEADS[kind](**arguments)


def assert_equal(numbers: dict[str, list[float]], golden: dict[str, list[float]]) -> None:
    assert set(numbers) == set(golden)
    for name, values in numbers.items():
        assert values == pytest.approx(golden[name], rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("kind", KINDS)
def test_heads_measure_and_predict_as_those_of_tf_estimator(kind: str) -> None:
    cases = [case for case in map(Case, CASES) if case.kind == kind]
    assert len(cases) * BATCHES * len(KINDS) == 200
    for case in cases:
        assert_equal(numbers_of_v2(case, tf, estimator), GOLDEN[f"v2 {case.number}"])


@pytest.mark.parametrize("kind", OF_V1)
def test_heads_of_the_first_version_measure_as_those_of_tf_estimator(kind: str) -> None:
    cases = [case for case in map(Case, CASES) if case.kind == kind]
    # Names are looked up, and then all is as with the numbers of the classes.
    for case in cases[:2] if "names" in kind else cases:
        assert_equal(numbers_of_v1(case, tf.compat.v1, v1_head), GOLDEN[f"v1 {case.number}"])
