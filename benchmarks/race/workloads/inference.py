"""Evaluation and predictions over a million rows."""

from __future__ import annotations

from benchmarks.race.contest import Contender, Role, Workload

OPTIONS = {"rows": 1_000_000, "batch_size": 1_000, "steps_per_call": 50}


def workload(key: str, title: str, program: str, targets: dict[str, float], **options: int | bool) -> Workload:
    """`trainer` beside tf.estimator, and Keras where it has such a thing."""
    keras = Contender(title="Keras", program=f"inference_keras:{program}")
    return Workload(
        key=key,
        title=title,
        unit="rows/s",
        contenders=(
            Contender(title="trainer", program=f"inference_estimator:{program}", role=Role.OURS),
            Contender(title="tf.estimator", program=f"inference_estimator:{program}", environment="reference"),
            *([keras] if "Keras" in targets else []),
        ),
        options={**OPTIONS, **options},
        quick={"rows": 200_000},
        targets=targets,
        long="Keras" not in targets,
    )


WORKLOADS = (
    workload("g1", "evaluate, three dense layers", "evaluate", {"tf.estimator": 3, "Keras": 1}),
    workload("g2", "predict, batches", "predict", {"tf.estimator": 3, "Keras": 1.2}, singles=False),
    workload("g3", "predict, an example at a time", "predict", {"tf.estimator": 3}, singles=True, rows=200_000),
)
