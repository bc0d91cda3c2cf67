"""`list vertex`: the jobs that were submitted from here, or by a colleague with this package, the newest first."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex.client import SUBMISSION_LABEL, VertexClient
from trainer.launch.vertex.requests import CUSTOM_JOBS, TUNING_JOBS, Request

_HEADS = ("NUMBER", "NAME", "STATE", "SUBMITTED (UTC)", "OUTPUT")


def newest(client: VertexClient, count: int) -> list[Request]:
    """The `count` newest jobs and studies of a project and region that carry the label of a submission."""
    wanted = f"labels.{SUBMISSION_LABEL}:*"
    both = [client.listed(collection, wanted, page_size=min(count, 100)) for collection in (CUSTOM_JOBS, TUNING_JOBS)]
    merged = heapq.merge(*both, key=lambda job: str(job.get("createTime")), reverse=True)
    return list(itertools.islice(merged, count))


def table(jobs: Iterable[Request]) -> str:
    """Them in columns under their heads."""
    rows = [_HEADS, *map(_row, jobs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def _row(job: Mapping[str, Any]) -> tuple[str, ...]:
    spec = job.get("jobSpec") or job.get("trialJobSpec") or {}
    return (
        str(job["name"]).rpartition("/")[2],
        str(job.get("displayName") or ""),
        vertex_jobs.state(job),
        str(job.get("createTime") or "")[:16].replace("T", " "),
        str((spec.get("baseOutputDirectory") or {}).get("outputUriPrefix") or ""),
    )
