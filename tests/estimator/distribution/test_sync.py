"""Several devices of one process in step have the losses of one device with all of the data."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.deadlines import JOB_SECS
from trainer.estimator.distribution.collectives import PeerLostError
from trainer.estimator.distribution.sync import peers_needed, seed_of

pytestmark = pytest.mark.process

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="module")
def results(forking_python: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `mirrored_job` measured in a process with four logical CPUs."""
    directory = tmp_path_factory.mktemp("mirrored")
    command = [forking_python, "-m", "tests.estimator.mirrored_job", str(directory)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=JOB_SECS, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads((directory / "results.json").read_text())


def assert_path(one: dict[str, Any], expected: list[float]) -> None:
    """The same losses, and replicas that are equal bit for bit on all devices."""
    assert one["losses"] == pytest.approx(expected, abs=1e-4)
    assert all(one["alike"])
    assert (one["step"], one["reason"]) == (len(expected), "max_steps")


@pytest.mark.parametrize(("optimizer", "devices"), [("sgd", 2), ("sgd", 4), ("adam", 2), ("of a head", 2)])
def test_devices_with_a_part_of_the_batch_each_have_the_losses_of_one_with_all_of_it(
    results: dict[str, Any], optimizer: str, devices: int
) -> None:
    assert len(results[f"{optimizer} on {devices}"]["alike"]) == devices - 1
    assert_path(results[f"{optimizer} on {devices}"], results[f"{optimizer} on 1"]["losses"])


def test_without_a_strategy_all_devices_of_the_process_train(results: dict[str, Any]) -> None:
    assert len(results["without a strategy"]["alike"]) == 3
    assert_path(results["without a strategy"], results["sgd on 1"]["losses"])


def test_a_multi_worker_strategy_trains_where_there_is_no_other_worker(results: dict[str, Any]) -> None:
    assert_path(results["a MultiWorkerMirroredStrategy without a cluster"], results["sgd on 1"]["losses"])


def test_one_device_is_the_one_that_the_strategy_names(results: dict[str, Any]) -> None:
    assert results["one device"]["device"].endswith("/device:CPU:2")
    assert_path(results["one device"], results["sgd on 1"]["losses"])


@pytest.mark.parametrize(("first", "then", "rows"), [(2, 1, 128), (1, 2, 128), (2, 4, 128), (2, 2, 64)])
def test_a_run_resumes_on_any_number_of_devices(results: dict[str, Any], first: int, then: int, rows: int) -> None:
    assert_path(results[f"from {first} to {then} with {rows} rows"], results["adam on 1"]["losses"])


def test_a_run_that_resumes_changes_to_batches_of_another_size(results: dict[str, Any]) -> None:
    later = results["long after another batch size"]
    assert (later["step"], later["reason"], later["alike"]) == (2000, "max_steps", [True])
    assert later["losses"][-1] < 1.0


def test_moving_averages_are_the_means_over_the_devices_and_are_saved_so(results: dict[str, Any]) -> None:
    one, two = results["keras on 1"], results["keras on 2"]
    assert two["alike"] == [True]
    mean_of_one, mean_of_two = (np.array(next(v for k, v in r["moving"].items() if "mean" in k)) for r in (one, two))
    assert mean_of_two == pytest.approx(mean_of_one, abs=1e-6)
    assert two["saved"] == two["moving"]
    assert two["eval loss"] == pytest.approx(one["eval loss"], rel=0.02)


def test_a_stop_that_a_hook_requests_ends_all_devices_at_one_step(results: dict[str, Any]) -> None:
    stopped = results["early stop"]
    assert (stopped["reason"], stopped["alike"]) == ("early_stop", [True])
    assert stopped["step"] == len(stopped["losses"]) == 21  # the hook is called every seven steps


def test_batches_that_do_not_fill_a_step_are_left_out(results: dict[str, Any]) -> None:
    assert (results["smaller batches"]["step"], results["smaller batches"]["reason"]) == (30, "max_steps")
    odd = results["an odd number of batches"]
    assert (odd["step"], odd["reason"]) == (2, "data_end")
    assert "Left out 2 batches that are smaller than the others or too few for a step" in results["log"]


def test_summaries_are_those_of_the_first_device(results: dict[str, Any]) -> None:
    written, label = results["first labels"]
    assert written == [label, label]


def test_a_weight_that_is_written_by_hand_is_refused_on_several_devices(results: dict[str, Any]) -> None:
    assert "writes the weight kernel by AssignSubVariableOp" in results["a weight written by hand"]


def test_an_error_on_one_device_is_raised_while_the_others_wait_for_it(results: dict[str, Any]) -> None:
    assert "assert_less" in results["an error on the second device"]


def test_devices_differ_in_their_random_ops_and_the_first_has_the_seed_of_the_run() -> None:
    assert [seed_of(7, 0), seed_of(None, 3)] == [7, None]
    assert len({seed_of(7, device) for device in range(100)}) == 100


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.UnavailableError(None, None, "Connection reset by peer"),
        tf.errors.FailedPreconditionError(None, None, "Collective ops is aborted by: /job:worker is not in the group"),
        # What TensorFlow 2.21 says where the chief was killed and started again while nothing was sent to it.
        tf.errors.InvalidArgumentError(
            None,
            None,
            "Collective ops is aborted by: Task with task_name=/job:worker/replica:0/task:0 must be registered before "
            "sending heartbeat messages. The service might have restarted, please restart / reset and register again.",
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_ends_the_group_tells_of_a_lost_process(error: tf.errors.OpError) -> None:
    with pytest.raises(PeerLostError, match=f"is gone \\({type(error).__name__}\\)"), peers_needed():
        raise error


def test_an_error_of_the_model_stays_what_it_is() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"), peers_needed():
        raise tf.errors.InvalidArgumentError(None, None, "Incompatible shapes: [2] vs. [3]")
