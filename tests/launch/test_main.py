"""The entry of the launcher: commands, help, exit codes."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from trainer.launch import __main__ as launcher

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "trainer.launch: No command. Accepted: python -m trainer.launch cluster|"),
        (["clutser"], "trainer.launch: 'clutser' is not a command. Accepted: "),
        (["clutser"], "Did you mean cluster?"),
        (["--worker=2"], "'--worker=2' is not a command"),
        (["cluster", "--worker=x"], "trainer.launch cluster: --worker=x. Accepted: a whole number"),
        (["doctor", "--outputdir=x"], "trainer.launch doctor: Unknown flag --outputdir. Did you mean --output_dir=x"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launcher.main(argv) == 2
    shown = capsys.readouterr()
    assert message in shown.err and shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize("argv", [["--help"], *([name, "--help"] for name in launcher.COMMANDS)])
def test_help_goes_to_stdout_and_exits_0(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(argv) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: python -m trainer.launch") and shown.out.endswith("\n")
    assert shown.err == ""


@pytest.mark.process
def test_nothing_here_loads_tensorflow() -> None:
    code = (
        "import sys; from trainer.launch.cluster import local; from trainer.launch import __main__ as launcher; "
        "launcher.main(['cluster', '--help']); "
        "launcher.main(['doctor', '--nodevices']); "
        "sys.exit(bool({'tensorflow', 'keras', 'numpy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
