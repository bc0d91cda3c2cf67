"""Clusters on this machine. Nothing is compared but the rate: what workers write at a time has no order.

Ratios are beside as many training processes. tf.estimator's chief trains, so a chief and a parameter server of it stand
beside a worker and a parameter server of ours; with a worker more, as its users start it, two processes train. The
first half of the steps is not timed: it has what is compiled, and the kernels of a call's graph learn what they cost.
"""

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
            options={"push_every": every, "steps": 16_000 * min(every, 5)},
        ),
        Contender(
            title="tf.estimator",
            program=program,
            environment="reference",
            options={"steps": 6_000, "workers": 0},
        ),
        Contender(
            title="tf.estimator, two processes that train",
            program=program,
            environment="reference",
            options={"steps": 6_000},
        ),
    )


PUSH = Workload(
    key="i1",
    title="a parameter server and a worker, LSTM(3), batch 20, `push_every=1`",
    unit="steps/s",
    contenders=pushing(1),
    options={"units": 3, "batch_size": 20, "workers": 1},
    prepare=course.prepare,
    tolerance=None,
    targets={"tf.estimator": 4},
)
RING = Contender(
    title="a gRPC ring's sums alone",
    program="clusters:sums",
    role=Role.LIMIT,
    options={"kind": "sum", "steps": 4_000},
    same_loss=False,
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
        contenders=(
            Contender(title="trainer", program="clusters:in_step", role=Role.OURS, options={"steps": 16_000}),
            RING,
            dataclasses.replace(
                RING, title="gatherings of the same values alone", options={"kind": "gathering", "steps": 4_000}
            ),
        ),
        options={"units": 3, "batch_size": 20, "workers": 1},
        prepare=course.prepare,
        tolerance=None,
        targets={RING.title: 0.5},
        long=True,
    ),
)
