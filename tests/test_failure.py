"""What a process that fails leaves to be read."""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path

from trainer import failure
from trainer.job.errors import TrainingError
from trainer.job.layout import Layout
from trainer.job.signals import SAVED_EXIT_CODE


class PeerIsGoneError(TrainingError):
    """An error after which a process is started again."""

    exit_code = SAVED_EXIT_CODE


def test_a_process_that_ends_because_of_another_one_leaves_what_that_one_said(tmp_path: Path) -> None:
    files = Layout(root=str(tmp_path))
    assert failure.end(PeerIsGoneError("A peer is gone", do="Start it again"), "worker", 7, files) == SAVED_EXIT_CODE
    assert json.loads((tmp_path / "failure.json").read_text())["role"] == "worker"
    assert failure.end(TrainingError("The loss is NaN", do="Lower the rate"), "chief", 7, files) == 1
    assert failure.end(PeerIsGoneError("A peer is gone", do="Start it again"), "worker", 7, files) == SAVED_EXIT_CODE
    record = json.loads((tmp_path / "failure.json").read_text())
    assert (record["role"], record["step"], record["exit_code"]) == ("chief", 7, 1)
    assert "The loss is NaN" in record["error"]


def test_an_error_of_a_graph_is_named_by_what_failed(tmp_path: Path) -> None:
    text = (
        "Graph execution error:\n\nDetected at node loss/Assert defined at (most recent call last):\n"
        '  File "model.py", line 5, in model_fn\n\n'
        "assertion failed: [Some labels are negative.] [[-1]]\n\t [[{{node loss/Assert}}]] [Op:__inference_run_4652]"
    )
    assert failure.end(ValueError(text), "worker", 2, Layout(root=str(tmp_path))) == 1
    message = json.loads((tmp_path / "failure.json").read_text())["message"]
    assert message.startswith(
        "The worker failed at step 2: ValueError: assertion failed: [Some labels are negative.] [[-1]]. No checkpoint"
    )


def test_what_all_processes_end_with_is_the_chiefs_to_say(tmp_path: Path) -> None:
    files = Layout(root=str(tmp_path))
    for role, saved in (("worker", "nothing"), ("chief", "model.ckpt-0"), ("worker", "nothing")):
        error = TrainingError(f"The loss is NaN. Saved was {saved}", do="Lower the rate")
        assert failure.end(error, role, 7, files) == 1
    record = json.loads((tmp_path / "failure.json").read_text())
    assert (record["role"], "model.ckpt-0" in record["error"]) == ("chief", True)


def test_another_failure_or_one_at_another_step_is_told_by_the_process_that_met_it(tmp_path: Path) -> None:
    files, error = Layout(root=str(tmp_path)), TrainingError("The loss is NaN", do="Lower the rate")
    for other, step in ((ValueError("a wrong batch"), 7), (error, 8)):
        failure.end(error, "chief", 7, files)
        failure.end(other, "worker", step, files)
        assert json.loads((tmp_path / "failure.json").read_text())["role"] == "worker"


def test_a_worker_that_ends_at_the_same_moment_does_not_write_over_the_chief(tmp_path: Path) -> None:
    files, error = Layout(root=str(tmp_path)), TrainingError("The loss is NaN", do="Lower the rate")
    for _ in range(20):
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            roles = ["worker", "chief", "worker", "worker"]
            assert set(threads.map(lambda role: failure.end(error, role, 7, files), roles)) == {1}
        assert json.loads((tmp_path / "failure.json").read_text())["role"] == "chief"
        (tmp_path / "failure.json").unlink()
