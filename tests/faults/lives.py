"""A job of one process that is killed again and again, and started again each time, as a cloud runner does.

What it says of its goodput is compared with what its steps noted themselves (`slow_problem`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests.deadlines import ANSWER_SECS
from tests.faults import slow_problem
from tests.forks.fixtures import ROOT

_LONGEST_STEP = 5.0
"""Times the usual one: what took longer was no step alone, but a save or an evaluation between two."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Life:
    """One process of a job.

    Attributes:
      began: in seconds since 1970.
      ended: likewise.
      code: exit code; negative after a signal.
      peak_bytes: the most memory that it had.
      left: processes that went on after its end.
    """

    began: float
    ended: float
    code: int
    peak_bytes: int
    left: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What is started again and again.

    Attributes:
      command: what to start.
      environ: its whole environment.
      folder: for what it says, and `stamps`, the folder in which a process that makes steps has a file of its number.
    """

    command: Sequence[str | pathlib.Path]
    environ: Mapping[str, str]
    folder: pathlib.Path

    @property
    def stamps(self) -> pathlib.Path:
        return self.folder / "stamps"


def job(
    python: str | pathlib.Path, folder: pathlib.Path, step_secs: float, flags: Sequence[str], **environ: str
) -> Job:
    """The course's job with steps of a known length.

    Args:
      python: that it is started with.
      folder: new.
      step_secs: the length of a step.
      flags: of the task.
      environ: what it has besides.
    """
    (folder / "stamps").mkdir()
    own = {"PYTHONPATH": str(ROOT), "STEP_SECS": str(step_secs), "STEP_STAMPS": str(folder / "stamps")}
    own["CLOUD_ML_HP_METRIC_FILE"] = str(folder / "metrics")
    command = [python, "-m", "trainer.task", f"--problem={slow_problem.__file__}", "--seed=1", "--noreport", *flags]
    return Job(command=command, environ={**os.environ, **own, **environ}, folder=folder)


def live(started: Job, last: int, secs: float, steps: int = sys.maxsize) -> Life:
    """Starts a process, and kills it after some seconds or steps, if it has not ended by then.

    Args:
      started: the job.
      last: the step that it is to train to.
      secs: until kill -9.
      steps: that it notes before kill -9, where these come sooner.
    """
    began, peak, earlier = time.time(), 0, set(os.listdir(started.stamps))
    with (started.folder / "log").open("a") as output:
        process = subprocess.Popen(
            [*started.command, f"--train_steps={last}"],
            cwd=ROOT,
            env=dict(started.environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    while (code := process.poll()) is None and time.time() - began < secs:
        own = set(os.listdir(started.stamps)) - earlier
        peak = max([peak, *map(_peak_bytes, own)])
        if sum((started.stamps / pid).stat().st_size for pid in own) >= steps * slow_problem.STAMP.size:
            break
        time.sleep(0.25)
    if code is None:
        process.kill()
        code = process.wait()
    ended, own = time.time(), set(os.listdir(started.stamps)) - earlier
    return Life(began=began, ended=ended, code=code, peak_bytes=peak, left=_left(own))


def require_killed(life: Life, started: Job) -> None:
    """Raises RuntimeError where a process that was to be killed has ended by itself."""
    if life.code >= 0:
        raise RuntimeError(f"the job ended by itself with {life.code}: see {started.folder / 'log'}")


def _peak_bytes(pid: str) -> int:
    """The most memory that a process had; 0 where it is gone."""
    return _status(pid, "VmHWM")


def resident_bytes(pid: str) -> int:
    """The memory that a process has; 0 where it is gone."""
    return _status(pid, "VmRSS")


def _status(pid: str, field: str) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(pathlib.Path("/proc", pid, "status").read_text().split(f"{field}:")[1].split()[0]) * 1024
    return 0


def _left(pids: set[str]) -> int:
    """How many of some processes do not end by themselves; they are ended then."""
    deadline = time.monotonic() + ANSWER_SECS
    while (left := [pid for pid in pids if _peak_bytes(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    return len(left)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """What the steps of a job noted.

    Attributes:
      kept_steps: how many different ones were made.
      made_steps: how many were made, those that were lost and made again included.
      progress_secs: seconds of those that count: of each step, the last time that it was made.
    """

    kept_steps: int
    made_steps: int
    progress_secs: float


def truth(stamps: pathlib.Path, last_step: int) -> Truth:
    """From the files of the processes.

    Args:
      stamps: the folder that they are in.
      last_step: of the job.
    """
    runs = [list(slow_problem.STAMP.iter_unpack(_whole(file.read_bytes()))) for file in stamps.iterdir()]
    runs = sorted((run for run in runs if run), key=lambda run: run[0][1])
    lengths = [after[1] - before[1] for run in runs for before, after in zip(run, run[1:], strict=False)]
    usual = statistics.median(lengths)
    kept: dict[int, float] = {}
    for run in runs:
        for before, after in zip([None, *run], run, strict=False):
            length = usual if before is None else after[1] - before[1]
            kept[after[0]] = usual if length > _LONGEST_STEP * usual else length
    counted = {step: secs for step, secs in kept.items() if step <= last_step}
    return Truth(kept_steps=len(counted), made_steps=sum(len(run) for run in runs), progress_secs=sum(counted.values()))


def _whole(content: bytes) -> bytes:
    return content[: len(content) // slow_problem.STAMP.size * slow_problem.STAMP.size]


def last_step(stamps: pathlib.Path) -> int:
    """The last step that any process noted."""
    runs = [slow_problem.STAMP.iter_unpack(_whole(file.read_bytes())) for file in stamps.iterdir()]
    return max((step + 1 for run in runs for step, _, _ in run), default=0)


def wait_for(python: str | pathlib.Path, environ: Mapping[str, str]) -> None:
    """Returns when a `python` that forks has imported what it is to import: that is no time of the job's."""
    subprocess.run([python, "-c", "import trainer.process"], cwd=ROOT, env=dict(environ), check=True)


