"""A scenario acted out: the job is created, its pods are processes here, and the controllers see how these end.

A store, the controllers and a kubelet take turns here, without a server and without a thread of their own.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import pathlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence

from tests.control_plane import controllers
from tests.control_plane.admission import admit
from tests.control_plane.kubelet import Kubelet
from tests.control_plane.resources import CORE, EVENTS, OPERATORS, SERVICES, TRIALS, Manifest
from tests.control_plane.scenarios import Scenario
from tests.control_plane.store import Store, condition
from tests.deadlines import ANSWER_SECS
from tests.launch.kubernetes.matrix import ARGV, BASE
from trainer.launch.kubernetes import plan as kubernetes_plan

_LOOK_SECS = 0.1
_KINDS = {resource.kind: resource for resource in (*CORE, *OPERATORS)}
_GOOD = ("Complete", "Completed", "Succeeded")
# Of the one node: what the combinations' selectors ask for.
_NODE = {"cloud.google.com/gke-spot": "true", "pool": "big"}


class _EverySecret(dict[str, str]):
    """Has whatever is asked for."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return "secret"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended:
    """What there is to see of a job that has ended.

    Attributes:
      succeeded: whether the cluster says so.
      jobs: how many jobs there were: one, or the trials.
      lives: of each process, of all jobs together.
      met: whom each process met, in each life that did not end before.
      complaints: of controllers and kubelet, but for a restart.
      services: those that would outlive the job.
    """

    succeeded: bool
    jobs: int
    lives: Mapping[str, int]
    met: Mapping[str, Sequence[set[str]]]
    complaints: Sequence[str]
    services: int


def run(scenario: Scenario, directory: pathlib.Path, python: pathlib.Path) -> Ended:
    """Creates the job, and waits for its end.

    Args:
      scenario: whose job.
      directory: for the files of its pods; it is made.
      python: an executable that is the stand-in, whatever module it shall run.
    """
    lives = directory / "lives"
    lives.mkdir(parents=True)
    acts = {"PEER_ACTS": scenario.acts, "PEER_LIVES": str(lives)}
    store = Store(admit)
    kubelet = Kubelet(
        store,
        directory,
        images={str(BASE["image"]): [str(python), "-m", "trainer.task"]},
        environ=acts | {"PATH": f"{python.parent}:/usr/bin:/bin"},
        secrets=_EverySecret(),
        cpus=1e6,
        labels=_NODE,
    )
    options = scenario.options
    for document in kubernetes_plan.prepare(options, ARGV).manifests:
        job = store.create(_KINDS[document["kind"]], options.namespace, document)
    with contextlib.closing(kubelet):
        succeeded = _to_its_end(store, kubelet, job, directory)
    return _seen(store, directory, succeeded=succeeded)


def require_as_documented(scenario: Scenario, ended: Ended) -> None:
    """Fails where the job did not end as the docs say, or its processes did not find each other."""
    assert ended.succeeded == scenario.succeeds, ended
    assert not ended.complaints, ended
    assert ended.services <= 1  # the one that was sent, which kubectl makes the job's
    assert ended.jobs == (1 if scenario.options.config is None else 2)
    assert ended.lives[scenario.who] == len(scenario.lives) * ended.jobs, ended
    others = set(scenario.processes) - {scenario.who}
    assert all(ended.lives[name] <= ended.jobs for name in others), ended
    if scenario.succeeds:
        known = set(scenario.processes) - scenario.apart
        for name in scenario.processes:
            wanted = known - {name} if name in known else set()
            assert ended.met[name] == [wanted] * ended.jobs, ended


def _to_its_end(store: Store, kubelet: Kubelet, job: Manifest, directory: pathlib.Path) -> bool:
    """Whether it succeeded; then all its processes have ended too."""
    resource, metadata = _KINDS[job["kind"]], job["metadata"]
    deadline = time.monotonic() + ANSWER_SECS
    while True:
        controllers.settle(store)
        kubelet.start_pending()
        now = store.get(resource, metadata["namespace"], metadata["name"])
        is_good = any(condition(now, name) for name in _GOOD)
        if condition(now, "Failed") or (is_good and not kubelet.running):
            return is_good
        assert time.monotonic() < deadline, (now["status"], *_lines(directory))
        kubelet.wait_for_an_end(_LOOK_SECS)
        kubelet.notice_ends()


def _seen(store: Store, directory: pathlib.Path, *, succeeded: bool) -> Ended:
    lines = list(_lines(directory))
    met: dict[str, list[set[str]]] = collections.defaultdict(list)
    for line in lines:
        if found := re.fullmatch(r"(\S+) met (.+)", line):
            met[found[1]].append(set(found[2].split()) - {"nobody"})
    return Ended(
        succeeded=succeeded,
        jobs=len(store.listed(TRIALS)) or 1,
        lives=collections.Counter(line.partition(" ")[0] for line in lines if " runs with " in line),
        met=met,
        complaints=[event["message"] for event in store.listed(EVENTS) if event["reason"] != "TFJobRestarting"],
        services=sum("ownerReferences" not in value["metadata"] for value in store.listed(SERVICES)),
    )


def _lines(directory: pathlib.Path) -> Iterator[str]:
    """What all pods said, without the times."""
    for path in sorted(directory.glob("*.log")):
        yield from (line.partition(" ")[2] for line in path.read_text().splitlines())
