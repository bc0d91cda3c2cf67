"""The campaigns on goodput, in short: a job that is killed completes, and says what became of its time."""

from __future__ import annotations

import pathlib
import struct

import pytest

from tests.bucket.process import BucketServer
from tests.faults import goodput, lives, slow_problem, soak
from tests.faults.lives import Life
from trainer import storage

STEP_SECS, KILLS = 0.02, 1


def check(made: list[Life], noted: lives.Truth, figures: dict[str, float]) -> None:
    """What has to be so however busy the machine is: a step takes its time at least."""
    assert [life.code for life in made] == [-9] * KILLS + [0]
    assert sum(life.left for life in made) == 0
    assert figures["restarts"] == KILLS
    assert figures["lost_steps"] <= noted.made_steps - noted.kept_steps
    assert noted.kept_steps == figures["global_step"]
    assert 0.5 * STEP_SECS * noted.kept_steps < figures["progress_secs"] < figures["total_secs"]
    assert figures["total_secs"] < made[-1].ended - made[0].began + 1


@pytest.mark.process
def test_a_job_that_is_killed_says_what_became_of_its_time(
    forking_python: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    argv = [f"--step_secs={STEP_SECS}", f"--kills={KILLS}", "--save_secs=0.5", "--every_secs=300", "--model=linear"]
    options = goodput.parsed(argv)
    made = goodput.run(forking_python, tmp_path, options, steps=40)
    figures = lives.said((tmp_path / "run" / "summary.json").read_bytes())
    check(made, lives.truth(tmp_path / "stamps", int(figures["global_step"])), figures)
    assert f"{KILLS} restart" in (tmp_path / "log").read_text()


@pytest.mark.process
def test_a_job_in_a_bucket_that_is_killed_on_bad_days_completes(
    forking_python: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = [f"--step_secs={STEP_SECS}", f"--kills={KILLS}", "--save_steps=10", "--every_secs=300", "--last_steps=20"]
    argv.append("--model=linear")
    options = soak.parsed(argv)
    with BucketServer(tmp_path / "buckets") as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        server.set_plan(soak.faults(0.05, seed=1))
        made, memory = soak.run(forking_python, server, tmp_path, options, steps=30)
        server.set_faults()
        figures = lives.said(storage.read(f"{soak.RUN}/summary.json"))
    noted = lives.truth(tmp_path / "stamps", int(figures["global_step"]))
    check(made, noted, figures)
    assert len(memory) == KILLS and all(memory)
    assert "processes left after their end: 0" in soak.report(made, memory, noted, figures)


def stamps(file: pathlib.Path, *noted: tuple[int, float]) -> None:
    file.write_bytes(b"".join(slow_problem.STAMP.pack(step, at, 0.0) for step, at in noted) + b"cut")


def test_of_a_step_that_was_made_twice_the_second_time_counts(tmp_path: pathlib.Path) -> None:
    stamps(tmp_path / "1", (0, 10.0), (1, 11.0), (2, 12.0), (3, 13.0))
    stamps(tmp_path / "2", (2, 31.0), (3, 33.0), (4, 34.0), (5, 99.0))
    noted = lives.truth(tmp_path, last_step=5)
    assert (noted.kept_steps, noted.made_steps) == (6, 8)
    assert noted.progress_secs == 1 + 1 + 1 + 2 + 1 + 1  # a save lies before the last one
    assert lives.last_step(tmp_path) == 6


@pytest.mark.parametrize(
    ("values", "expected"), [([100.0] * 9, 0.0), ([100.0, 100.0, 150.0, 200.0], 1.0), ([100.0], 0.0)]
)
def test_growth_is_that_of_the_last_third(values: list[float], expected: float) -> None:
    assert soak.growth(values) == expected


def test_a_stamp_has_the_size_that_is_counted_by() -> None:
    assert slow_problem.STAMP.size == struct.calcsize("<q") + 2 * struct.calcsize("<d")
