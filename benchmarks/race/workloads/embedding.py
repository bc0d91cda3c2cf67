"""An embedding of a gigabyte, with sparse gradients."""

from __future__ import annotations

from benchmarks.race.contest import Contender, Role, Workload

OPTIONS = {"rows": 4_000_000, "width": 64, "batch_size": 1_000, "steps": 20}

AVERAGES = Contender(
    title="Adam's averages alone, numpy",
    program="limits:adam_averages",
    role=Role.LIMIT,
    options={"warm": 2},
    same_loss=False,
)


def workload(key: str, title: str, optimizer: str, *peers: Contender, long: bool = False) -> Workload:
    """`trainer` beside tf.estimator and others."""
    return Workload(
        key=key,
        title=title,
        unit="steps/s",
        contenders=(
            Contender(title="trainer", program="embedding:train", role=Role.OURS),
            Contender(title="tf.estimator", program="embedding:train", environment="reference"),
            *peers,
            AVERAGES,
        ),
        options={**OPTIONS, "optimizer": optimizer},
        quick={"rows": 400_000},
        tolerance=3e-3,  # the Adam of Keras 2, which tf.estimator has, adds its epsilon elsewhere
        targets={"tf.estimator": 1},
        long=long,
    )


WORKLOADS = (
    workload("f1", "embedding of 1 GB, Adam of `compat.v1`", "v1"),
    workload(
        "f2",
        "embedding of 1 GB, Adam of Keras",
        "keras",
        Contender(title="Keras `fit`", program="embedding:keras_fit"),
        long=True,
    ),
)
