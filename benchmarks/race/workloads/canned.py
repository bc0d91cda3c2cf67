"""Steps of canned Estimators. Their weights begin at random: losses are compared by `benchmarks.parity` only."""

from __future__ import annotations

from benchmarks.race.contest import Workload
from benchmarks.race.workloads.course import steps
from benchmarks.race.workloads.own_inputs import both

MODELS = {"dnn": "Adagrad", "linear": "Ftrl", "wide_and_deep": "usual"}


def workload(number: int, model: str, optimizer: str) -> Workload:
    """One of them."""
    return Workload(
        key=f"l{number}",
        title=f"canned {model}, {'own optimizers' if optimizer == 'usual' else optimizer}, batch 20",
        unit="steps/s",
        contenders=both("canned:train", steps(20_000), steps(2_000)),
        options={"model": model, "optimizer": optimizer},
        tolerance=None,
        targets={"tf.estimator": 1},
        long=True,
    )


NAMES = [(f"{model}_{version}", optimizer) for model, optimizer in MODELS.items() for version in ("v1", "v2")]
WORKLOADS = tuple(workload(number, *name) for number, name in enumerate(NAMES, 1))
