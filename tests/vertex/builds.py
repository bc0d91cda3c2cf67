"""Cloud Build: a build that is taken goes on at each look, and ends as a test wants."""

from __future__ import annotations

import re
from typing import Any

from tests.vertex import discovery
from tests.vertex.answers import Answer, error, not_found

DIGEST = f"sha256:{'ab' * 32}"
_LIFE = ("QUEUED", "WORKING")


class Builds:
    """All builds of a project.

    Attributes:
      found: by their ids, as the service has them.
      end: the state that they end in.
    """

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self.end = "SUCCESS"

    def answer(self, method: str, name: str, query: dict[str, str], body: dict[str, Any]) -> Answer | None:
        """The answer to a request for a build; None for one that is for something else."""
        match = re.fullmatch(r"projects/[^/]+/builds(?:/(\w+))?", name)
        if not match:
            return None
        if method == "POST":
            return self._create(body)
        return self._look(match[1])

    def _create(self, body: dict[str, Any]) -> Answer:
        wrong = discovery.errors(body, "cloudbuild.v1", "Build")
        if wrong:
            return 400, error(400, "; ".join(wrong))
        number = f"build{len(self.found)}"
        self.found[number] = {**body, "id": number, "status": "QUEUED", "logUrl": f"https://console/{number}"}
        return 200, {"name": f"operations/{number}", "metadata": {"build": self.found[number]}}

    def _look(self, number: str) -> Answer:
        made = self.found.get(number)
        if made is None:
            return not_found(number)
        states = (*_LIFE, self.end)
        made["status"] = states[min(states.index(made["status"]) + 1, len(states) - 1)]
        if made["status"] == "SUCCESS":
            made["results"] = {"images": [{"name": image, "digest": DIGEST} for image in made["images"]]}
        elif made["status"] == self.end:
            made["failureInfo"] = {"type": "USER_BUILD_STEP", "detail": "Build step failure: step 0 exited with 1"}
        return 200, made
