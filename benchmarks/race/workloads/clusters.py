"""Clusters on this machine. Nothing is compared but the rate: what workers write at a time has no order."""

from __future__ import annotations

import dataclasses

from benchmarks.race.contest import Contender, Role, Workload
from benchmarks.race.workloads import course


def pushing(every: int) -> tuple[Contender, ...]:
    """`trainer` with so many steps between two pushes, beside tf.estimator, which pushes at each."""
    program = "clusters:parameter_servers"
    return (
        Contender(
            title="trainer",
            program=program,
            role=Role.OURS,
            options={"push_every": every, "steps": 4_000 * min(every, 10)},
        ),
        Contender(title="tf.estimator", program=program, environment="reference", options={"steps": 4_000}),
    )


PUSH = Workload(
    key="i1",
    title="a parameter server and a worker, LSTM(3), batch 20, `push_every=1`",
    unit="steps/s",
    contenders=pushing(1),
    options={"units": 3, "batch_size": 20},
    prepare=course.prepare,
    tolerance=None,
    targets={"tf.estimator": 4},
)
WORKLOADS = (
    PUSH,
    dataclasses.replace(
        PUSH,
        key="i2",
        title="the same, `push_every=100`",
        contenders=pushing(100),
        targets={"tf.estimator": 20},
        long=True,
    ),
    Workload(
        key="i3",
        title="two processes in step, LSTM(3), batch 20",
        unit="steps/s",
        contenders=(Contender(title="trainer", program="clusters:in_step", role=Role.OURS, options={"steps": 3_000}),),
        options={"units": 3, "batch_size": 20, "workers": 1},
        prepare=course.prepare,
        tolerance=None,
        long=True,
    ),
)
