"""The workloads of a race, by the letters that the command line calls them."""

from benchmarks.race.workloads import (
    canned,
    clusters,
    course,
    embedding,
    gpu,
    inference,
    own_inputs,
    startup,
    wide,
    windows,
)

_ALL = (
    *course.WORKLOADS,
    *windows.WORKLOADS,
    *wide.WORKLOADS,
    *embedding.WORKLOADS,
    *inference.WORKLOADS,
    *startup.WORKLOADS,
    *clusters.WORKLOADS,
    *own_inputs.WORKLOADS,
    *canned.WORKLOADS,
    *gpu.WORKLOADS,
)
WORKLOADS = {workload.key: workload for workload in _ALL}
