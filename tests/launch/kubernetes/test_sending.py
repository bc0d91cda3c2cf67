"""Jobs sent by a program, and a second try where spot nodes are short."""

from __future__ import annotations

import io
import os
import pathlib
import re

import pytest

import trainer.launch
from tests.bucket.fixtures import BUCKET, bucket_server  # noqa: F401
from tests.bucket.process import BucketServer
from tests.control_plane.fixtures import IMAGE, PEER, Start, kubectl, stand_in, start_plane  # noqa: F401
from tests.control_plane.resources import EXPERIMENTS, JOBS
from tests.control_plane.store import condition
from tests.control_plane.test_controllers import said
from tests.launch.kubernetes.matrix import STUDY
from tests.launched import ROOT
from tests.vertex.builds import DIGEST
from tests.vertex.fixtures import vertex_service  # noqa: F401
from tests.vertex.server import VertexService
from trainer import storage
from trainer.job.errors import UsageError
from trainer.launch import __main__ as launcher
from trainer.launch.kubernetes import plan as kubernetes_plan
from trainer.launch.kubernetes.options import KubernetesOptions, Workload
from trainer.launch.submission import keywords

WORDS = ["submit", "kubernetes", f"--image={IMAGE}", "--output_dir=gs://my-bucket/run", "--poll_secs=0.1"]
KUBERNETES = {"image": IMAGE, "output_dir": "gs://my-bucket/run"}


