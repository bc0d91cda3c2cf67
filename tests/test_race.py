"""The table of `benchmarks.race`: which ratios it shows, and which it refuses."""

from __future__ import annotations

import ast
import pathlib
import re
import shlex

import pytest

from benchmarks import environments
from benchmarks.race import __main__ as race
from benchmarks.race import contenders, plot, rounds, table
from benchmarks.race.contest import OURS as HERE
from benchmarks.race.contest import Contender, Result, Role, Run, Workload
from benchmarks.race.workloads import WORKLOADS

assert contenders.__file__ is not None
PROGRAMS = pathlib.Path(contenders.__file__).parent
ROOT = pathlib.Path(__file__).parents[1]

OURS = Contender(title="ours", program="", role=Role.OURS)
PEER = Contender(title="peer", program="")


def workload(tolerance: float | None = 1e-3, less_is_better: bool = False) -> Workload:
    return Workload(
        key="a",
        title="work",
        unit="steps/s",
        contenders=(OURS, PEER),
        tolerance=tolerance,
        less_is_better=less_is_better,
        targets={"peer": 2},
    )


def result(contender: Contender, rates: list[float], loss: float | None = 1.0, failure: str | None = None) -> Result:
    runs = [
        Run(rate=rate, loss=None if number else loss, peak_mib=10, cpu_secs=1, notes={"saves": 3})
        for number, rate in enumerate(rates)
    ]
    return Result(contender=contender, runs=tuple(runs), failure=failure)


def test_a_ratio_is_that_of_the_medians_with_the_extremes_of_single_rounds() -> None:
    raced = [result(OURS, [10, 40, 30]), result(PEER, [10, 10, 10])]
    assert "**3.00** × peer (1.00–4.00)" in table.row(workload(), raced)


def test_a_ratio_of_seconds_is_turned_round() -> None:
    raced = [result(OURS, [2.0], None), result(PEER, [8.0], None)]
    assert "**4.00** × peer" in table.row(workload(None, less_is_better=True), raced)


def test_a_ratio_below_its_target_is_marked() -> None:
    assert "**1.50** × peer, below 2" in table.row(workload(), [result(OURS, [15]), result(PEER, [10])])


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (result(PEER, [10], 1.1), "peer: no ratio, loss 1.1, ours 1"),
        (result(PEER, [10], float("nan")), "peer: no ratio, loss nan, ours 1"),
        (result(PEER, [10], None), "peer: no ratio, no loss to compare"),
        (result(PEER, [], failure="exit code 1: no memory"), "peer: no ratio, peer broke"),
    ],
)
def test_no_ratio_is_shown_of_work_that_was_not_the_same(theirs: Result, said: str) -> None:
    raced = [result(OURS, [10]), theirs]
    assert said in table.row(workload(), raced)
    assert "peer" not in plot.svg([(workload(), raced)])


def test_the_figures_of_every_contender_are_listed() -> None:
    raced = [(workload(), [result(OURS, [1234.5]), result(PEER, [], failure="exit code 1: no memory")])]
    listed = table.details(raced)
    assert "| (a) | ours | 1,234 | steps/s | 10 | 1.0 | saves 3 |" in listed
    assert "| (a) | peer | broke | steps/s | — | — | exit code 1: no memory |" in listed


@pytest.mark.process
def test_a_contender_runs_in_a_process_of_its_own() -> None:
    broken = Contender(title="broken", program="nowhere:nothing")
    with pytest.raises(rounds.BrokenError, match="No module named 'benchmarks.race.contenders.nowhere'"):
        rounds.measure(broken, {"check": True})


def test_a_quick_race_takes_half_of_the_steps() -> None:
    contender = Contender(title="peer", program="", options={"steps": 10, "warm": 5, "model": "dnn"})
    assert rounds.own_options(contender, quick=True) == {"steps": 5, "warm": 2, "model": "dnn"}
    assert rounds.own_options(contender, quick=False) == contender.options


def test_an_option_is_set_to_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert race.parsed(["e", "--set", "rows=20000", "--set", "steps=5"]).set == [("rows", 20_000), ("steps", 5)]
    for text in ("device=cpu", "rows", "=3", "rows=-1"):
        with pytest.raises(SystemExit):
            race.parsed(["--set", text])
        assert f"{text!r}. Accepted: NAME=NUMBER, as in rows=20000" in capsys.readouterr().err


def test_what_the_script_for_gpus_asks_for_is_taken() -> None:
    script = (ROOT / "benchmarks" / "gpu.sh").read_text()
    workloads = re.findall(r"workloads\+?=\((.*)\)", script)
    assert all(WORKLOADS[key] for listed in workloads for key in listed.split())
    settings = re.findall(r"settings=\((.*)\)", script)
    assert [race.parsed(shlex.split(listed)).quick for listed in settings] == [False, True]


@pytest.mark.parametrize("key", WORKLOADS)
def test_every_contender_of_a_workload_is_a_function_of_a_program_and_ours_comes_first(key: str) -> None:
    entered = WORKLOADS[key].contenders
    assert [each.title for each in entered if each.role is Role.OURS] == [entered[0].title]
    assert set(WORKLOADS[key].targets) <= {each.title for each in entered}
    for each in entered:
        module, _, function = each.program.partition(":")
        tree = ast.parse((PROGRAMS / f"{module}.py").read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert each.environment in {HERE, *environments.ENVIRONMENTS}
