"""Models and endpoints: bodies are read with the official types; containers behind endpoints are processes here."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any

from google.cloud.aiplatform_v1 import types

from tests.deadlines import ANSWER_SECS
from tests.vertex import answers
from tests.vertex.answers import Answer, error, not_found
from tests.vertex.replicas import Machines

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LOOK_SECS = 0.1


class Registry:
    """All models and endpoints of a project.

    Attributes:
      models: by full name, each with the bodies of its versions.
      endpoints: by full name, as the service has them.
    """

    def __init__(self, machines: Machines | None) -> None:
        self.models: dict[str, list[dict[str, Any]]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self._machines = machines
        self._operations: dict[str, dict[str, Any]] = {}
        self._containers: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    def close(self) -> None:
        """Ends the containers."""
        for process, _ in self._containers.values():
            process.terminate()
        for process, _ in self._containers.values():
            process.wait(ANSWER_SECS)

    def answer(self, method: str, name: str, query: dict[str, str], body: dict[str, Any]) -> Answer | None:
        """The answer to a request for a model, an endpoint or an operation; None for one for something else."""
        parent = re.match(r"projects/[^/]+/locations/[^/]+", name)
        kind = re.search(r"/(models|endpoints|operations)\b", name)
        if not parent or not kind:
            return None
        try:
            match method, name.removeprefix(f"{parent[0]}/").partition("/")[0]:
                case "POST", "models:upload":
                    return self._upload(parent[0], body)
                case "GET", ("models" | "endpoints") if "/operations" in name:
                    return self._look_at_operations(name)
                case "GET", "models":
                    return self._look_at_model(name, query)
                case "GET", "endpoints":
                    return self._look(name, query)
                case "POST", "endpoints":
                    return self._of_endpoint(parent[0], name, body)
        except ValueError as problem:
            return 400, error(400, str(problem))
        return None

    def _upload(self, parent: str, body: dict[str, Any]) -> Answer:
        model = answers.parsed(body, types.UploadModelRequest, "UploadModelRequest").model
        assert not model.name
        name = body.get("parentModel") or f"{parent}/models/{body['modelId']}"
        if not body.get("parentModel") and name in self.models:
            return 409, error(409, f"{name} already exists")
        self.models.setdefault(name, []).append(body["model"])
        return self._operation(name, {"model": name, "modelVersionId": str(len(self.models[name]))})

    def _look_at_model(self, name: str, query: dict[str, str]) -> Answer:
        full, _, verb = name.partition(":")
        versions = self.models.get(full)
        if not versions:
            return not_found(full)
        if not verb:
            return 200, {"name": full, **versions[-1]}
        assert verb == "listVersions"
        key, value = query["filter"].removeprefix("labels.").split("=")
        numbered = [{"name": full, "versionId": str(at), **model} for at, model in enumerate(versions, 1)]
        return 200, {"models": [model for model in numbered if model.get("labels", {}).get(key) == value]}

    def _look_at_operations(self, name: str) -> Answer:
        """One of them; or all of a model or an endpoint, by a name that says no more."""
        if not name.endswith("/operations"):
            return 200, self._operations[name]
        owner = name.removesuffix("/operations")
        found = [each for key, each in self._operations.items() if key.startswith(f"{name}/")]
        is_known = owner in self.models or owner in self.endpoints
        return (200, {"operations": found}) if is_known else not_found(owner)

    def _look(self, name: str, query: dict[str, str]) -> Answer:
        if name in self.endpoints:
            return 200, self.endpoints[name]
        wanted = query.get("filter", "").partition('"')[2].rstrip('"')
        found = [endpoint for endpoint in self.endpoints.values() if endpoint["displayName"] == wanted]
        return (200, {"endpoints": found} if found else {}) if name.endswith("/endpoints") else not_found(name)

    def _of_endpoint(self, parent: str, name: str, body: dict[str, Any]) -> Answer:
        full, _, verb = name.partition(":")
        if not verb:
            answers.parsed(body, types.Endpoint, "Endpoint")
            full = f"{parent}/endpoints/{5000 + len(self.endpoints)}"
            self.endpoints[full] = {**body, "name": full, "deployedModels": []}
            return self._operation(full, {"name": full})
        if verb == "deployModel":
            return self._deploy(full, body)
        deployed = self.endpoints[full]["deployedModels"][-1]
        container = self._containers[deployed["id"]]
        status, predictions = _asked(f"{container[1]}{_spec(self._model(deployed))['predictRoute']}", body)
        return status, {**predictions, "deployedModelId": deployed["id"]}

    def _deploy(self, endpoint: str, body: dict[str, Any]) -> Answer:
        answers.parsed(body, types.DeployModelRequest, "DeployModelRequest")
        deployed = {"id": str(7000 + len(self._containers)), **body["deployedModel"]}
        if any(there["id"] == deployed["id"] for there in self.endpoints[endpoint]["deployedModels"]):
            return 409, error(409, f"DeployedModel {deployed['id']} already exists")
        problem = self._serve(endpoint, deployed)
        if problem:
            return self._operation(endpoint, None, {"code": 9, "message": problem})
        self.endpoints[endpoint]["deployedModels"].append(deployed)
        return self._operation(endpoint, {"deployedModel": deployed})

    def _serve(self, endpoint: str, deployed: dict[str, Any]) -> str | None:
        """Starts the model's container, and waits until it is healthy; what is wrong where it does not become so."""
        assert self._machines
        model = self._model(deployed)
        spec = _spec(model)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environ = {
            **self._machines.environ,
            "AIP_HTTP_PORT": str(port),
            "AIP_HEALTH_ROUTE": spec["healthRoute"],
            "AIP_PREDICT_ROUTE": spec["predictRoute"],
            "AIP_STORAGE_URI": model["artifactUri"],
            "AIP_ENDPOINT_ID": endpoint.rpartition("/")[2],
            "AIP_DEPLOYED_MODEL_ID": deployed["id"],
        }
        process = subprocess.Popen(self._machines.argv(spec, spec.get("args") or ()), env=environ)
        self._containers[deployed["id"]] = process, f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + ANSWER_SECS
        while time.monotonic() < deadline:
            if _asked(f"http://127.0.0.1:{port}{spec['healthRoute']}")[0] == 200:
                return None
            try:
                code = process.wait(_LOOK_SECS)
            except subprocess.TimeoutExpired:
                continue
            return f"Model server exited unexpectedly with {code}. Model server logs can be found at the console"
        return "Model server never became ready"

    def _model(self, deployed: dict[str, Any]) -> dict[str, Any]:
        name, _, version = deployed["model"].partition("@")
        return self.models[name][int(version or len(self.models[name])) - 1]

    def _operation(self, owner: str, response: dict[str, Any] | None, problem: dict[str, Any] | None = None) -> Answer:
        """One that is done at the next look, of a model or an endpoint."""
        name = f"{owner}/operations/{len(self._operations)}"
        ended = {"error": problem} if problem else {"response": response}
        self._operations[name] = {"name": name, "done": True, **ended}
        return 200, {"name": name}


def _spec(model: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = model["containerSpec"]
    return spec


def _asked(url: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with _DIRECT.open(request, timeout=ANSWER_SECS) as answer:
            text = answer.read().decode()
            return answer.status, json.loads(text) if data else {}
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or b"{}") if data else {}
    except OSError:
        return 0, {}