@pytest.mark.process
@pytest.mark.usefixtures("kubectl")
@pytest.mark.parametrize("by_program", [False, True], ids=["command", "program"])
def test_where_spot_nodes_are_short_the_job_goes_on_other_nodes(
    by_program: bool,
    start_plane: Start,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    plane = start_plane()
    if by_program:
        flags = {"spot": "gke", "fallback": "on_demand", "fallback_after": "0.5s", **KUBERNETES}
        job = trainer.launch.submit("kubernetes", ["--train_steps=10"], **flags)
        first = job.name
        assert job.wait(poll_secs=0.1) == 0, plane.told()
        second = job.name
    else:
        words = ["--spot=gke", "--fallback=on_demand", "--fallback_after=0.5s", "--wait", "--", "--train_steps=10"]
        assert launcher.main([*WORDS, *words]) == 0, plane.told()
    shown = capsys.readouterr()
    if not by_program:
        first, second = re.findall(r"^job/\S+$", shown.out, re.MULTILINE)
    assert "node affinity/selector. Correct --node_selector or --spot" in shown.out
    assert f"{first} found no nodes in 0.5 s, and is ended\nno machines for spot nodes\nnext: nodes on" in shown.err
    (kept,) = plane.store.listed(JOBS)
    assert f"job/{kept['metadata']['name']}" == second
    assert "nodeSelector" not in kept["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fallback=on_demand", "--wait"], "--fallback without --spot. Accepted: something to fall back from"),
        (["--fallback=on_demand", "--spot=gke"], "--fallback without --wait. Accepted: both"),
        (["--fallback_after=soon"], "--fallback_after=soon. Accepted: a number and s, m, h or d"),
        (["--build=cloud"], f"--build=cloud with --image={IMAGE}. Accepted: an image of Artifact Registry"),
        (["--python_image=python:3.12"], "--image with --python_image. Accepted: one of the two. Drop one"),
        (["--staging=gs://b/p"], "--staging without --python_image. Accepted: it, or --build=cloud"),
    ],
)
def test_flags_that_need_others_say_so(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main([*WORDS, *words, "--", "--train_steps=10"]) == 2
    assert message in capsys.readouterr().err


def test_a_package_goes_to_a_bucket_only(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["submit", "kubernetes", "--python_image=python:3.12", "--volume=claim=/mnt/runs", "--dry_run"]
    assert launcher.main([*words, "--output_dir=/mnt/runs/a", "--", "--train_steps=10"]) == 2
    assert "Accepted: gs://bucket/folder. Name one for it: --staging=gs://bucket/packages" in capsys.readouterr().err
    assert launcher.main([*words, "--output_dir=/mnt/runs/a", "--staging=gs://b/p", "--", "--train_steps=10"]) == 0
    shown = capsys.readouterr()
    assert "exec python -m trainer.task" in shown.out
    assert re.search(r"package: gs://b/p/\w{16}/trainer-[\d.]+\.tar\.gz \(\d+ files, uploaded unless", shown.err)


@pytest.mark.process
@pytest.mark.usefixtures("kubectl")
def test_a_program_submits_waits_reads_and_cancels(start_plane: Start) -> None:  # noqa: F811
    plane = start_plane()
    job = trainer.launch.submit("kubernetes", ["--train_steps=10"], worker=1, ttl_secs=None, **KUBERNETES)
    assert job.name.startswith("job/trainer")
    stream = io.StringIO()
    assert job.wait(stream, poll_secs=0.1) == 0
    assert "worker-0   | worker-0 met chief-0" in stream.getvalue()
    assert job.exit_code() == 0 and job.status().startswith(f"{job.name}: complete; ")
    stream = io.StringIO()
    assert job.logs(stream) == 4 and "chief-0    | chief-0 met worker-0" in stream.getvalue()
    assert job.cancel()
    plane.wait_for(lambda: not plane.store.listed(JOBS) and not plane.pods())
    assert not job.cancel()


@pytest.mark.parametrize(
    ("target", "flags", "message"),
    [
        ("mars", {}, "'mars' is not a target"),
        ("kubernetes", {"wait": True, **KUBERNETES}, "wait in a program. Accepted: the other flags. Drop it"),
        ("kubernetes", {"wrker": 1}, "Unknown flag"),
        ("kubernetes", {"worker": "many"}, "--worker=many"),
    ],
)
def test_a_program_is_told_what_a_person_is_told(target: str, flags: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        trainer.launch.submit(target, ["--train_steps=10"], **flags)


def test_arguments_become_the_words_of_a_command_line() -> None:
    flags = {"worker": 2, "wait": True, "name": None, "label": {"team": "a", "tier": "b"}, "pull_secret": ("x", "y")}
    expected = ["--worker=2", "--wait=true", "--label=team=a,tier=b", "--pull_secret=x,y"]
    assert keywords.argv(flags) == expected
    assert keywords.argv({"env": {"LIST": "a,b", "LEVEL": 2}}) == ['--env="LIST=a,b",LEVEL=2']


@pytest.mark.process
@pytest.mark.usefixtures("kubectl")
def test_cloud_build_builds_for_a_cluster_too(
    start_plane: Start,  # noqa: F811
    vertex_service: VertexService,  # noqa: F811
    bucket_server: BucketServer,  # noqa: F811
) -> None:
    image = "europe-docker.pkg.dev/theirs/train/mine"
    plane = start_plane(images={f"{image}@{DIGEST}": PEER})
    at = {"build_endpoint": vertex_service.endpoint, "staging": f"gs://{BUCKET}/staging", "poll_secs": 0.01}
    flags = KUBERNETES | {"image": f"{image}:1", "build": "cloud", **at}
    job = trainer.launch.submit("kubernetes", ["--train_steps=10"], **flags)
    assert job.wait(io.StringIO(), poll_secs=0.1) == 0, plane.told()
    (asked,) = (sent for sent in vertex_service.received if sent.method == "POST")
    assert asked.path == "/v1/projects/theirs/builds" and asked.body["images"] == [f"{image}:1"]
    assert storage.exists(f"gs://{BUCKET}/{asked.body['source']['storageSource']['object']}")


# What stands for a plain image's Python: it notes what is installed, and is the task.
PLAIN = """#!/bin/sh
case "$*" in
  *find_spec*) exit 1 ;;
  *"pip install"*|*DOWNLOAD*|"-c "*) echo "does $*"; exit 0 ;;
esac
shift 2
exec {peer} "$@"
"""


@pytest.mark.process
@pytest.mark.parametrize("kind", ["job", "tfjob"])
def test_the_trials_of_a_study_install_the_source_and_become_the_task(
    kind: str,
    start_plane: Start,  # noqa: F811
    tmp_path: pathlib.Path,
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(PLAIN.format(peer=" ".join(PEER)))
    python.chmod(0o755)
    problem = tmp_path / "mine.py"
    problem.write_text("from trainer.model import PROBLEM\n__all__ = ['PROBLEM']\n")
    flags = {"kind": Workload(kind), "python_image": "python:3.12", "output_dir": "gs://my-bucket/a", "config": STUDY}
    what = KubernetesOptions(worker=1, **flags)
    submission = kubernetes_plan.prepare(what, ["--train_steps=10", f"--problem={problem}"])
    lives = tmp_path / "alive"
    lives.mkdir()
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "PEER_LIVES": str(lives), "PYTHONPATH": str(ROOT)}
    plane = start_plane(images={"python:3.12": ["python"]}, environ=environ)
    known = {resource.kind: resource for resource in plane.server.known}
    for document in submission.manifests:
        plane.store.create(known[document["kind"]], "default", document)
    plane.wait_for(lambda: condition(plane.store.listed(EXPERIMENTS)[0], "Succeeded"))
    lines = said(plane)
    assert lines.count("worker-0 met chief-0") == 2
    assert "chief-0 runs with --output_dir=gs://my-bucket/a --train_steps=10 --problem=trainer.problems.mine" in lines
    assert f"/{pathlib.Path(submission.package.path_below('')).name}" in lines if submission.package else False


@pytest.mark.process
@pytest.mark.usefixtures("kubectl")
def test_an_image_is_built_and_pushed_and_runs_by_its_digest(
    start_plane: Start,  # noqa: F811
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    digest = f"sha256:{'a1' * 32}"
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    record = f'echo "$*" >> {tmp_path}/asked; [ "$1" != build ] || cp -r "$4" {tmp_path}/context'
    docker.write_text(f"#!/bin/sh\n{record}\necho 'latest: digest: {digest} size: 1'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    built = f"registry/mine@{digest}"
    plane = start_plane(images={built: PEER})
    problem = tmp_path / "mine.py"
    problem.write_text("from trainer.model import PROBLEM\n__all__ = ['PROBLEM']\n")
    words = ["submit", "kubernetes", "--image=registry/mine:1", "--output_dir=gs://my-bucket/run", "--build=docker"]
    task = ["--", "--train_steps=10", f"--problem={problem}"]
    assert launcher.main([*words, "--poll_secs=0.1", "--wait", *task]) == 0, plane.told()
    shown = capsys.readouterr()
    assert "--problem=trainer.problems.mine" in shown.out and "docker | latest: digest" in shown.err
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].startswith("build --tag registry/mine:1 /") and asked[1:] == ["push registry/mine:1"]
    assert 'ENTRYPOINT ["python", "-m", "trainer.task"' in (tmp_path / "context" / "Dockerfile").read_text()
