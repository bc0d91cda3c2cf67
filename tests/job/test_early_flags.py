"""A flag that is looked up, or replaced, before it is known which other flags there are."""

from __future__ import annotations

import pathlib

import pytest

from trainer.job import early_flags


@pytest.mark.parametrize(
    ("argv", "replaced"),
    [
        (["--a=1", "--problem=x.py", "--b"], ["--a=1", "--problem=m", "--b"]),
        (["-problem", "x.py", "--b"], ["--problem=m", "--b"]),
        (["--problem=x.py", "--problem", "y.py"], ["--problem=m", "--problem=m"]),
        (["--problems=x.py"], ["--problems=x.py", "--problem=m"]),
        ([], ["--problem=m"]),
    ],
)
def test_a_flag_gets_another_value_however_it_is_spelled(argv: list[str], replaced: list[str]) -> None:
    assert early_flags.replaced(argv, "problem", "m") == replaced
    assert early_flags.value(replaced, "problem") == "m"


def test_a_value_in_a_file_of_flags_is_replaced_by_a_later_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "flags").write_text("--problem=x.py\n")
    argv = [f"--flagfile={tmp_path}/flags"]
    assert early_flags.value(argv, "problem") == "x.py"
    assert early_flags.value(early_flags.replaced(argv, "problem", "m"), "problem") == "m"
