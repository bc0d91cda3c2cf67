"""`python -m trainer.launch deploy vertex MODEL|JOB|gs://DIR`: a model in the registry, behind an endpoint."""

from __future__ import annotations

import dataclasses
import functools
import os
import secrets
import sys
import time
from collections.abc import Sequence

from trainer.job import errors, flags
from trainer.job.config import require_positive, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line
from trainer.launch.submission import options as submit_options
from trainer.launch.submission.options import ServiceOptions
from trainer.launch.vertex import endpoints, models
from trainer.launch.vertex import handle as vertex_handle
from trainer.launch.vertex import machines as vertex_machines
from trainer.launch.vertex import options as vertex_options
from trainer.launch.vertex import rules as vertex_rules
from trainer.launch.vertex import service as vertex_service
from trainer.launch.vertex.rest import Rest

USAGE = "python -m trainer.launch deploy vertex MODEL|JOB|gs://DIR [--flag=value ...]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """The model and its endpoint:"""  # the heading of --help

    project: str | None = setting(None, "the project that pays; default: GOOGLE_CLOUD_PROJECT")
    region: str = setting("us-central1", "where the model is served")
    name: str = setting("trainer", "id of the model in the registry; one that is there gets a new version")
    image: str | None = setting(None, "of this package, with what trainer.serve needs; default: the job's")
    endpoint_name: str | None = setting(None, "display name of the endpoint, made where there is none; default: --name")
    upload_only: bool = setting(False, "stop when the model is in the registry")
    machine: str = setting("n1-standard-2", "machine type of each replica")
    accelerator: str | None = setting(None, "TYPE[:COUNT] in each replica")
    min_replicas: int = setting(1, "replicas that always run, and are paid")
    max_replicas: int | None = setting(None, "replicas under load; default: --min_replicas")
    service_account: str | None = setting(None, "account that the replicas run as")
    poll_secs: float = setting(5.0, "seconds between two looks at what goes on")

    def __post_init__(self) -> None:
        models.require_id(self.name, "name")
        require_positive("min_replicas", self.min_replicas, "a whole number from 1 up")
        require_positive("poll_secs", self.poll_secs, "seconds above 0")
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise UsageError(f"--max_replicas={self.max_replicas}", f"{self.min_replicas} or more", "Raise it")


def main(argv: Sequence[str]) -> int:
    """Uploads where that is needed, deploys, and prints the endpoint and how to ask it."""
    words = list(argv)
    if any(word in ("-h", "--help", "-help") for word in words):
        raise flags.HelpRequested(command_line.help_text(USAGE, DeployOptions, ServiceOptions))
    if words[:1] != ["vertex"] or len(words) < 2 or words[1].startswith("-"):
        raise UsageError("No model, or no target", USAGE, "Name a model, a job, or the folder of a SavedModel")
    settings = submit_options.parse(words[2:], USAGE, DeployOptions, ServiceOptions)
    return deploy(words[1], settings[DeployOptions], settings[ServiceOptions])


def deploy(what: str, chosen: DeployOptions, service: ServiceOptions) -> int:
    """Puts a model behind an endpoint.

    Args:
      what: full name of a model, with `@VERSION` perhaps; name of a job; or gs://... of a SavedModel.
      chosen: how.
      service: where Vertex AI is asked.

    Raises:
      JobError: it is refused, or fails.
    """
    project, region = _place(what, chosen)
    checks = [*vertex_rules.place(project, region), *vertex_machines.violations(_machine(chosen), ("machineSpec",))]
    for note in errors.refuse(checks):
        print(note, file=sys.stderr)
    rest = vertex_handle.open_client(vertex_service.location(project, region, service.endpoint)).rest
    wait = functools.partial(time.sleep, chosen.poll_secs)
    model = what if "/models/" in what else _uploaded(what, chosen, rest, service)
    print(f"model: {model}", flush=True)
    if chosen.upload_only:
        return 0
    endpoint = endpoints.named(rest, chosen.endpoint_name or chosen.name, wait=wait)
    print(f"endpoint: {endpoint}", flush=True)
    request = endpoints.deploy_request(
        model,
        _machine(chosen),
        str(10**9 + secrets.randbelow(9 * 10**9)),
        replicas=(chosen.min_replicas, chosen.max_replicas or chosen.min_replicas),
        service_account=chosen.service_account,
    )
    for idle in endpoints.deploy(rest, endpoint, request, wait=wait):
        print(
            f"still deployed, without requests, and paid: gcloud ai endpoints undeploy-model {endpoint} "
            f"--deployed-model-id={idle} --region={region} --project={project}",
            file=sys.stderr,
        )
    number = endpoint.rpartition("/")[2]
    ask = f"gcloud ai endpoints predict {number} --region={region} --project={project} --json-request=REQUEST.json"
    print(f"ask: {ask}", file=sys.stderr)
    return 0


def _uploaded(what: str, chosen: DeployOptions, rest: Rest, service: ServiceOptions) -> str:
    wait = functools.partial(time.sleep, chosen.poll_secs)
    if not what.startswith("gs://"):
        job = vertex_handle.of_name(what, project=rest.at.project, region=rest.at.region, service=service)
        return models.upload_of_job(job.as_last_seen, rest, chosen.name, chosen.image, wait=wait)
    if chosen.image is None:
        do = "Build one (`trainer.launch package --docker --serve`)"
        raise UsageError("A folder without --image", "an image that serves it", do)
    request = models.upload_request(chosen.name, what, chosen.image, models.versioned(rest, chosen.name))
    return models.upload(rest, request, secrets.token_hex(8), wait=wait)


def _place(what: str, chosen: DeployOptions) -> tuple[str, str]:
    """Project and region of a full name, else of the flags."""
    parts = what.split("/")
    if parts[0] == "projects" and len(parts) > 4:
        return parts[1], parts[3]
    return chosen.project or os.environ.get("GOOGLE_CLOUD_PROJECT") or "", chosen.region


def _machine(chosen: DeployOptions) -> dict[str, object]:
    machine: dict[str, object] = {"machineType": chosen.machine}
    if chosen.accelerator:
        kind, count = vertex_options.counted("accelerator", chosen.accelerator)
        machine |= {"acceleratorType": kind, "acceleratorCount": count}
    return machine
