"""Models of Vertex AI's registry: a trained one is uploaded, and put behind an endpoint that answers requests.

The container is `trainer.serve` in an image of this package, which takes model, port and routes from the environment
that the service sets (https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from trainer.job.errors import JobError, UsageError
from trainer.launch.vertex import jobs as vertex_jobs
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.rest import Rest
from trainer.launch.vertex.sending_options import SendingOptions
from trainer.launch.vertex.service import ServiceError

PREDICT_ROUTE, HEALTH_ROUTE = "/predict", "/health"
_PORT = 8080
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


def upload(rest: Rest, request: Request, *, wait: Callable[[], object]) -> str:
    """Uploads, and returns `projects/.../models/ID@VERSION`.

    Args:
      rest: asks Vertex AI.
      request: of `upload_request`.
      wait: between two looks.

    Raises:
      JobError: it is refused, or fails later.
    """
    made = rest.post(f"v1/{rest.at.parent}/models:upload", request)
    done = finished(rest, made, wait)
    return f"{done['model']}@{done.get('modelVersionId', '1')}"


def versioned(rest: Rest, name: str) -> str | None:
    """The full name of the registered model of this id; None where there is none."""
    full = f"{rest.at.parent}/models/{name}"
    try:
        rest.get(f"v1/{full}")
    except ServiceError as error:
        if error.status != 404:
            raise
        return None
    return full


def upload_of_job(job: Mapping[str, Any], rest: Rest, sending: SendingOptions, *, wait: Callable[[], object]) -> str:
    """Registers what a job left in AIP_MODEL_DIR, and says what to type next.

    Args:
      job: as the service has it, ended.
      rest: asks Vertex AI.
      sending: the name, and the image that serves it.
      wait: between two looks at the upload.

    Raises:
      JobError: the service refuses it, or the upload fails.
    """
    assert sending.upload_model
    require_id(sending.upload_model)
    directory, image = model_dir(job), sending.serving_image or image_of(job)
    request = upload_request(sending.upload_model, directory, image, versioned(rest, sending.upload_model))
    model = upload(rest, request, wait=wait)
    print(f"model: {model}", flush=True)
    print(f"deploy: python -m trainer.launch deploy vertex {model}", file=sys.stderr, flush=True)
    return model


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
