"""What `benchmarks/gpu.sh` runs: the same programs on a GPU, and ours on the CPU beside them, whose loss must agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmarks.race.contest import Contender, Role, Workload
from benchmarks.race.workloads import course, wide
from benchmarks.race.workloads.course import steps

TORCH = "torch-cuda"


def on_gpu(program: str, keras: str | None, torch: str | None, steps_here: Mapping[str, int]) -> tuple[Contender, ...]:
    """Ours, on one GPU and on all; its peers; and ours on the CPU, in few steps."""
    peers = (("Keras `fit`", keras, "trainer"), ("PyTorch", torch, TORCH))
    return (
        Contender(title="trainer", program=program, role=Role.OURS, options={**steps_here, "device": "gpu"}),
        *(
            Contender(title=title, program=peer, environment=environment, options={**steps_here, "device": "gpu"})
            for title, peer, environment in peers
            if peer
        ),
        Contender(title="trainer on the CPU", program=program, role=Role.LIMIT, options=steps(20)),
    )


def mirrored(workload: Workload) -> Workload:
    """The same on all GPUs, whose replicas take a batch each; no loss is the same then."""
    ours = workload.contenders[0]
    options = {**ours.options, "mirrored": True}
    return dataclasses.replace(
        workload,
        key="gpu-mirrored",
        title=f"{workload.title}, mirrored",
        contenders=(
            dataclasses.replace(ours, options=options),
            dataclasses.replace(ours, title="one GPU", role=Role.LIMIT),
        ),
        tolerance=None,
    )


def of_course(key: str, of: Workload, options: Mapping[str, Any], steps_here: Mapping[str, int]) -> Workload:
    """One of the course's workloads."""
    contenders = on_gpu("lstm_estimator:from_memory", "lstm_keras:from_memory", "lstm_torch:eager", steps_here)
    return dataclasses.replace(
        of, key=key, contenders=contenders, options={**of.options, **options}, quick={}, targets={}
    )


SMALL, LARGE = (next(each for each in course.WORKLOADS if each.key == key) for key in ("b", "c"))
DENSE = Workload(
    key="gpu-dense",
    title="dense 2048 × 3 in bfloat16, batch 4096",
    unit="steps/s",
    contenders=on_gpu("dense_mixed:estimator", "dense_mixed:keras_fit", "dense_mixed:torch_compiled", steps(1_000)),
    options={"batch_size": 4096, "check_steps": 10, "steps_per_call": 50},
    tolerance=0.05,
)
WIDE = dataclasses.replace(
    next(each for each in wide.WORKLOADS if each.key == "e3"),
    key="gpu-wide",
    contenders=on_gpu("wide_estimator:records", None, None, {}),
    quick={},
    targets={},
)
WORKLOADS = (
    of_course("gpu-lstm3", SMALL, {"check_steps": 1_000}, steps(10_000)),
    of_course("gpu-lstm128", LARGE, {"check_steps": 100}, steps(2_000)),
    DENSE,
    WIDE,
    mirrored(DENSE),
)
