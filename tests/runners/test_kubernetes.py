"""Jobs on simulated Kubernetes: the operator's TF_CONFIG, an Indexed Job's variables, failures and restarts."""

from __future__ import annotations

import json
import pathlib
import signal

import pytest

from tests.bucket.fixtures import BUCKET
from tests.bucket.process import BucketServer
from tests.deadlines import JOB_SECS
from tests.runners import places
from tests.runners.runner import Failure, Runner, newest_step, says
from trainer import storage
from trainer.launch.cluster import ports
from trainer.launch.kubernetes import submit as submit_kubernetes
from trainer.launch.kubernetes.options import KubernetesOptions, Workload

OUTPUT = f"gs://{BUCKET}/runs/k"
TASK = [
    *("--model=linear", "--save_checkpoints_steps=4000", "--seed=1"),
    "--min_eval_frequency=0",
    "--eval_delay_secs=0",
]


def options(kind: Workload, **counts: int) -> KubernetesOptions:
    return KubernetesOptions(kind=kind, image="registry/trainer:1", output_dir=OUTPUT, **counts)


def operator_restarts(code: int) -> bool:
    """restartPolicy ExitCode: 1 to 127 are permanent."""
    return code >= 128


def job_restarts(code: int) -> bool:
    """podFailurePolicy: 2 fails the job; everything else but 0 gets a successor."""
    return code not in (0, 2)


def ten_ports() -> int:
    """The tens of ten free ports in a row, since the one {index} of a host pattern is in the port here."""
    return next(tens for tens in range(1600, 3200) if all(ports.is_free(10 * tens + digit) for digit in range(10)))


def finished() -> dict[str, object]:
    done: dict[str, object] = json.loads(storage.read(f"{OUTPUT}/training_done.json"))
    return done


@pytest.mark.process
def test_a_tf_job_goes_on_when_a_worker_is_asked_to_end(
    forking_installed: pathlib.Path,
    addresses: list[str],
    environ: dict[str, str],
    bucket_server: BucketServer,
    tmp_path: pathlib.Path,
) -> None:
    what = options(Workload.TFJOB, worker=1, evaluator=1)
    (manifest,) = submit_kubernetes.prepare(what, [*TASK, "--train_steps=24000"]).manifests
    pods = places.of_tf_job(manifest, addresses)
    assert [pod.name for pod in pods] == ["chief-0", "worker-0", "evaluator-0"]
    told = {**environ, **bucket_server.environ}
    with Runner(pods, python=forking_installed, machines=tmp_path, environ=told, restarted=operator_restarts) as runner:
        stop = Failure(name="worker-0", when=lambda runner: newest_step(OUTPUT) > 0, signal=signal.SIGTERM)
        assert runner.run(stop, secs=JOB_SECS) == 0, runner.log()
        assert runner.codes("worker-0") == [143, 0], runner.log()
        assert "Evaluated step 24,000" in runner.log()  # by the evaluator, or the chief in its stead
    assert (finished()["reason"], finished()["global_step"]) == ("max_steps", 24000)
    assert any(entry.path.endswith("/saved_model.pb") for entry in storage.entries(f"{OUTPUT}/export"))


@pytest.mark.process
def test_an_indexed_job_finds_its_roles_and_survives_a_killed_chief(
    forking_installed: pathlib.Path, environ: dict[str, str], bucket_server: BucketServer, tmp_path: pathlib.Path
) -> None:
    what = options(Workload.JOB, worker=1, ps=1, evaluator=1)
    _, manifest = submit_kubernetes.prepare(what, [*TASK, "--train_steps=10000"]).manifests
    pods = places.of_indexed_job(manifest, f"127.0.0.1:{ten_ports()}{{index}}")
    told = {**environ, **bucket_server.environ}
    with Runner(pods, python=forking_installed, machines=tmp_path, environ=told, restarted=job_restarts) as runner:
        kill = Failure(name="index-0", when=lambda runner: newest_step(OUTPUT) > 0)
        assert runner.run(kill, secs=JOB_SECS) == 0, runner.log()
        assert runner.codes("index-0") == [137, 0]
        assert says("index-1", "Serving as worker 0")(runner) and says("index-2", "Serving as ps 0")(runner)
    assert finished()["reason"] == "max_steps"
    assert any(entry.path.endswith("/saved_model.pb") for entry in storage.entries(f"{OUTPUT}/export"))