def said(content: bytes) -> dict[str, float]:
    """What a job says of its goodput: the share, the seconds of all, restarts and lost steps.

    Args:
      content: of `summary.json`.
    """
    summary = json.loads(content)
    figures = summary["goodput"]
    seconds = {f"{name}_secs": secs for name, secs in figures["seconds"].items()}
    counts = {name: figures[name] for name in ("share", "restarts", "lost_steps")}
    return {**counts, **seconds, "total_secs": sum(seconds.values()), "global_step": summary["global_step"]}


def table(lives: Sequence[Life], noted: Truth, figures: Mapping[str, float]) -> str:
    """What a job said beside what is true, in Markdown.

    Args:
      lives: its processes.
      noted: by its steps.
      figures: as `said` gives them.
    """
    total = lives[-1].ended - lives[0].began
    rows = [
        ("goodput", f"{100 * figures['share']:.1f} %", f"{100 * noted.progress_secs / total:.1f} %"),
        ("seconds of the job", f"{figures['total_secs']:.0f}", f"{total:.0f}"),
        ("seconds of steps that count", f"{figures['progress_secs']:.0f}", f"{noted.progress_secs:.0f}"),
        ("steps lost", f"{figures['lost_steps']:.0f}", f"{noted.made_steps - noted.kept_steps}"),
        ("restarts", f"{figures['restarts']:.0f}", f"{len(lives) - 1}"),
    ]
    shares = {name: figures[f"{name}_secs"] / figures["total_secs"] for name in ("startup", "compile", "input", "save")}
    shares |= {name: figures[f"{name}_secs"] / figures["total_secs"] for name in ("evaluate", "export", "lost", "idle")}
    rest = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    lines = ["| | said | noted by the steps |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {ours} | {true} |" for name, ours, true in rows), "", rest])
