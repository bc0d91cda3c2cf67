"""The workloads of a race, by the letters that the command line calls them."""

from benchmarks.race.workloads import course

WORKLOADS = {workload.key: workload for workload in course.WORKLOADS}
