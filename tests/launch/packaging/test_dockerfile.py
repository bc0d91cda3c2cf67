"""Dockerfiles: ours is sound, and what is wrong with others is told with its line."""

from __future__ import annotations

import pytest

from trainer.launch.packaging import dockerfile

CONTEXT = {"trainer-0.1.0.tar.gz", "data/a.csv"}
SOUND = dockerfile.text("trainer-0.1.0.tar.gz")


@pytest.mark.parametrize("gpu", [False, True])
def test_our_own_is_sound(gpu: bool) -> None:
    text = dockerfile.text("trainer-0.1.0.tar.gz", gpu=gpu)
    assert dockerfile.flaws(text, CONTEXT) == []
    assert ("tensorflow[and-cuda]" in text) == gpu


@pytest.mark.parametrize(
    ("before", "after", "told", "fix"),
    [
        (
            "python:3.12-slim-bookworm",
            "python",
            "FROM python, which is another image tomorrow",
            "Pin it, as python:3.12",
        ),
        ("python:3.12-slim-bookworm", "python:latest", "FROM python:latest", "Pin it"),
        ("FROM python:3.12-slim-bookworm\n", "", "no FROM at the start", "Begin with FROM"),
        ("USER 1000\n", "", "the job runs as root", "Add USER 1000 before ENTRYPOINT"),
        ("USER 1000", "USER root", "the job runs as root", "Add USER 1000"),
        (
            "COPY trainer-0.1.0.tar.gz",
            "COPY dist/trainer-0.1.0.tar.gz",
            "not beside the Dockerfile",
            "Correct the path",
        ),
        ("COPY trainer-0.1.0.tar.gz", "COPY ../trainer-0.1.0.tar.gz", "not beside the Dockerfile", "Correct the path"),
        ("COPY trainer-0.1.0.tar.gz", "ADD https://host/a.tar.gz", "ADD https://host/a.tar.gz", "Download it in a RUN"),
        (
            '["python", "-m", "trainer.task"]',
            "python -m trainer.task",
            "a shell runs that passes no SIGTERM",
            "signals",
        ),
        ('ENTRYPOINT ["python", "-m", "trainer.task"]', "", "no ENTRYPOINT", "Write it so"),
        ("ENV PYTHONUNBUFFERED=1", "ENV API_KEY=abc", "ENV with a secret in it", "--mount=type=secret"),
        ("RUN useradd", "RUM useradd", "no instruction RUM", "Correct the word"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_fix(before: str, after: str, told: str, fix: str) -> None:
    text = SOUND.replace(before, after)
    assert text != SOUND
    (flaw,) = dockerfile.flaws(text, CONTEXT)
    assert told in flaw.got and fix in flaw.do
    assert str(flaw).startswith(f"Dockerfile:{flaw.number}: ")


def test_lines_are_counted_through_continuations_and_comments() -> None:
    text = '# made by hand\nFROM a:1\nRUN one && \\\n    # why\n    two\n\nUSER root\nENTRYPOINT ["a"]\n'
    (flaw,) = dockerfile.flaws(text, set())
    assert flaw.number == 7


def test_stages_globs_and_folders_are_understood() -> None:
    lines = [
        *("ARG TAG=1", "FROM a:1 AS build", "COPY . /src", "COPY data/ *.tar.gz /d/"),
        *("FROM build", "COPY --from=build /a /b", "USER 1", 'ENTRYPOINT ["a"]'),
    ]
    text = "\n".join(lines)
    assert dockerfile.flaws(text, CONTEXT) == []


def test_an_empty_file_has_its_flaws_too() -> None:
    assert [flaw.got for flaw in dockerfile.flaws("", set())] == [
        "no FROM at the start",
        "the job runs as root",
        "no ENTRYPOINT",
    ]
