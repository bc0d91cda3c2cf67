"""The losses of a cluster are those of one process that has all of the data in every batch."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests import etth1
from tests.cluster import dense_job
from tests.cluster.conftest import Job, Start
from trainer.estimator.saving.checkpoints import INPUT_PREFIX

pytestmark = pytest.mark.process

SGD_RATE = 0.05


def save_rows(file: Path, x: np.ndarray, y: np.ndarray) -> str:
    np.savez(file, x=x, y=y)
    return str(file)


def generated(count: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which no two shares are alike: float64 [count, 12] and [count, 3]."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(count, 12)) + np.linspace(-1, 1, count)[:, None]
    return x, x @ rng.normal(size=(12, 3)) + rng.normal(size=(count, 3))


def exact_path(x: np.ndarray, y: np.ndarray, steps: int) -> np.ndarray:
    """The losses of the dense layer from zero under SGD, in float64."""
    weights, inputs = np.zeros((x.shape[1] + 1, y.shape[1])), np.hstack([x, np.ones((len(x), 1))])
    found = []
    for _ in range(steps):
        error = inputs @ weights - y
        found.append((error**2).mean())
        weights -= SGD_RATE * 2 * inputs.T @ error / error.size
    return np.array(found)


def alone(directory: Path, rows: str, *task: str) -> np.ndarray:
    """The losses of one process that has everything."""
    dense_job.main([f"--output_dir={directory}/alone", f"--rows={rows}", *task])
    return losses(directory / "alone", "worker-0")


def losses(directory: Path, name: str) -> np.ndarray:
    return np.array(json.loads((directory / f"losses-{name}.json").read_text()))


def run(start: Start, directory: Path, rows: str, *flags: str, task: list[str]) -> Job:
    job = start(
        *flags, module="tests.cluster.dense_job", task=[f"--output_dir={directory}/run", f"--rows={rows}", *task]
    )
    job.completes()
    return job


@pytest.fixture(scope="module")
def ett_rows(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_rows(tmp_path_factory.mktemp("ett") / "rows.npz", *etth1.rows())


def assert_published(found: np.ndarray) -> None:
    assert len(found) == 201
    assert {step: found[step] for step in etth1.LOSSES} == pytest.approx(etth1.LOSSES, abs=1e-4)


def test_one_process_follows_the_path_of_exact_arithmetic(tmp_path: Path) -> None:
    x, y = generated()
    rows = save_rows(tmp_path / "rows.npz", x, y)
    assert alone(tmp_path, rows, "--steps=60") == pytest.approx(exact_path(x, y, 60), rel=1e-6)


# Synchronous workers


def test_synchronous_workers_follow_the_published_path_of_etth1(start: Start, tmp_path: Path, ett_rows: str) -> None:
    run(start, tmp_path, ett_rows, "--worker=2", task=["--steps=201"])
    chief = losses(tmp_path / "run", "chief-0")
    assert_published(chief)
    for index in range(2):
        assert np.array_equal(losses(tmp_path / "run", f"worker-{index}"), chief)


def test_unequal_shares_count_by_their_examples(start: Start, tmp_path: Path) -> None:
    rows = save_rows(tmp_path / "rows.npz", *generated())
    task = ["--steps=60", "--shares", "90", "31", "7"]
    run(start, tmp_path, rows, "--worker=2", task=task)
    expected = alone(tmp_path, rows, *task)
    for name in ("chief-0", "worker-0", "worker-1"):
        assert losses(tmp_path / "run", name) == pytest.approx(expected, rel=1e-6)


def test_two_processes_with_two_devices_each_follow_the_path_of_one_process(start: Start, tmp_path: Path) -> None:
    rows = save_rows(tmp_path / "rows.npz", *generated())
    job = run(start, tmp_path, rows, "--worker=1", task=["--steps=60", "--devices=2"])
    expected = alone(tmp_path, rows, "--steps=60")
    for name in ("chief-0", "worker-0"):
        assert losses(tmp_path / "run", name) == pytest.approx(expected, abs=1e-4)
    held = re.findall(r"kernel on (\S+)", job.text)
    assert {place.split("/job:")[1] for place in held} == {
        f"{process}/replica:0/task:0/device:CPU:{device}" for process in ("chief", "worker") for device in (0, 1)
    }


def test_synchronous_processes_that_resume_go_on_in_their_own_parts_of_the_data(start: Start, tmp_path: Path) -> None:
    """Each has half of the rows, and batches left over in memory when it is stopped."""
    task = ["--model=linear", "--seed=1", "--train_batch_size=20", "--exporter=", "--learning_rate=0.1"]

    def weights(name: str, *stops: int) -> dict[str, np.ndarray]:
        directory = tmp_path / name
        for stop in stops:
            start("--worker=1", task=[f"--output_dir={directory}", f"--train_steps={stop}", *task]).completes()
        reader = tf.train.load_checkpoint(str(directory))
        names = [key for key in reader.get_variable_to_shape_map() if not key.startswith(INPUT_PREFIX)]
        return {key: reader.get_tensor(key) for key in names}

    unbroken, resumed = weights("unbroken", 60), weights("resumed", 33, 60)
    assert unbroken.keys() == resumed.keys()
    for key, value in unbroken.items():
        assert resumed[key] == pytest.approx(value, abs=1e-6), key


def test_early_stopping_in_the_chief_ends_every_worker_at_the_same_step(start: Start, tmp_path: Path) -> None:
    rows = save_rows(tmp_path / "rows.npz", *generated())
    job = run(start, tmp_path, rows, "--worker=2", task=["--steps=100000", "--stop_early_at=50"])
    done = json.loads((tmp_path / "run" / "training_done.json").read_text())
    counts = {len(losses(tmp_path / "run", name)) for name in ("chief-0", "worker-0", "worker-1")}
    assert (done["reason"], {done["global_step"]}) == ("early_stop", counts)
    assert 50 <= done["global_step"] < 100000
    assert len(re.findall(r"worker:\d ended with 0", job.text)) == 2


# Parameter servers


def test_one_worker_on_a_parameter_server_follows_the_published_path_of_etth1(
    start: Start, tmp_path: Path, ett_rows: str
) -> None:
    run(start, tmp_path, ett_rows, "--worker=1", "--ps=1", task=["--steps=201"])
    assert_published(losses(tmp_path / "run", "chief-0"))


@pytest.mark.parametrize(("optimizer", "push_every"), [("adam_v1", 1), ("adam", 7)])
def test_one_worker_on_two_parameter_servers_follows_the_path_of_one_process(
    start: Start, tmp_path: Path, optimizer: str, push_every: int
) -> None:
    rows = save_rows(tmp_path / "rows.npz", *generated())
    task = ["--steps=60", f"--optimizer={optimizer}", f"--push_every={push_every}"]
    job = run(start, tmp_path, rows, "--worker=1", "--ps=2", task=task)
    assert losses(tmp_path / "run", "chief-0") == pytest.approx(alone(tmp_path, rows, *task), rel=1e-6)
    held = re.search(r"kernel on (\S+) bias on (\S+)", job.text)
    assert held and {place.split("/")[3] for place in held.groups()} == {"task:0", "task:1"}
