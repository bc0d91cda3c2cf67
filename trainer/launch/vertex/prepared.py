"""A checked request to Vertex AI, and what it needs to be sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from trainer.job.findings import Finding
from trainer.launch.packaging.archive import Archive
from trainer.launch.packaging.problem_files import PackedProblem
from trainer.launch.vertex import requests as vertex
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.service import Location


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """A checked request, and what it needs to be sent.

    Attributes:
      request: the body.
      at: where it goes.
      notes: what is not known here, and left to the service.
      package: what has to be uploaded before; None where nothing has.
      folder: in a bucket, for the package.
      problem: the person's own, in the package or the image; None where there is none in it.
      image: what is built and pushed before; empty where it is there.
      image_files: what it is built from.
      where: region and kind of machines, in words.
      is_named_apart: whether the display name gets what tells two submissions apart; not that of a person's own file.
    """

    request: Request
    at: Location
    notes: tuple[Finding, ...] = ()
    package: Archive | None = None
    folder: str = ""
    problem: PackedProblem | None = None
    image: str = ""
    image_files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    where: str = ""
    is_named_apart: bool = True

    @property
    def collection(self) -> str:
        """Where the request is posted to."""
        return vertex.collection(self.request)

    def with_image(self, image: str) -> Submission:
        """The same with that image in every pool."""
        kind = "trialJobSpec" if "trialJobSpec" in self.request else "jobSpec"
        pools = [
            {**pool, "containerSpec": {**pool["containerSpec"], "imageUri": image}} if pool else pool
            for pool in self.request[kind]["workerPoolSpecs"]
        ]
        return dataclasses.replace(
            self, request={**self.request, kind: {**self.request[kind], "workerPoolSpecs": pools}}
        )
