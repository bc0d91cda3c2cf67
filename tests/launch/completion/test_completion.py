"""The completion script, run by a real shell."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess

import pytest

from tests.deadlines import ANSWER_SECS
from trainer.job.config import RunSettings
from trainer.launch import __main__ as launcher
from trainer.launch.completion import completion
from trainer.launch.vertex.options import VertexOptions
from trainer.networks.registry import Model

pytestmark = pytest.mark.process

_ASK = 'COMP_LINE="$1"; COMP_POINT=${#1}; _trainer; printf "%s\\n" "${COMPREPLY[@]}"'


def completed(line: str, tmp_path: pathlib.Path) -> list[str]:
    """What bash would offer at the end of the line."""
    script = tmp_path / "completion.bash"
    script.write_text(completion.script("bash"))
    ask = f'compopt() {{ :; }}; source "{script}"; set -- "{line}"; {_ASK}'
    done = subprocess.run(
        ["bash", "--norc", "-c", ask], capture_output=True, text=True, check=True, timeout=ANSWER_SECS
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("python -m trainer.la", ["trainer.launch"]),
        ("python -m ", [f"trainer.{program}" for program in completion.PROGRAMS]),
        ("python -m trainer.task --train-ba", ["--train-batch-size="]),
        ("python -m trainer.task --first-layer", ["--first-layer-size="]),
        ("python -m trainer.launch ", list(launcher.COMMANDS)),
        ("python -m trainer.launch su", ["submit"]),
        ("python -m trainer.launch submit ", ["vertex", "kubernetes"]),
        (
            "python3 -m trainer.launch submit vertex --worker_",
            ["--worker_accelerator=", "--worker_disk=", "--worker_machine="],
        ),
        ("python -m trainer.launch submit vertex --provisioning=s", ["spot", "standard"]),
        ("python -m trainer.launch submit kubernetes --kind=job", ["job", "jobset"]),
        ("python -m trainer.launch cluster --worker=2 -- --mod", ["--model="]),
        ("python -m trainer.launch submit vertex -- --model=l", ["linear", "lstm", "lstm_encoder"]),
        ("python -m trainer.task --exporter=", ["best", "final", "latest"]),
        ("python -m trainer.task --separate", ["--separate_evaluator"]),
        ("python -m trainer.launch cancel ", ["kubernetes", "vertex"]),
        ("python -m pytest --", []),
        ("python setup", []),
    ],
)
def test_commands_flags_and_values_are_offered(line: str, offered: list[str], tmp_path: pathlib.Path) -> None:
    assert sorted(completed(line, tmp_path)) == sorted(offered)


def test_every_command_is_known() -> None:
    assert {words.split()[0] for words in completion._WORDS} == set(launcher.COMMANDS)


def test_every_flag_and_choice_is_in_it() -> None:
    for shell in completion.SHELLS:
        script = completion.script(shell)
        for settings_class in (RunSettings, VertexOptions):
            for field in dataclasses.fields(settings_class):
                assert f"--{field.name}" in script
        assert all(model.value in script for model in Model)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["completion"], "No shell. Accepted: python -m trainer.launch completion bash|zsh"),
        (["completion", "fish"], "'fish' is not a shell"),
    ],
)
def test_other_shells_are_refused(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(argv) == 2
    assert message in capsys.readouterr().err
