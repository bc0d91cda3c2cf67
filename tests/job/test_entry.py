"""How a command ends: its text, or one line of error, and an exit code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trainer.job import entry, flags
from trainer.job.errors import JobError, UsageError


def _raising(error: BaseException) -> Callable[[], int]:
    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("No --port", "a port", "Add one"), 2, "trainer.serve: No --port. Accepted: a port. Add one.\n"),
        (JobError("It failed"), 1, "trainer.serve: It failed.\n"),
        (PermissionError(13, "Permission denied", "rows.csv"), 1, "[Errno 13] Permission denied: 'rows.csv'\n"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.exit_code("trainer.serve", "python -m trainer.serve", _raising(error)) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.endswith(said)


def test_help_begins_with_how_the_command_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    asked = _raising(flags.HelpRequested("Usage: flags\nAll of them\n"))
    assert entry.exit_code("trainer.serve", "python -m trainer.serve", asked) == 0
    assert capsys.readouterr().out == "Usage: python -m trainer.serve\nAll of them\n"


def test_a_command_that_ends_by_itself_says_its_own_exit_code() -> None:
    assert entry.exit_code("trainer.serve", "python -m trainer.serve", lambda: 143) == 143
