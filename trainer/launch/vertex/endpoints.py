"""Endpoints of Vertex AI: one by its name, and models behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainer.launch.vertex.models import finished, let_operations_end
from trainer.launch.vertex.requests import Request
from trainer.launch.vertex.rest import Rest


def named(rest: Rest, name: str, *, wait: Callable[[], object]) -> str:
    """The full name of the endpoint that is shown under a name; it is made where there is none.

    Args:
      rest: asks Vertex AI.
      name: as it is shown, without quotes.
      wait: between two looks while it is made.
    """

    def found() -> Request | None:
        wanted = {"filter": f'display_name="{name}"'}
        there = rest.get(f"v1/{rest.at.parent}/endpoints", wanted).get("endpoints") or []
        return {"done": True, "response": there[0]} if there else None

    made = found() or rest.create(f"v1/{rest.at.parent}/endpoints", {"displayName": name}, found)
    return str(finished(rest, made, wait)["name"])


def deploy_request(
    model: str,
    machine: Mapping[str, object],
    number: str,
    *,
    replicas: tuple[int, int],
    service_account: str | None = None,
) -> Request:
    """The body of `endpoints.deployModel`, by which the new model gets all requests.

    Args:
      model: full name, with `@VERSION` perhaps.
      machine: MachineSpec.
      number: of the deployed model, up to ten digits, so that it is deployed once although an answer may be lost.
      replicas: the fewest and the most.
      service_account: that they run as; None for the service's own.
    """
    resources = {"machineSpec": dict(machine), "minReplicaCount": replicas[0], "maxReplicaCount": replicas[1]}
    deployed: dict[str, Any] = {"id": number, "model": model, "dedicatedResources": resources}
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
    new = request["deployedModel"]["id"]

    def there() -> list[str]:
        return [str(model["id"]) for model in rest.get(f"v1/{endpoint}").get("deployedModels") or ()]

    def found() -> Request | None:
        let_operations_end(rest, endpoint, wait)
        return {"done": True} if new in there() else None

    finished(rest, rest.create(f"v1/{endpoint}:deployModel", request, found), wait)
    return [number for number in there() if number != new]
