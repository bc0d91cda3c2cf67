"""What TensorFlow says of its devices, from a process of its own."""

from __future__ import annotations

import json
import os

import pytest

from trainer.job.findings import Level
from trainer.launch.doctor import devices as doctor_devices
from trainer.launch.doctor.devices import Question


def said(cuda: bool = False, **found: int) -> str:
    return json.dumps({"version": "2.21.0", "cuda": cuda, "found": {"CPU": 1, "GPU": 0, "TPU": 0} | found})


@pytest.mark.process
def test_tensorflow_is_asked_in_another_process() -> None:
    (finding,) = Question(os.environ).answer()
    assert finding.level is Level.OK
    assert finding.got.startswith("TensorFlow 2.") and "computes on 1 CPU" in finding.got


@pytest.mark.process
def test_an_answer_that_does_not_come_is_reported_and_the_process_is_gone() -> None:
    question = Question(os.environ, "import signal; signal.pause()")
    (finding,) = question.answer(timeout_secs=0.1)
    assert finding.level is Level.ERROR and finding.got == "TensorFlow did not answer in 0.1 s"
    assert question._process.returncode == -9


@pytest.mark.parametrize(
    ("code", "complained", "told", "fix"),
    [
        (
            1,
            "Traceback\nModuleNotFoundError: No module named 'tensorflow'\n",
            "No module named 'tensorflow'",
            "pip inst",
        ),
        (-4, "", "exit code -4", "This processor lacks instructions"),
        (0, "", "exit code 0", "pip install"),
    ],
)
def test_a_tensorflow_that_cannot_be_imported_is_wrong(code: int, complained: str, told: str, fix: str) -> None:
    (finding,) = doctor_devices.findings(code, "", complained, has_gpu=False)
    assert finding.level is Level.ERROR and told in finding.got
    assert finding.do is not None and finding.do.startswith(fix)


@pytest.mark.parametrize(
    ("cuda", "gpus", "told"),
    [(False, 0, "is a build without CUDA"), (True, 0, "cannot reach it (driver or CUDA libraries)"), (True, 2, None)],
)
def test_a_gpu_that_is_not_used_is_reported(cuda: bool, gpus: int, told: str | None) -> None:
    found = list(doctor_devices.findings(0, said(cuda, GPU=gpus), "", has_gpu=True))
    assert "2 GPU" in found[0].got if gpus else "GPU" not in found[0].got
    assert [finding.got for finding in found[1:]] == ([f"this machine has one, but TensorFlow {told}"] if told else [])
