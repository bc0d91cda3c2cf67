"""The end of a log."""

from __future__ import annotations

import pathlib

import pytest

from trainer.launch.sweep.tails import last_lines, last_step


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n \n", []),
        ("a\nb\n\n", ["a", "b"]),
        ("a\nb\nc", ["b", "c"]),
        ("step 1\rstep 2\n", ["step 2"]),
        ("x" * 400, ["x" * 300 + "..."]),
        ("y\n" * 100_000, ["y", "y"]),
    ],
)
def test_the_last_lines_that_say_something(tmp_path: pathlib.Path, text: str, lines: list[str]) -> None:
    path = tmp_path / "log"
    path.write_text(text, newline="")
    assert last_lines(path, 2) == lines


def test_bytes_that_are_no_text_are_shown_as_far_as_they_can_be(tmp_path: pathlib.Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff\xfeend\n")
    assert last_lines(tmp_path / "log", 2) == ["\ufffd\ufffdend"]
    assert last_lines(tmp_path / "none", 2) == []


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (
            "step 1/2,000 (0 %) · loss 2\nstep 1,200/2,000 (60 %) · loss 1\n12:00 I Evaluated step 1,300: …",
            "1,200/2,000",
        ),
        ('{"severity": "INFO", "message": "step 40/60 (66 %) \\u00b7 loss 1"}\n', "40/60"),
        ("step 7 · 10 steps/s · loss 3\n", "7"),
        ("Evaluated step 1,300: rmse 2\n", ""),
    ],
)
def test_the_step_that_was_told_last(tmp_path: pathlib.Path, text: str, step: str) -> None:
    (tmp_path / "log").write_text(text)
    assert last_step(tmp_path / "log") == step


def test_no_log_tells_no_step(tmp_path: pathlib.Path) -> None:
    assert last_step(tmp_path / "log") == ""
