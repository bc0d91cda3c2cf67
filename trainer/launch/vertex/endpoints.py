"""Endpoints of Vertex AI: one by its name, and models behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainer.launch.vertex.models import finished
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.rest import Rest


def named(rest: Rest, name: str, *, wait: Callable[[], object]) -> str:
    """The full name of the endpoint that is shown under a name; it is made where there is none.

    Args:
      rest: asks Vertex AI.
      name: as it is shown, without quotes.
      wait: between two looks while it is made.
    """
    found = rest.get(f"v1/{rest.at.parent}/endpoints", {"filter": f'display_name="{name}"'}).get("endpoints") or []
    if found:
        return str(found[0]["name"])
    made = rest.post(f"v1/{rest.at.parent}/endpoints", {"displayName": name})
    return str(finished(rest, made, wait)["name"])


def deploy_request(
    model: str, machine: Mapping[str, object], *, replicas: tuple[int, int], service_account: str | None = None
) -> Request:
    """The body of `endpoints.deployModel`, by which the new model gets all requests.

    Args:
      model: full name, with `@VERSION` perhaps.
      machine: MachineSpec.
      replicas: the fewest and the most.
      service_account: that they run as; None for the service's own.
    """
    resources = {"machineSpec": dict(machine), "minReplicaCount": replicas[0], "maxReplicaCount": replicas[1]}
    deployed: dict[str, Any] = {"model": model, "dedicatedResources": resources}
    if service_account:
        deployed["serviceAccount"] = service_account
    return {"deployedModel": deployed, "trafficSplit": {"0": 100}}  # 0 is the one that is being deployed


def deploy(rest: Rest, endpoint: str, request: Request, *, wait: Callable[[], object]) -> list[str]:
    """Deploys, and returns the ids of models there that get no requests any more.

    Args:
      rest: asks Vertex AI.
      endpoint: its full name.
      request: of `deploy_request`.
      wait: between two looks.

    Raises:
      JobError: it is refused, or the container does not become healthy.
    """
    made = rest.post(f"v1/{endpoint}:deployModel", request)
    new = str(finished(rest, made, wait)["deployedModel"]["id"])
    there = rest.get(f"v1/{endpoint}").get("deployedModels") or []
    return [str(model["id"]) for model in there if str(model["id"]) != new]
