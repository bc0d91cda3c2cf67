"""Jobs of Vertex AI: create, look at, find, list and cancel them.

A create whose answer was lost may have made the job. Each submission therefore carries a label of its own, by which the
job is looked for before anything is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainer.launch.vertex.requests import CUSTOM_JOBS, TUNING_JOBS, Request
from trainer.launch.vertex.rest import Rest
from trainer.launch.vertex.service import Location, ServiceError

SUBMISSION_LABEL = "trainer_submission"


class VertexClient:
    """Jobs of one project in one region, asked for with `rest`."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    @property
    def at(self) -> Location:
        """Where they are."""
        return self.rest.at

    def create(self, collection: str, request: Request, token: str, labels: Mapping[str, str] | None = None) -> Request:
        """Submits the job once, however often that has to be tried, and returns it as the service sees it.

        Args:
          collection: customJobs or hyperparameterTuningJobs.
          request: the body.
          token: unique to this submission: letters, digits, '-' and '_'.
          labels: besides those of the request.

        Raises:
          ServiceError: the service refuses it, or did not answer for long.
        """
        all_labels = {**(request.get("labels") or {}), **(labels or {}), SUBMISSION_LABEL: token}
        body = {**request, "labels": all_labels}
        return self.rest.create(self.at.path(collection), body, lambda: self.find(collection, token))

    def get(self, name: str) -> Request:
        """The job of this full name. Raises ServiceError, with status 404 where there is none."""
        return self.rest.get(f"v1/{name}")

    def find(self, collection: str, token: str) -> Request | None:
        """The job that was submitted with this token, if there is one."""
        return next(self.listed(collection, f"labels.{SUBMISSION_LABEL}={token}", page_size=1), None)

    def listed(self, collection: str, wanted: str, page_size: int = 100) -> Iterator[Request]:
        """Jobs of a collection, the newest first, asked for page by page as they are taken.

        Args:
          collection: customJobs or hyperparameterTuningJobs.
          wanted: the service's filter, as `labels.KEY:*`.
          page_size: jobs in one answer.
        """
        params = {"filter": wanted, "pageSize": str(page_size)}
        while True:
            answer = self.rest.get(self.at.path(collection), params)
            yield from answer.get(collection) or []
            if not answer.get("nextPageToken"):
                return
            params["pageToken"] = answer["nextPageToken"]

    def cancel(self, name: str) -> None:
        """Asks the service to end the job; ServiceError for one that has ended already."""
        self.rest.post(f"v1/{name}:cancel", {})

    def resolve(self, job: str) -> Request:
        """The job of a full name, or of a bare number, which may be of either collection."""
        if "/" in job:
            return self.get(job)
        try:
            return self.get(f"{self.at.parent}/{CUSTOM_JOBS}/{job}")
        except ServiceError as error:
            if error.status != 404:
                raise
            return self.get(f"{self.at.parent}/{TUNING_JOBS}/{job}")
