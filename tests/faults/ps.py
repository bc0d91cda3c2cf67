"""kill -9 of the processes of parameter-server jobs at random moments: whether they complete, as good as unbroken ones.

python -m tests.faults.ps [--kills=20] [--roles=worker,ps,chief,evaluator] [--steps=3000] [--seed=1] [--push_every=1]

Each job is the course's on two workers, a parameter server and an evaluator, under the launcher. One of its processes
is killed at random moments after its first steps, some times in a job. Jobs without any kill are measured first.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.forks.fixtures import ROOT, forking
from tests.launched import Launched

ROLES = ("worker", "ps", "chief", "evaluator")
WORKERS = 2
PROGRESS = r"chief:0 +\| step [\d,]{3,}/|chief:0 .*Evaluated step|evaluator:0 .*Evaluated step"
_LIMIT_SECS = 3600.0
_CALL_STEPS = 500
"""Steps of one call of a worker, the most that its death repeats."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended.

    Attributes:
      role: that was killed; empty for a job that was left alone.
      kills: how many there were.
      code: exit code of the launcher.
      global_step: last step; 0 where there is no record.
      rmse: of the last evaluation; NaN where there is none.
      reported: steps of the evaluations in the tuner's file.
      text: all that was said.
    """

    role: str
    kills: int
    code: int
    global_step: int
    rmse: float
    reported: Sequence[int]
    text: str

    @property
    def reported_once(self) -> bool:
        """Whether no evaluation was reported twice, and the last one was."""
        return len(set(self.reported)) == len(self.reported) and self.reported[-1:] == [self.global_step]


def task(directory: pathlib.Path, steps: int, push_every: int) -> list[str]:
    """The course's job with plain gradient descent, whose last steps do not jump."""
    return [
        f"--output_dir={directory}/run",
        f"--train_steps={steps}",
        f"--push_every={push_every}",
        "--optimizer=sgd",
        "--learning_rate=0.05",
        "--seed=1",
        "--save_checkpoints_steps=100",
        "--min_eval_frequency=0",
        "--eval_delay_secs=0",
    ]


def run(
    python: pathlib.Path | None, directory: pathlib.Path, role: str, most_kills: int, options: argparse.Namespace
) -> Outcome:
    """One job, in which a role is killed so often at the most; less often where the job ends before.

    Args:
      python: that processes are started with.
      directory: new, for all that the job writes.
      role: to kill; empty for none.
      most_kills: of it.
      options: of the campaign.
    """
    flags = ["cluster", f"--worker={WORKERS}", "--ps=1", "--evaluator=1", "--max_restarts=100", "--"]
    environ = {**os.environ, "CLOUD_ML_HP_METRIC_FILE": f"{directory}/metrics"}
    rng = random.Random(f"{options.seed}/{directory.name}")
    argv = [*flags, *task(directory, options.steps, options.push_every)]
    job = Launched(argv, cwd=ROOT, environ=environ, secs=_LIMIT_SECS, python=python)
    kills = 0
    try:
        while role and kills < most_kills and _progresses(job):
            time.sleep(rng.uniform(0.0, 2.0))
            name = f"{role}:{rng.randrange(WORKERS) if role == 'worker' else 0}"
            try:
                os.kill(_pids(job.text, name)[-1], signal.SIGKILL)
            except ProcessLookupError:
                break
            kills += 1
            if not _seen(job, f"{name} restarted|the job ended"):
                break
        code = job.end()
    finally:
        job.close()
    return outcome(directory, role, kills, code, job.text)


def _pids(text: str, name: str) -> list[int]:
    """The numbers of the processes that had a place in a job, by what the launcher said."""
    return [int(pid) for pid in re.findall(rf"{name} (?:re)?started \(process (\d+)", text)]


def _progresses(job: Launched) -> bool:
    return _seen(job, PROGRESS)


def _seen(job: Launched, pattern: str) -> bool:
    """Whether a line comes that matches, before the job ends."""
    try:
        return "the job ended" not in job.until(f"{pattern}|launch .*the job ended")[0]
    except AssertionError:
        return False


