"""Makes `golden/heads.json`; runs in an environment with `tensorflow-cpu==2.15.1`.

PYTHONPATH=. python tests/reference/make_head_numbers.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_estimator.python.estimator.canned import head as v1_heads

from tests.reference.head_cases import CASES, OF_V1, Case, numbers_of_v1, numbers_of_v2

GOLDEN = Path(__file__).parent / "golden" / "heads.json"
V1_HEADS = {
    "binary": v1_heads._binary_logistic_head_with_sigmoid_cross_entropy_loss,
    "names": v1_heads._binary_logistic_head_with_sigmoid_cross_entropy_loss,
    "classes": v1_heads._multi_class_head_with_softmax_cross_entropy_loss,
    "class_names": v1_heads._multi_class_head_with_softmax_cross_entropy_loss,
    "numbers": v1_heads._regression_head,
}


def v1_head(kind: str, **arguments: Any) -> Any:
    """A head of the first version."""
    return V1_HEADS[kind](**arguments)


def main() -> None:
    """Writes the numbers of all cases, with the digits that a float32 has."""
    cases = [Case(number) for number in CASES]
    made = {f"v2 {case.number}": numbers_of_v2(case, tf, tf.estimator) for case in cases}
    of_v1 = [case for case in cases if case.kind in OF_V1]
    made |= {f"v1 {case.number}": numbers_of_v1(case, tf.compat.v1, v1_head) for case in of_v1}
    lines = [f"{json.dumps(name)}: {json.dumps(_rounded(numbers))}" for name, numbers in made.items()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _rounded(numbers: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [float(f"{value:.9g}") for value in values] for name, values in numbers.items()}


if __name__ == "__main__":
    main()
