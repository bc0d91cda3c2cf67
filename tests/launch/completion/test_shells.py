"""What a person sees who presses the tabulator key, in bash and in zsh."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.launch.completion.shells import Shell
from trainer.launch.completion import completion

pytestmark = pytest.mark.process

# What completed python before: it completes files that end in .py.
_BEFORE = {
    "bash": '_before() { COMPREPLY=($(compgen -G "${COMP_WORDS[COMP_CWORD]}*.py")); }\ncomplete -F _before python',
    "zsh": "autoload -Uz compinit && compinit -u\n_before() { _files -g '*.py' }\ncompdef _before python",
}


@pytest.fixture(scope="module", params=completion.SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell whose rc file has the script, in a folder of a few files."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "rows.csv").touch()
    (directory / "rows.txt").touch()
    (directory / "model.py").touch()
    (directory / "data").mkdir()
    (directory / "completion").write_text(completion.script(request.param))
    opened = Shell(request.param, directory, f"{_BEFORE[request.param]}\n. ./completion")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("python -m trainer.la", "python -m trainer.launch "),
        ("python -m trainer.launch su", "python -m trainer.launch submit "),
        ("python3 -m trainer.launch submit ver", "python3 -m trainer.launch submit vertex "),
        # a value follows at once, without a space in between
        ("python -m trainer.task --train_data", "python -m trainer.task --train_data_paths="),
        ("python -m trainer.task --train-data", "python -m trainer.task --train-data-paths="),
        ("python -m trainer.task --separate", "python -m trainer.task --separate_evaluator "),
        ("python -m trainer.task --exporter=be", "python -m trainer.task --exporter=best "),
        (
            "python -m trainer.launch submit vertex --worker-mach",
            "python -m trainer.launch submit vertex --worker-machine=",
        ),
        ("python -m trainer.launch cluster -- --data-form", "python -m trainer.launch cluster -- --data-format="),
        # files where a flag takes one, and where a command does
        ("python -m trainer.task --train_data_paths=rows.c", "python -m trainer.task --train_data_paths=rows.csv "),
        ("python -m trainer.task --train-data-paths=rows.c", "python -m trainer.task --train-data-paths=rows.csv "),
        ("python -m trainer.task --output_dir=da", "python -m trainer.task --output_dir=data/"),
        ("python -m trainer.launch validate rows.c", "python -m trainer.launch validate rows.csv "),
        # what completed python before goes on to do so
        ("python mod", "python model.py "),
    ],
)
def test_a_line_is_completed(shell: Shell, line: str, becomes: str) -> None:
    assert shell.completed(line) == becomes
