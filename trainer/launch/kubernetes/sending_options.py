"""What happens before a job is created on Kubernetes, and where it waits too long, as flags."""

from __future__ import annotations

import dataclasses
import enum

from trainer.job.config import setting
from trainer.launch.packaging.build import Builder
from trainer.launch.submission.options import require_address
from trainer.launch.vertex import options as vertex_options


class Fallback(enum.Enum):
    ON_DEMAND = "on_demand"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SendingOptions:
    """What happens before, and where there is no room for it:"""  # the heading of --help

    build: Builder | None = setting(
        None, "build --image from this source and push it: docker, or cloud (Cloud Build, for Artifact Registry)"
    )
    fallback: Fallback | None = setting(
        None, "on_demand: where spot nodes are short, end the job and create it without --spot; with --wait"
    )
    fallback_after: str = setting("10m", "how long pods may wait for nodes before that")
    build_endpoint: str | None = setting(None, "another address of Cloud Build")

    def __post_init__(self) -> None:
        require_address("build_endpoint", self.build_endpoint)
        self.fallback_secs  # noqa: B018

    @property
    def fallback_secs(self) -> float:
        """Of --fallback_after. Raises UsageError."""
        return float(vertex_options.duration("fallback_after", self.fallback_after)[:-1])
