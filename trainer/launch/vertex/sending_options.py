"""What happens before a job is sent to Vertex AI and after it has ended, as flags."""

from __future__ import annotations

import dataclasses

from trainer.job.config import setting
from trainer.job.errors import UsageError
from trainer.launch.packaging.build import Builder
from trainer.launch.submission.options import require_address
from trainer.launch.vertex import options as vertex_options


@dataclasses.dataclass(frozen=True, kw_only=True)
class SendingOptions:
    """What happens before and after:"""  # the heading of --help

    build: Builder | None = setting(None, "build --image from this source and push it: docker, or cloud (Cloud Build)")
    fallback: tuple[str, ...] = setting(
        (), "on_demand, or regions, in the order in which they are tried where machines are short; with --wait"
    )
    fallback_after: str = setting("30m", "how long a job may wait for machines before the next of --fallback")
    same_output: bool = setting(False, "send the job although another one writes to --output_dir now")
    upload_model: str | None = setting(None, "name under which the model goes to the registry at the end; with --wait")
    serving_image: str | None = setting(None, "image that serves the model; default: --image")
    build_endpoint: str | None = setting(None, "another address of Cloud Build")

    def __post_init__(self) -> None:
        require_address("build_endpoint", self.build_endpoint)
        if self.serving_image and not self.upload_model:
            raise UsageError("--serving_image without --upload_model", "both", "Add the model's name")
        self.fallback_secs  # noqa: B018

    @property
    def fallback_secs(self) -> float:
        """Of --fallback_after. Raises UsageError."""
        return float(vertex_options.duration("fallback_after", self.fallback_after)[:-1])

    @property
    def needs_wait(self) -> str | None:
        """The first flag that asks for something that is done when the job has ended, or waits for long."""
        return next((f"--{name}" for name in ("fallback", "upload_model") if getattr(self, name)), None)
