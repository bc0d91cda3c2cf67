"""What the campaign on parameter servers measures. Its short form with processes is `tests/cluster/test_kills.py`."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.faults import ps
from tests.faults.ps import Outcome

OPTIONS = ps.parsed(["--steps=1000"])


def outcome(directory: pathlib.Path, step: int, reported: list[int], role: str = "worker", code: int = 0) -> Outcome:
    run = directory / "run"
    run.mkdir()
    (run / "training_done.json").write_text(json.dumps({"global_step": step}))
    (run / "summary.json").write_text(json.dumps({"metrics": {"rmse": 0.101}}))
    (directory / "metrics").write_text("".join(json.dumps({"global_step": str(n)}) + "\n" for n in reported))
    return ps.outcome(directory, role, 2, code, "said")


@pytest.mark.parametrize(
    ("step", "reported", "code", "right"),
    [
        (1000, [0, 500, 1000], 0, True),
        (4000, [0, 4000], 0, True),
        (4001, [0, 4001], 0, False),
        (990, [0, 990], 0, False),
        (1000, [0, 500, 500, 1000], 0, False),
        (1000, [0, 500], 0, False),
        (1000, [0, 1000], 143, False),
    ],
)
def test_what_keeps_the_promises(
    tmp_path: pathlib.Path, step: int, reported: list[int], code: int, right: bool
) -> None:
    assert ps.is_right(outcome(tmp_path, step, reported, code=code), OPTIONS) is right


def test_a_job_that_left_nothing_kept_none(tmp_path: pathlib.Path) -> None:
    assert not ps.is_right(ps.outcome(tmp_path, "ps", 1, 143, ""), OPTIONS)


def test_the_table_has_a_row_for_each_role(tmp_path: pathlib.Path) -> None:
    (tmp_path / "clean").mkdir()
    (tmp_path / "killed").mkdir()
    clean = outcome(tmp_path / "clean", 1000, [1000], role="")
    killed = outcome(tmp_path / "killed", 1020, [1020], role="ps")
    assert ps.table([clean], [killed], OPTIONS).splitlines()[-1] == "| ps | 2 | 1 | 1 | 20 | 0.00 % | 1 of 1 |"
