"""Whole studies of cheap trials: how they end, how they are continued, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import csv
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.trial import TrialState

from tests.deadlines import JOB_SECS
from tests.launch.conftest import await_end
from tests.launched import ROOT, Launched
from trainer.launch.sweep import optuna_output

pytestmark = pytest.mark.process


def yaml(**keys: object) -> str:
    defaults = {"goal": "MINIMIZE", "hyperparameterMetricTag": "cost", "maxTrials": 6, "maxParallelTrials": 2}
    lines = [f"    {key}: {value}" for key, value in {**defaults, **keys}.items()]
    space = ["    params:", "      - {parameterName: x, type: DOUBLE, minValue: 0, maxValue: 1}"]
    return "\n".join(["trainingInput:", "  hyperparameters:", *lines, *([] if "params" in keys else space), ""])


class Sweep(Launched):
    """`python -m trainer.launch sweep` with trials that cost nothing."""

    def __init__(self, directory: pathlib.Path, name: str, flags: list[str], task: list[str]) -> None:
        self.directory = directory / name
        argv = ["sweep", "--module=fake_trial", "--config=study.yaml", f"--output_dir={name}", *flags, "--", *task]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "launch")])}
        super().__init__(argv, cwd=directory, environ=environ, secs=JOB_SECS)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill_after(self, secs: float) -> None:
        """kill -9 at that moment of its life, if it lives so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(secs)
        self._process.kill()

    @property
    def rows(self) -> dict[str, dict[str, str]]:
        """sweep.csv, by trial."""
        with (self.directory / "sweep.csv").open() as stream:
            return {row["trial"]: row for row in csv.DictReader(stream)}

    @property
    def optuna_trials(self) -> list[optuna.trial.FrozenTrial]:
        """The trials as Optuna reads them in the directory."""
        with optuna_output.silenced():
            backend = optuna.storages.journal.JournalFileBackend(str(self.directory / "journal.log"))
            return optuna.load_study(study_name="sweep", storage=optuna.storages.JournalStorage(backend)).trials

    @property
    def ledger(self) -> list[list[str]]:
        """What the trials have done: a verb, the trial, and more."""
        path = self.directory / "ledger"
        return [line.split(" ", 2) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def processes(self) -> list[int]:
        """Of this sweep, the warm process and all that it forked."""
        (warm,) = children(self._process.pid)
        return [warm, *children(warm)]


def children(pid: int) -> list[int]:
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


Run = Callable[..., Sweep]


@pytest.fixture
def sweep(tmp_path: pathlib.Path) -> Iterator[Run]:
    """Starts a sweep of `study` (YAML; the last one by default) into `name`, with flags of its own and of trials."""
    started: list[Sweep] = []

    def start(*flags: str, name: str = "study", study: str | None = None, **task: object) -> Sweep:
        if study is not None or not (tmp_path / "study.yaml").exists():
            (tmp_path / "study.yaml").write_text(study or yaml())
        started.append(Sweep(tmp_path, name, list(flags), [f"--{name}={value}" for name, value in task.items()]))
        return started[-1]

    yield start
    for entry in started:
        entry.close()


def test_a_study_runs_its_trials_and_says_which_was_best(sweep: Run) -> None:
    study = sweep("--seed=1", steps=2)
    assert study.end() == 0, study.text
    assert len(study.rows) == 6 and {row["state"] for row in study.rows.values()} == {"done"}
    best = min(study.rows.values(), key=lambda row: float(row["cost"]))
    assert f"trial {best['trial']}: cost" in study.text
    assert f"-m fake_trial --output_dir=study/best --steps=2 --x={best['x']}" in study.text
    starts = {words[1]: words[2] for words in study.ledger if words[0] == "start"}
    assert starts[best["trial"]] == f"--output_dir=study --steps=2 --x={best['x']}"
    assert (study.directory / "sweep.html").stat().st_size > 10_000
    assert (study.directory / best["trial"] / "trial.log").read_text() == f"trial {best['trial']} begins\n"


def test_a_seed_repeats_a_study_with_one_trial_at_a_time(sweep: Run) -> None:
    choices = []
    for name in ("a", "b"):
        study = sweep("--seed=5", name=name, study=yaml(maxParallelTrials=1))
        assert study.end() == 0, study.text
        choices.append([row["x"] for row in study.rows.values()])
    assert choices[0] == choices[1] and len(set(choices[0])) == 6


def test_trials_that_misbehave_are_failures_with_a_reason_and_the_study_goes_on(sweep: Run) -> None:
    acts = "1:crash,2:exit:7,3:hang,4:nan,5:silent,6:leave"
    study = sweep(
        "--trial_timeout_secs=5", "--grace=0.3", study=yaml(maxTrials=8, maxFailedTrials=7), acts=acts, steps=2
    )
    assert study.end() == 0, study.text
    reasons = {number: row["reason"] for number, row in study.rows.items() if row["state"] == "failed"}
    assert reasons == {
        "1": "it was killed by SIGSEGV: about to crash",
        "2": "it ended with 7: fake_trial: bad luck 7",
        "3": "it did not end within 5 s",
        "4": "cost is nan at step 2",
        "5": "it ended with 0 and reported no cost",
        "6": "it did not end within 5 s",
    }
    trials = study.optuna_trials
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 6 + [TrialState.COMPLETE] * 2
    assert [trial.user_attrs["exit_code"] for trial in trials[:2]] == [139, 7]
    assert trials[3].user_attrs["reason"] == "cost is nan at step 2" and list(trials[7].intermediate_values) == [1, 2]
    lines = r"trial 2 failed: it ended with 7: .*bad luck 7\n.*trial 2 begins\n.*log: .*/2/trial\.log"
    assert re.search(lines, study.text)
    assert study.rows["7"]["state"] == study.rows["8"]["state"] == "done"


def test_too_many_failures_end_the_study_with_1_and_a_larger_limit_continues_it(sweep: Run) -> None:
    study = sweep(study=yaml(maxFailedTrials=2, maxParallelTrials=1), acts="1:exit:1,2:exit:1")
    assert study.end() == 1
    assert "2 trials have failed; 2 end the study" in study.text
    assert len(study.rows) == 2
    again = sweep(study=yaml(maxFailedTrials=3, maxParallelTrials=1), acts="1:exit:1,2:exit:1")
    assert again.end() == 0, again.text
    assert "continuing: 2 of 6 trials have ended" in again.text
    assert [row["state"] for row in again.rows.values()] == ["failed", "failed", "done", "done", "done", "done"]


def test_wrong_usage_in_the_first_trial_ends_the_study_with_2(sweep: Run) -> None:
    study = sweep(acts="1:exit:2,2:hang")
    assert study.end() == 2
    assert "trainer.launch sweep: Trial 1 ended with 2: fake_trial: bad luck 2." in study.text
    again = sweep(acts="")
    assert again.end() == 0, again.text
    assert len(again.rows) == 6


def test_pruned_trials_are_stopped_and_are_not_failures(sweep: Run) -> None:
    study = sweep(
        "--seed=2",
        study=yaml(maxTrials=9, maxParallelTrials=1, maxFailedTrials=1, enableTrialEarlyStopping="true"),
        steps=40,  # long enough to be looked at in the middle, however busy the machine is
        secs=0.05,
    )
    assert study.end() == 0, study.text
    stopped = [row for row in study.rows.values() if row["state"] == "stopped"]
    assert stopped and all(row["reason"].startswith("its best is worse than the median of") for row in stopped)
    assert all(row["cost"] and int(row["step"]) < 40 for row in stopped)
    pruned = [trial for trial in study.optuna_trials if trial.state is TrialState.PRUNED]
    assert [str(trial.number + 1) for trial in pruned] == [row["trial"] for row in stopped]


def test_who_reports_at_the_end_only_is_told_why_nothing_is_stopped_early(sweep: Run) -> None:
    study = sweep(study=yaml(enableTrialEarlyStopping="true"), steps=1)
    assert study.end() == 0, study.text
    assert study.text.count("trials report only once, at their end, so that none can be stopped early") == 1


def test_a_trial_that_asks_for_it_is_started_again(sweep: Run) -> None:
    study = sweep(acts="2:saved")
    assert study.end() == 0
    assert "trial 2 ended with 143: restart 1 of 3" in study.text
    steps = [words[2] for words in study.ledger if words[:2] == ["step", "2"]]
    assert steps == ["1", "2", "2", "3"]


def test_trials_survive_the_warm_process(sweep: Run) -> None:
    study = sweep(acts="2:kill_warm")
    assert study.end() == 0
    assert "The process that forks the trials ended with 137" in study.text
    done = Counter(words[1] for words in study.ledger if words[0] == "done")
    assert set(done) == set("123456")
    assert all(done[trial] == 1 for trial in "23456")  # the one beside it may have ended when nobody could hear it


def test_a_module_that_is_not_there_ends_the_study(sweep: Run) -> None:
    study = sweep("--module=no_such_module")
    assert study.end() == 1
    assert "The process that imports the task ended with 1: No module named no_such_module." in study.text


def test_each_trial_may_import_everything_itself(sweep: Run) -> None:
    study = sweep("--nowarm", "--seed=1", acts="2:exit:3")
    assert study.end() == 0, study.text
    assert [row["state"] for row in study.rows.values()] == ["done", "failed", "done", "done", "done", "done"]


def test_a_grid_ends_when_all_is_tried(sweep: Run) -> None:
    params = "\n      - {parameterName: x, type: DISCRETE, discreteValues: [0.25, 0.5]}"
    study = sweep(study=yaml(algorithm="GRID_SEARCH", params=params))
    assert study.end() == 0, study.text
    assert "every combination has been tried" in study.text
    assert [row["x"] for row in study.rows.values()] == ["0.25", "0.5"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_trials_under_way_and_the_study_goes_on_later(sweep: Run, number: signal.Signals) -> None:
    study = sweep("--grace=0.5", acts="3:hang")
    study.until("trial 3 starts")
    study.until("trial (4|5) done")
    assert study.optuna_trials[2].state is TrialState.RUNNING
    study.send(number)
    assert study.end() == 143
    assert f"{number.name}: running trials save and end" in study.text
    assert study.rows["3"]["state"] == "under way"
    again = sweep("--trial_timeout_secs=5", acts="3:hang")
    assert again.end() == 0, again.text
    assert re.search(r"resuming trials? 3(, \d)?\n", again.text)
    assert again.rows["3"] | {"x": ""} == study.rows["3"] | {
        "x": "",
        "state": "failed",
        "reason": "it did not end within 5 s",
        "seconds": again.rows["3"]["seconds"],
    }
    assert again.rows["3"]["x"] == study.rows["3"]["x"]
    assert len(again.rows) == 6


def test_a_second_sweep_of_the_directory_is_refused(sweep: Run) -> None:
    first = sweep(acts="1:hang")
    first.until("trial 2 done")
    second = sweep(acts="1:hang")
    assert second.end() == 2
    assert "Another sweep, process" in second.text
    first.send(signal.SIGTERM)
    assert first.end() == 143


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of this system does not tell children")
def test_nothing_outlives_a_killed_study(sweep: Run) -> None:
    study = sweep(study=yaml(maxParallelTrials=2), acts="1:leave,2:leave")
    study.until("trial 2 starts")
    while len(study.processes) < 3 or len([words for words in study.ledger if words[0] == "step"]) < 2:
        time.sleep(0.01)
    left = study.processes
    study.send(signal.SIGKILL)
    await_end(left)


def starts(study: Sweep) -> int:
    """How often trials have been started so far."""
    return sum(words[0] == "start" for words in study.ledger)


def test_a_study_that_is_killed_ten_times_ends_with_every_trial_done_once(sweep: Run) -> None:
    rng = random.Random(11)
    document = yaml(maxTrials=20, maxParallelTrials=3, maxFailedTrials=1)
    settings = {"steps": 8, "secs": 0.05}
    for number in range(10):
        study = sweep("--seed=1", study=document, **settings)
        if number % 2:
            begun = starts(study)
            study.until("trial [0-9]+ starts")
            while starts(study) == begun:  # its process takes a while on a busy machine
                time.sleep(0.01)
        study.kill_after(rng.uniform(0.05, 0.5))
        assert study.end() == -signal.SIGKILL
    study = sweep("--seed=1", **settings)
    assert study.end() == 0, study.text
    assert [trial.number for trial in study.optuna_trials] == list(range(20))
    assert {trial.state for trial in study.optuna_trials} == {TrialState.COMPLETE}
    numbers = [str(number) for number in range(1, 21)]
    assert sorted(study.rows) == sorted(numbers)
    assert {row["state"] for row in study.rows.values()} == {"done"}
    for number in numbers:
        flags = [words[2] for words in study.ledger if words[:2] == ["start", number]]
        assert len(set(flags)) == 1, "a trial was started again with other parameters"
        steps = [int(words[2]) for words in study.ledger if words[:2] == ["step", number]]
        # A step may be repeated that had not been saved when the kill came; nothing before it is.
        assert sorted(set(steps)) == list(range(1, 9)) and steps == sorted(steps)
        assert len(steps) <= 8 + len(flags) - 1
    assert starts(study) > 20, "no kill met a trial"
