"""Jobs on a cluster through kubectl: created, listed, followed, explained and ended."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import threading
from collections.abc import Callable

import pytest

from tests.control_plane.fixtures import IMAGE, Start, kubectl, stand_in, start_plane  # noqa: F401
from tests.control_plane.plane import Plane
from tests.control_plane.resources import CORE, EVENTS, JOB_SETS, JOBS, PODS, RUNTIMES, SERVICES, TF_JOBS, TRAIN_JOBS
from trainer.launch import __main__ as launcher
from trainer.launch.kubernetes.kubectl import Kubectl
from trainer.launch.kubernetes.log_streams import LogStreams

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("kubectl")]

Shown = pytest.CaptureFixture[str]
WORDS = ["submit", "kubernetes", f"--image={IMAGE}", "--output_dir=gs://my-bucket/run", "--poll_secs=0.1"]


def launch(*words: str) -> int:
    return launcher.main(words)


def submit(*words: str, acts: str = "") -> int:
    flags = [f"--env=PEER_ACTS={acts}"] if acts else []
    return launch(*WORDS, *flags, *words, "--", "--train_steps=10")


def submitted(plane: Plane) -> str:
    """The name of the one Job that there is."""
    (job,) = plane.store.listed(JOBS)
    return str(job["metadata"]["name"])


def test_a_job_is_followed_with_the_lines_of_its_processes(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    start_plane()
    assert submit("--wait", "--worker=1", "--evaluator=1") == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert re.fullmatch(r"job/trainer[-\w]*", lines[0])
    assert "chief-0    | chief-0 runs with --output_dir=gs://my-bucket/run" in shown.out
    assert "worker-0   | worker-0 met chief-0 evaluator-0" in lines
    assert lines[-1].startswith("job        | complete; Reached expected number of succeeded pods")
    assert f"logs:   python -m trainer.launch logs kubernetes {lines[0]} --follow" in shown.err


def test_a_job_that_fails_exits_with_1_and_says_who_ended_how(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    start_plane()
    assert submit("--wait", acts="chief-0:2") == 1
    shown = capsys.readouterr().out
    assert "job        | failed; Container tensorflow for pod" in shown
    assert re.search(r"job        \| \S+ ended with 2: wrong configuration, data or usage", shown)


def test_every_line_of_a_process_comes_once_and_of_its_successor_too(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    start_plane()
    assert submit("--wait", "--worker=1", acts="worker-0:143/meet") == 0
    shown = capsys.readouterr().out
    assert shown.count("worker-0   | worker-0 ends with 143") == 1
    assert shown.count("worker-0   | worker-0 met chief-0") == 1
    assert shown.count("chief-0    | chief-0 met worker-0") == 1


@pytest.mark.parametrize(
    ("flags", "settings", "reason"),
    [
        (
            ["--image=registry/other:2"],
            {},
            "the image registry/other:2 cannot be pulled (ImagePullBackOff): .* Check its name and tag; a private "
            "registry needs --pull_secret",
        ),
        (
            ["--cpu=4"],
            {"cpus": 2.0},
            "no node has room: 0/1 nodes are available: 1 Insufficient cpu. Ask for less (--cpu), or add larger nodes",
        ),
        (
            ["--secret_env=KEY=mine/key"],
            {},
            'CreateContainerConfigError: secret "mine" not found. Create it in the job\'s namespace, or correct',
        ),
        (
            [],
            {"most_pods": 0},
            ".*exceeded quota: compute, requested: pods=1, used: pods=0, limited: pods=0. Ask for less",
        ),
    ],
)
def test_status_says_why_a_job_waits(
    flags: list[str],
    settings: dict[str, object],
    reason: str,
    start_plane: Start,  # noqa: F811
    capsys: Shown,
) -> None:
    plane = start_plane(**settings)
    assert submit(*flags) == 0
    plane.wait_for(lambda: any(event["type"] == "Warning" for event in plane.store.listed(EVENTS)))
    capsys.readouterr()
    assert launch("status", "kubernetes", submitted(plane)) == 0
    shown = capsys.readouterr().out
    pattern = re.escape(reason).replace(r"\.\*", ".*")
    assert re.search(pattern, shown), shown


def test_while_a_person_waits_they_are_told_what_for(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    plane = start_plane(cpus=1.0)
    plane.store.create(JOBS, "default", _blocking("900m"))
    plane.wait_for(lambda: plane.kubelet.running)

    def make_room() -> None:
        plane.wait_for(lambda: any("/events" in request for request in plane.server.requests))
        plane.store.delete(JOBS, "default", "blocks")

    room = threading.Thread(target=make_room)
    room.start()
    assert submit("--wait", "--cpu=500m") == 0
    room.join()
    shown = capsys.readouterr().out
    assert "no node has room: 0/1 nodes are available: 1 Insufficient cpu. Ask for less" in shown
    assert "chief-0 met nobody" in shown


def _blocking(cpu: str) -> dict[str, object]:
    container = {"name": "c", "image": IMAGE, "command": ["sleep", "600"], "resources": {"requests": {"cpu": cpu}}}
    pod = {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}}
    spec = {"completionMode": "Indexed", "completions": 1, "template": pod}
    return {"metadata": {"name": "blocks"}, "spec": spec}


def test_a_job_that_is_cancelled_leaves_nothing(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    plane = start_plane()
    assert submit("--worker=1", acts="chief-0:wait worker-0:wait") == 0
    name = submitted(plane)
    plane.wait_for(lambda: plane.kubelet.running == 2)
    assert len(plane.store.listed(SERVICES)) == 1
    capsys.readouterr()
    assert launch("cancel", "kubernetes", name) == 0
    assert capsys.readouterr().out == f"job/{name} is being ended; its processes save first\n"
    plane.wait_for(lambda: not plane.store.listed(JOBS) and not plane.pods() and not plane.store.listed(SERVICES))
    assert launch("cancel", "kubernetes", name) == 0
    assert capsys.readouterr().out == f"there is no job/{name}\n"


@pytest.mark.parametrize("kind", ["tfjob", "jobset", "trainjob"])
def test_a_cancelled_job_of_an_operator_leaves_nothing(kind: str, start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    plane = start_plane()
    assert submit("--worker=1", f"--kind={kind}", acts="chief-0:wait worker-0:wait") == 0
    (name,) = capsys.readouterr().out.splitlines()
    plane.wait_for(lambda: plane.kubelet.running == 2)
    assert launch("cancel", "kubernetes", name) == 0
    kinds = (JOBS, TF_JOBS, JOB_SETS, TRAIN_JOBS, RUNTIMES, SERVICES, PODS)
    plane.wait_for(lambda: not any(plane.store.listed(resource) for resource in kinds))


def test_the_same_command_twice_makes_two_jobs(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    plane = start_plane()
    assert submit("--worker=1", "--wait") == 0
    assert submit("--worker=2", "--wait") == 0
    names = re.findall(r"^job/\S+$", capsys.readouterr().out, re.MULTILINE)
    assert len(set(names)) == 2 == len(plane.store.listed(JOBS))


def test_the_same_manifest_twice_is_refused_and_the_first_job_stays(
    start_plane: Start,  # noqa: F811
    tmp_path: pathlib.Path,
    capsys: Shown,
) -> None:
    plane = start_plane()
    assert submit("--worker=1", "--dry_run", acts="chief-0:wait worker-0:wait") == 0
    manifest = tmp_path / "job.yaml"
    manifest.write_text(capsys.readouterr().out)
    assert launch("submit", "kubernetes", f"--manifest={manifest}") == 0
    before = plane.store.listed(JOBS)[0]["metadata"]["uid"]
    manifest.write_text(manifest.read_text().replace("train_steps=10", "train_steps=20"))
    assert launch("submit", "kubernetes", f"--manifest={manifest}", "--wait") == 1
    assert (
        "already exists. Nothing of it was changed. Choose another name, or end it first: trainer.launch cancel"
        in capsys.readouterr().err
    )
    assert [job["metadata"]["uid"] for job in plane.store.listed(JOBS)] == [before]
    assert len(plane.store.listed(SERVICES)) == 1


def test_what_a_job_brought_goes_with_its_time_to_live(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    assert submit("--worker=1", "--ttl_secs=1") == 0
    assert any(" /api/v1/namespaces/default/services" in request for request in plane.server.requests)
    plane.wait_for(lambda: not plane.store.listed(JOBS) and not plane.store.listed(SERVICES))


def test_the_jobs_of_a_namespace_are_listed(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    start_plane(known=CORE)
    assert launch("list", "kubernetes") == 0
    assert capsys.readouterr().out == "no jobs in default\n"
    assert submit("--name=one", "--wait") == 0
    assert submit("--name=two", "--namespace=training", acts="chief-0:wait") == 0
    capsys.readouterr()
    assert launch("list", "kubernetes") == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAMESPACE", "JOB", "STATE", "AGE"]
    assert re.fullmatch(r"default +job/one[-\w]* +complete +\d+s", row)
    assert launch("list", "kubernetes", "--all_namespaces") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_lines_are_shown_and_followed_later(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    plane = start_plane()
    assert submit("--worker=1") == 0
    name = submitted(plane)
    capsys.readouterr()
    assert launch("logs", "kubernetes", name, "--follow", "--poll_secs=0.1") == 0
    followed = capsys.readouterr().out
    assert "chief-0    | chief-0 met worker-0" in followed and "worker-0   | worker-0 met chief-0" in followed
    assert launch("logs", "kubernetes", name) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and "chief-0    | chief-0 met worker-0" in said
    assert launch("logs", "kubernetes", name, "--tail=1") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_job_that_is_not_there_is_reported(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    start_plane()
    assert launch("status", "kubernetes", "tfjob/nothing") == 1
    expected = (
        'tfjobs.kubeflow.org "nothing" not found. python -m trainer.launch list kubernetes shows the jobs; it may have'
    )
    assert expected in capsys.readouterr().err


def test_an_operator_that_is_not_installed_is_reported_and_nothing_stays(start_plane: Start, capsys: Shown) -> None:  # noqa: F811
    plane = start_plane(known=CORE)
    assert submit("--kind=trainjob") == 1
    assert "Its operator is not installed there: --kind=job needs none" in capsys.readouterr().err
    assert plane.store.listed(SERVICES) == [] and plane.store.listed(TF_JOBS) == []


def test_a_broken_connection_is_opened_again_where_it_broke(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    script = "for n in 1 2 3 4 5 6; do echo line $n; sleep 0.3; done"
    container = {"name": "c", "image": IMAGE, "command": ["sh", "-c", script]}
    labels = {"app.kubernetes.io/instance": "counts"}
    pod = {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    job = {"metadata": {"name": "counts"}, "spec": {"completionMode": "Indexed", "completions": 1, "template": pod}}
    plane.store.create(JOBS, "default", job)
    plane.wait_for(lambda: plane.kubelet.running)
    streams = LogStreams(Kubectl(), "default")
    streams.open(plane.pods())
    lines = streams.lines(60.0)
    texts = [next(lines)[1], next(lines)[1]]
    for process in _children("logs"):
        os.kill(process, 9)
    while len(texts) < 6:
        streams.open(plane.pods())
        texts += [text for _, text in streams.lines(0.2)]
    streams.close()
    assert texts == [f"line {number}" for number in range(1, 7)]


def _children(word: str) -> list[int]:
    """Process ids of this process's children that have the word among their arguments."""
    found = []
    for path in pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        if word in pathlib.Path(f"/proc/{path}/cmdline").read_text().split("\0"):
            found.append(int(path))
    return found


