"""Several devices of one process in step: their losses are those of one device that has all of the data."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from trainer.estimator.distribution.sync import seed_of

pytestmark = pytest.mark.process

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `mirrored_job` found in a process with four logical CPUs."""
    directory = tmp_path_factory.mktemp("mirrored")
    command = [sys.executable, "-m", "tests.estimator.mirrored_job", str(directory)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads((directory / "found.json").read_text())


def assert_path(one: dict[str, Any], expected: list[float]) -> None:
    """The same losses, and copies that are equal bit for bit on all devices."""
    assert one["losses"] == pytest.approx(expected, abs=1e-4)
    assert all(one["alike"])
    assert (one["step"], one["reason"]) == (len(expected), "max_steps")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("devices", [2, 4])
def test_devices_with_a_share_each_follow_the_path_of_one_with_everything(
    found: dict[str, Any], optimizer: str, devices: int
) -> None:
    assert len(found[f"{optimizer} on {devices}"]["alike"]) == devices - 1
    assert_path(found[f"{optimizer} on {devices}"], found[f"{optimizer} on 1"]["losses"])


def test_without_a_strategy_all_devices_of_the_process_train(found: dict[str, Any]) -> None:
    assert len(found["without a strategy"]["alike"]) == 3
    assert_path(found["without a strategy"], found["sgd on 1"]["losses"])


def test_a_multi_worker_strategy_trains_where_there_is_no_other_worker(found: dict[str, Any]) -> None:
    assert_path(found["a MultiWorkerMirroredStrategy without a cluster"], found["sgd on 1"]["losses"])


def test_one_device_is_the_one_that_the_strategy_names(found: dict[str, Any]) -> None:
    assert found["one device"]["device"].endswith("/device:CPU:2")
    assert_path(found["one device"], found["sgd on 1"]["losses"])


@pytest.mark.parametrize(("first", "then", "rows"), [(2, 1, 128), (1, 2, 128), (2, 4, 128), (2, 2, 64)])
def test_a_checkpoint_is_continued_on_any_number_of_devices(
    found: dict[str, Any], first: int, then: int, rows: int
) -> None:
    assert_path(found[f"from {first} to {then} with {rows} rows"], found["adam on 1"]["losses"])


def test_batches_of_another_size_are_followed_in_a_continued_run(found: dict[str, Any]) -> None:
    later = found["long after another batch size"]
    assert (later["step"], later["reason"], later["alike"]) == (2000, "max_steps", [True])
    assert later["losses"][-1] < 1.0


def test_moving_averages_are_the_means_over_the_devices_and_are_saved_so(found: dict[str, Any]) -> None:
    one, two = found["keras on 1"], found["keras on 2"]
    assert two["alike"] == [True]
    mean_of_one, mean_of_two = (np.array(next(v for k, v in r["moving"].items() if "mean" in k)) for r in (one, two))
    assert mean_of_two == pytest.approx(mean_of_one, abs=1e-6)
    assert two["saved"] == two["moving"]
    assert two["eval loss"] == pytest.approx(one["eval loss"], rel=0.02)


def test_a_wish_to_stop_ends_all_devices_at_one_step(found: dict[str, Any]) -> None:
    stopped = found["early stop"]
    assert (stopped["reason"], stopped["alike"]) == ("early_stop", [True])
    assert stopped["step"] == len(stopped["losses"]) == 21  # the hook is called every seven steps


def test_batches_that_do_not_fill_a_round_are_left_out(found: dict[str, Any]) -> None:
    assert (found["smaller batches"]["step"], found["smaller batches"]["reason"]) == (30, "max_steps")
    odd = found["an odd number of batches"]
    assert (odd["step"], odd["reason"]) == (2, "data_end")
    assert "2 smaller ones, or too few for a step, are left out." in found["log"]


def test_summaries_are_those_of_the_first_device(found: dict[str, Any]) -> None:
    written, label = found["first labels"]
    assert written == [label, label]


def test_an_error_on_one_device_is_raised_while_the_others_wait_for_it(found: dict[str, Any]) -> None:
    assert "assert_less" in found["an error on the second device"]


def test_devices_differ_in_their_random_ops_and_the_first_has_the_seed_of_the_run() -> None:
    assert [seed_of(7, 0), seed_of(None, 3)] == [7, None]
    assert len({seed_of(7, device) for device in range(100)}) == 100
