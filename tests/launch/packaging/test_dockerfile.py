"""The Dockerfile that is written for the package."""

from __future__ import annotations

import json

import pytest

from trainer.launch.packaging import dockerfile


def instructions(text: str) -> dict[str, str]:
    """The last instruction of each keyword, which is the one that counts."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {keyword: rest for keyword, _, rest in (line.partition(" ") for line in lines)}


@pytest.mark.parametrize("gpu", [False, True])
def test_the_image_runs_the_task_as_process_1_and_not_as_root(gpu: bool) -> None:
    text = dockerfile.text("trainer-0.1.0.tar.gz", gpu=gpu)
    found = instructions(text)
    assert found["FROM"] == dockerfile.BASE_IMAGE and ":" in dockerfile.BASE_IMAGE, "pinned to a tag"
    assert found["COPY"] == "trainer-0.1.0.tar.gz /opt/"
    assert found["USER"] == "1000"
    assert json.loads(found["ENTRYPOINT"]) == ["python", "-m", "trainer.task"]
    assert ('RUN pip install "/opt/trainer-0.1.0.tar.gz[gpu]"\n' in text) == gpu
    assert ("ENV TRAINER_TENSORFLOW=tensorflow-cpu\n" in text) != gpu, "set before pip reads it"


def test_another_base_image_keeps_the_tensorflow_that_it_may_have() -> None:
    text = dockerfile.text("a.tar.gz", base_image="registry/python:3.13")
    assert "FROM registry/python:3.13\n" in text
    assert "TRAINER_TENSORFLOW" not in text


def test_the_packed_problem_is_what_the_image_trains_unless_flags_name_another() -> None:
    text = dockerfile.text("a.tar.gz", module="trainer.problems.flowers")
    entrypoint = json.loads(instructions(text)["ENTRYPOINT"])
    assert entrypoint == ["python", "-m", "trainer.task", "--problem=trainer.problems.flowers"]