def test_what_stands_for_kubectl_says_what_kubectl_says(start_plane: Start, stand_in: pathlib.Path) -> None:  # noqa: F811
    plane = start_plane()
    job = json.dumps({"apiVersion": "batch/v1", "kind": "Job"} | _blocking("1"))

    def both(ask: Callable[[str], tuple[int, str, str]]) -> None:
        stood = ask(str(stand_in / "kubectl"))
        plane.store.delete(JOBS, "default", "blocks") if plane.store.find(JOBS, "default", "blocks") else None
        assert stood == ask("kubectl")

    def ran(*words: str, given: str = "") -> Callable[[str], tuple[int, str, str]]:
        def run(program: str) -> tuple[int, str, str]:
            done = subprocess.run([program, *words], input=given, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr

        return run

    both(ran("create", "-f", "-", given=job))
    again = ran("create", "-f", "-", given=job)
    assert again("kubectl") == again(str(stand_in / "kubectl"))
    missing = ran("get", "jobs.batch", "other", "--namespace=default", "--output=json")
    assert missing("kubectl") == missing(str(stand_in / "kubectl"))
    both(ran("delete", "jobs.batch", "nothing", "--wait=false", "--ignore-not-found"))


def test_without_kubectl_the_way_on_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: Shown) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert submit() == 2
    assert (
        "kubectl is not installed. Accepted: kubectl in PATH. Install it, or print the manifest (--dry_run)"
        in capsys.readouterr().err
    )
