"""Models of Vertex AI's registry: a trained one is uploaded, and put behind an endpoint that answers requests.

The container is `trainer.serve` in an image of this package, which takes model, port and routes from the environment
that the service sets (https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from trainer.job.errors import JobError, UsageError
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.rest import Rest
from trainer.launch.vertex.service import ServiceError

PREDICT_ROUTE, HEALTH_ROUTE = "/predict", "/health"
_PORT = 8080
UPLOAD_LABEL = "trainer_upload"
_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")


def upload_request(name: str, directory: str, image: str, parent: str | None) -> Request:
    """The body of `models.upload`.

    Args:
      name: the model's id, and how it is shown.
      directory: gs:// of the SavedModel.
      image: of this package, with what `trainer.serve` needs.
      parent: full name of the model that this becomes a new version of; None for a new model.
    """
    container = {
        "imageUri": image,
        "command": ["python", "-m", "trainer.serve"],
        "ports": [{"containerPort": _PORT}],
        "predictRoute": PREDICT_ROUTE,
        "healthRoute": HEALTH_ROUTE,
    }
    model = {"displayName": name, "artifactUri": directory.rstrip("/"), "containerSpec": container}
    return {"model": model, **({"parentModel": parent} if parent else {"modelId": name})}


def upload(rest: Rest, request: Request, token: str, *, wait: Callable[[], object]) -> str:
    """Uploads, and returns `projects/.../models/ID@VERSION`.

    An upload whose answer was lost may have made a version, or may still be making it. So each version has a label, by
    which it is looked for before anything is sent again, when all that is going on with the model has ended.

    Args:
      rest: asks Vertex AI.
      request: of `upload_request`.
      token: unique to this version: small letters, digits, '-' and '_'.
      wait: between two looks.

    Raises:
      JobError: it is refused, or fails later.
    """
    name = request.get("parentModel") or f"{rest.at.parent}/models/{request['modelId']}"
    body = {**request, "model": {**request["model"], "labels": {UPLOAD_LABEL: token}}}

    def found() -> Request | None:
        let_operations_end(rest, name, wait)
        version = version_of(rest, name, token)
        return {"done": True, "response": {"model": name, "modelVersionId": version}} if version else None

    done = finished(rest, rest.create(f"v1/{rest.at.parent}/models:upload", body, found), wait)
    return f"{done['model']}@{done.get('modelVersionId', '1')}"


def version_of(rest: Rest, name: str, token: str) -> str | None:
    """The version of a model that was uploaded with a token; None where there is none, or no such model.

    Args:
      rest: asks Vertex AI.
      name: of the model, in full.
      token: of `upload`.
    """
    wanted = {"filter": f"labels.{UPLOAD_LABEL}={token}"}
    found = _unless_absent(rest, f"v1/{name}:listVersions", wanted).get("models") or [{}]
    return found[0].get("versionId")


def let_operations_end(rest: Rest, name: str, wait: Callable[[], object]) -> None:
    """Waits until nothing is going on any more with a model or an endpoint.

    Args:
      rest: asks Vertex AI.
      name: in full, of what need not be there.
      wait: between two looks.
    """
    while any(not each.get("done") for each in _unless_absent(rest, f"v1/{name}/operations").get("operations") or ()):
        wait()


def _unless_absent(rest: Rest, path: str, params: Mapping[str, str] | None = None) -> Request:
    """The resource; an empty one where there is none."""
    try:
        return rest.get(path, params)
    except ServiceError as error:
        if error.status != 404:
            raise
        return {}


def versioned(rest: Rest, name: str) -> str | None:
    """The full name of the registered model of this id; None where there is none."""
    full = f"{rest.at.parent}/models/{name}"
    return full if _unless_absent(rest, f"v1/{full}") else None


def upload_of_job(
    job: Mapping[str, Any], rest: Rest, name: str, image: str | None, *, wait: Callable[[], object]
) -> str:
    """Registers what a job left in AIP_MODEL_DIR, once; returns the full name with the version.

    Args:
      job: as the service has it, ended.
      rest: asks Vertex AI.
      name: the model's id.
      image: that serves it; None for the job's own.
      wait: between two looks at the upload.

    Raises:
      JobError: the service refuses it, or the upload fails.
    """
    directory, image = model_dir(job), image or image_of(job)
    token = hashlib.sha256(f"{job['name']} {directory} {image}".encode()).hexdigest()[:32]
    full = versioned(rest, name)
    if full and (version := version_of(rest, full, token)):
        return f"{full}@{version}"
    return upload(rest, upload_request(name, directory, image, full), token, wait=wait)


def require_id(name: str, flag: str = "upload_model") -> None:
    """Raises UsageError where the registry would not take a name."""
    if not _ID.fullmatch(name):
        accept = "up to 63 lower-case letters, digits, '_' and '-', not beginning with a digit or '-'"
        raise UsageError(f"--{flag}={name}", accept, "Change the name")


def model_dir(job: Mapping[str, Any]) -> str:
    """The AIP_MODEL_DIR of a job, or of the best trial of a study. Raises UsageError where there is none."""
    spec = job.get("jobSpec") or job.get("trialJobSpec") or {}
    base = str((spec.get("baseOutputDirectory") or {}).get("outputUriPrefix") or "").rstrip("/")
    if not base:
        raise UsageError("A job without an output directory", "one that left a model", "Submit it with --output_dir")
    if "trialJobSpec" not in job:
        return f"{base}/model"
    best = vertex_jobs.best_trial(job)
    if best is None:
        raise UsageError("A study without a trial that succeeded", "one with a best trial", "Name a folder (gs://...)")
    return f"{base}/{best['id']}/model"


def image_of(job: Mapping[str, Any]) -> str:
    """The image that a job ran. Raises UsageError where that was a prebuilt one, which cannot serve."""
    spec = job.get("jobSpec") or job.get("trialJobSpec") or {}
    image = ((spec.get("workerPoolSpecs") or [{}])[0].get("containerSpec") or {}).get("imageUri")
    if not image:
        got, do = "A job of a prebuilt image", "Build one (`trainer.launch package --docker --serve`) and name it"
        raise UsageError(got, "an image that can serve its model", do)
    return str(image)


def finished(rest: Rest, operation: Request, wait: Callable[[], object]) -> Request:
    """The response of a long-running operation, when it is done.

    Args:
      rest: asks the service.
      operation: as it was returned when it was begun.
      wait: between two looks.

    Raises:
      JobError: it failed.
    """
    while not operation.get("done"):
        wait()
        operation = rest.get(f"v1/{operation['name']}")
    if operation.get("error"):
        message = " ".join(str(operation["error"].get("message")).split())
        raise JobError(f"{operation['name']} failed: {message}", None, "Correct what it names, and try again")
    response: Request = operation.get("response") or {}
    return response