def outcome(directory: pathlib.Path, role: str, kills: int, code: int, text: str) -> Outcome:
    """What a job left in its directory.

    Args:
      directory: of the job.
      role: that was killed.
      kills: how many there were.
      code: exit code of the launcher.
      text: all that was said.
    """
    done, summary = directory / "run" / "training_done.json", directory / "run" / "summary.json"
    lines = (directory / "metrics").read_text().splitlines() if (directory / "metrics").exists() else []
    return Outcome(
        role=role,
        kills=kills,
        code=code,
        global_step=json.loads(done.read_text())["global_step"] if done.exists() else 0,
        rmse=json.loads(summary.read_text())["metrics"]["rmse"] if summary.exists() else float("nan"),
        reported=[int(json.loads(line)["global_step"]) for line in lines],
        text=text,
    )


def table(clean: Sequence[Outcome], killed: Sequence[Outcome], options: argparse.Namespace) -> str:
    """A row for each role, in Markdown.

    Args:
      clean: jobs that were left alone.
      killed: those that were not.
      options: of the campaign.
    """
    median = statistics.median(each.rmse for each in clean) if clean else options.clean_rmse
    over = max((_overshoot(each, options) for each in clean), default=0)
    lines = [
        f"clean: {len(clean)} jobs, rmse {median:.4f}, up to {over} steps over",
        "",
        "| killed | kills | jobs | completed | steps over, most | rmse off the clean median, most | reported once |",
        "|---|---|---|---|---|---|---|",
    ]
    for role in dict.fromkeys(each.role for each in killed):
        jobs = [each for each in killed if each.role == role]
        off = max(abs(each.rmse / median - 1) for each in jobs)
        lines.append(
            f"| {role} | {sum(each.kills for each in jobs)} | {len(jobs)} | {sum(each.code == 0 for each in jobs)} "
            f"| {max(_overshoot(each, options) for each in jobs)} | {100 * off:.2f} % "
            f"| {sum(each.reported_once for each in jobs)} of {len(jobs)} |"
        )
    return "\n".join(lines)


def _overshoot(each: Outcome, options: argparse.Namespace) -> int:
    return each.global_step - options.steps


def bound(each: Outcome, options: argparse.Namespace) -> int:
    """The most steps that a job may make beyond those that were asked for."""
    return WORKERS * (each.kills + 1) * max(options.push_every, _CALL_STEPS)


def is_right(each: Outcome, options: argparse.Namespace) -> bool:
    """Whether a job kept its promises."""
    return each.code == 0 and 0 <= _overshoot(each, options) <= bound(each, options) and each.reported_once


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20, help="of each role")
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--in_a_job", type=int, default=4, help="kills in one job, at the most")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--clean", type=int, default=3, help="jobs without kills, first")
    parser.add_argument("--clean_rmse", type=float, default=float("nan"), help="of an earlier campaign, with --clean=0")
    parser.add_argument("--push_every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    options, outcomes = parsed(argv), []
    folder = pathlib.Path(tempfile.mkdtemp(prefix="trainer-ps-"))
    with forking(sys.executable, {**os.environ, "PYTHONPATH": str(ROOT)}) as python:
        for number in range(options.clean):
            outcomes.append(run(python, _made(folder / f"clean-{number}"), "", 0, options))
        for role in options.roles.split(","):
            left = options.kills
            while left > 0:
                directory = _made(folder / f"{role}-{options.kills - left}")
                each = run(python, directory, role, min(left, options.in_a_job), options)
                right = "right" if is_right(each, options) else "WRONG"
                print(f"{role}: {each.kills} kills, step {each.global_step}, rmse {each.rmse:.4f}, {right}", flush=True)
                (directory / "said").write_text(each.text)
                left -= max(each.kills, 1)
                outcomes.append(each)
    clean, killed = [each for each in outcomes if not each.role], [each for each in outcomes if each.role]
    print(table(clean, killed, options))
    wrong = [each for each in outcomes if not is_right(each, options)]
    print(f"{len(wrong)} jobs broke a promise; all is in {folder}")
    return 1 if wrong else 0


def _made(directory: pathlib.Path) -> pathlib.Path:
    directory.mkdir()
    return directory


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
