"""Signals in each phase of a job, in each role, once, twice and three times: nothing made is lost, the exit is 143.

    python -m tests.faults.signals --rounds=10

Phases are hit on purpose: the problem of the job (`phased_problem`) says on stderr where it is, and stays there. What
was made is what the process had said at that moment; what is saved is read from the directory, or the bucket.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from tests.bucket.faults import Rule
from tests.bucket.process import BucketServer
from tests.deadlines import ANSWER_SECS, JOB_SECS
from tests.forks.fixtures import ROOT, forking
from tests.launched import Launched
from trainer import storage
from trainer.job.signals import STOPS

PROBLEM = "--problem=tests/faults/phased_problem.py"
ENDLESS = 1 << 40
PROMPT_SECS = 5.0
GRACE_SECS = 6.0
"""Of phases that last beyond it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """Where a process is when it is asked to end.

    Attributes:
      name: of the phase.
      marker: the line of stderr after which it is there.
      steps: to train up to.
      flags: besides.
      after_secs: from the marker to the signal.
      codes: the exit codes that are right.
      says: what stderr has to say.
      limit_secs: in which the process has to end.
      job: of TF_CONFIG; its other processes never come.
    """

    name: str
    marker: str
    steps: int = ENDLESS
    flags: Sequence[str] = ()
    after_secs: float = 0.0
    codes: Sequence[int] = (143,)
    says: str = "Saved after SIG"
    limit_secs: float = PROMPT_SECS
    job: Sequence[str] = ()


NOTHING = "there was nothing to save yet"
PHASES = (
    Phase(name="describe", marker="phase describe", says=NOTHING),
    Phase(name="import", marker="phase import", after_secs=0.7, says=NOTHING, limit_secs=30.0),
    Phase(name="waiting for servers", marker="Waiting for ", job=("chief", "worker", "ps"), says=NOTHING),
    Phase(name="joining a group", marker="Waiting for ", job=("chief", "worker"), says=NOTHING),
    Phase(name="serving (ps)", marker="Serving as ps", job=("ps", "chief", "worker"), says=""),
    Phase(name="serving (worker)", marker="Serving as worker", job=("worker", "chief", "ps"), says=""),
    Phase(name="evaluator, idle", marker="phase join", after_secs=2.5, job=("evaluator", "chief"), says="SIG"),
    Phase(name="trace", marker="phase trace", says=NOTHING),
    Phase(name="compile", marker="phase compile", after_secs=0.3, says=NOTHING),
    Phase(name="waiting for data", marker="phase input", says=NOTHING),
    Phase(name="training", marker="phase training"),
    Phase(name="saving", marker="phase saving", flags=["--save_checkpoints_steps=50"], limit_secs=15.0),
    Phase(name="evaluation", marker="phase evaluation", steps=30),
    Phase(name="export", marker="phase export", steps=30, limit_secs=15.0),
    Phase(name="closing", marker="phase closing", steps=30, codes=(0, 143), says=""),
)
STALLED = Rule(kind="stall", objects="*model.ckpt-50.data*", count=1)
UPLOADS: Mapping[str, tuple[tuple[Rule, ...], dict[str, float | None], str]] = {
    "upload, stalled for 3 s": ((STALLED,), {"stall_secs": 3.0}, ""),
    "upload, bucket gone": ((), {"down_secs": None}, "could not be uploaded to"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Role:
    """A process of a job on this machine.

    Attributes:
      place: what the table calls it.
      name: pattern of the names of those that are asked to end.
      flags: of the launcher.
      saves: whether what was made has to be saved when it has ended.
    """

    place: str
    name: str
    flags: Sequence[str]
    saves: bool = True


ROLES = (
    Role(place="chief of a group", name="chief:0", flags=["--worker=1"]),
    Role(place="worker of a group", name="worker:0", flags=["--worker=1"]),
    Role(place="all of a group", name="(?:chief|worker):0", flags=["--worker=1"]),
    Role(place="chief of servers", name="chief:0", flags=["--worker=1", "--ps=1"]),
    Role(place="parameter server", name="ps:0", flags=["--worker=1", "--ps=1"]),
    Role(place="worker of servers", name="worker:0", flags=["--worker=1", "--ps=1"], saves=False),
    Role(place="all with servers", name="(?:chief|worker|ps):0", flags=["--worker=1", "--ps=1"]),
    Role(place="evaluator", name="evaluator:0", flags=["--worker=0", "--evaluator=1"], saves=False),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one process ended.

    Attributes:
      place: phase, or role.
      signals: how many it got.
      code: its exit code.
      lost: steps that it had made and that are not saved.
      secs: from the first signal to its end.
      fault: what was not as it should be, in words; empty where all was.
    """

    place: str
    signals: int
    code: int | None
    lost: int
    secs: float
    fault: str = ""


class Running:
    """A process whose stderr is read to a marker.

    Args:
      command: to run.
      environ: whole.
    """

    def __init__(self, command: Sequence[str | os.PathLike[str]], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self._lines, self.text = self._process.stderr, ""
        self._watchdog = threading.Timer(ANSWER_SECS, self._process.kill)
        self._watchdog.start()

    def until(self, marker: str) -> None:
        for line in self._lines:
            self.text += line
            if marker in line:
                return
        raise AssertionError(f"it never said {marker!r}:\n{self.text}")

    def signal(self, count: int, rng: random.Random) -> float:
        """Sends signals .01 to 1 s apart, while the process runs; the time of the first."""
        at = time.monotonic()
        for number in range(count):
            if self._process.poll() is None:
                self._process.send_signal(rng.choice(STOPS) if number or count == 3 else signal.SIGTERM)
            if number + 1 < count:
                time.sleep(rng.uniform(0.01, 1.0))
        return at

    def end(self) -> int:
        self.text += self._lines.read()
        code = self._process.wait()
        self._watchdog.cancel()
        self._lines.close()
        return code

    def made(self) -> int:
        """The step that it had said it had made."""
        return made_by(self.text)


def made_by(text: str) -> int:
    """The newest step that a chief, or a process alone, had said it had made."""
    return max((int(step) for step in re.findall(r"^(?:chief:0 *\| )?made (\d+)", text, re.MULTILINE)), default=0)


def saved(directory: str) -> int:
    """The step of the checkpoint that the next process begins at, in a directory or a bucket."""
    state = storage.join(directory, "checkpoint")
    try:
        text = storage.Store().read(state).decode()
    except storage.NotFoundError:
        return 0
    found = re.search(r'^model_checkpoint_path: ".*model\.ckpt-(\d+)"', text, re.MULTILINE)
    return int(found[1]) if found else 0


class Campaign:
    """Rounds of phases and roles.

    Args:
      root: an empty directory.
      python: an executable that forks from one import of TensorFlow.
      seed: of the gaps between signals.
    """

    def __init__(self, root: pathlib.Path, python: pathlib.Path, seed: int) -> None:
        self._root, self._python, self._rng = root, python, random.Random(seed)
        self._runs = 0

    def phase(self, phase: Phase, signals: int) -> Outcome:
        """A process that is asked to end in a phase, on disk."""
        directory = self._fresh()
        name = "join" if phase.marker == "phase join" else phase.marker.removeprefix("phase ")
        flags = [f"--phase={name}", f"--train_steps={phase.steps}", f"--output_dir={directory}", *phase.flags]
        python = sys.executable if phase.name == "import" else self._python
        environ = {"TF_CONFIG": _tf_config(phase.job)} if phase.job else {}
        running = Running([python, "-m", "trainer.task", PROBLEM, *flags], _environ(environ))
        running.until(phase.marker)
        time.sleep(phase.after_secs)
        made = running.made()
        at = running.signal(signals, self._rng)
        code = running.end()
        secs, lost = time.monotonic() - at, max(0, made - saved(directory))
        fault = "" if phase.says in running.text else f"it does not say {phase.says!r}"
        if fault or code not in phase.codes or lost or secs > phase.limit_secs or "Traceback" in running.text:
            fault += running.text
        return Outcome(place=phase.name, signals=signals, code=code, lost=lost, secs=secs, fault=fault)

    def upload(self, place: str, signals: int, server: BucketServer) -> Outcome:
        """A process that is asked to end while a checkpoint is on its way into a bucket."""
        rules, settings, says = UPLOADS[place]
        run = f"gs://bucket/{self._fresh().rpartition('/')[2]}"
        environ = _environ({"STORAGE_EMULATOR_HOST": server.url, "TRAINER_SCRATCH": str(self._root / "scratch")})
        flags = ["--phase=upload", f"--train_steps={ENDLESS}", f"--output_dir={run}", "--save_checkpoints_steps=50"]
        command: list[str | os.PathLike[str]] = [
            self._python,
            "-m",
            "trainer.task",
            PROBLEM,
            *flags,
            f"--grace_secs={GRACE_SECS}",
        ]
        running = Running(command, environ)
        running.until("made 45")
        server.set_faults(*rules, **settings)
        running.until("made 60")
        made = running.made()
        at = running.signal(signals, self._rng)
        code = running.end()
        secs = time.monotonic() - at
        server.set_faults()
        fault = "" if says in running.text else f"it does not say {says!r}"
        if says:  # what is kept on this machine is uploaded by the next process
            again = Running(command, environ)
            again.until("made ")
            again.signal(1, self._rng)
            again.end()
        lost = max(0, made - saved(run))
        if code != 143 or lost or secs > GRACE_SECS + 1 or "Traceback" in running.text:
            fault += running.text
        return Outcome(place=place, signals=signals, code=code, lost=lost, secs=secs, fault=fault)

    def role(self, role: Role, signals: int) -> Outcome:
        """A process of a whole job that is asked to end, and a second later the launcher, with all that is left."""
        directory = self._fresh()
        flags = [PROBLEM, f"--output_dir={directory}", f"--train_steps={ENDLESS}", "--eval_delay_secs=0"]
        argv = ["cluster", *role.flags, "--", *flags, "--save_checkpoints_secs=600"]
        job = Launched(argv, cwd=ROOT, environ=_environ({}), secs=JOB_SECS, python=self._python)
        with contextlib.closing(job):
            while int(job.until(r"chief:0 .*made (\d+)")[1]) < 30:
                pass
            pids = [int(pid) for pid in re.findall(rf"{role.name} started \(process (\d+)", job.text)]
            made, at = made_by(job.text), time.monotonic()
            for number in range(signals):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, self._rng.choice(STOPS) if number else signal.SIGTERM)
                if number + 1 < signals:
                    time.sleep(self._rng.uniform(0.01, 1.0))
            code = int(job.until(rf"{role.name} ended with (\d+)")[1])
            secs = time.monotonic() - at
            lost = max(0, made - saved(directory)) if role.saves else 0
            made = made_by(job.text)
            job.send(signal.SIGTERM)
            ended = job.end()
        lost += max(0, made - saved(directory))
        wrong = code != 143 or ended not in (143, 0) or lost or secs > PROMPT_SECS + signals or "Traceback" in job.text
        return Outcome(
            place=role.place, signals=signals, code=code, lost=lost, secs=secs, fault=job.text if wrong else ""
        )

    def _fresh(self) -> str:
        self._runs += 1
        return str(self._root / f"run{self._runs}")


def _environ(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def _tf_config(job: Sequence[str]) -> str:
    """Of the first process of a job whose others are not there."""
    addresses = {}
    for kind in job:
        if kind != "evaluator":
            with socket.create_server(("127.0.0.1", 0)) as free:
                addresses[kind] = [f"127.0.0.1:{free.getsockname()[1]}"]
    return json.dumps({"cluster": addresses, "task": {"type": job[0], "index": 0}})


@contextlib.contextmanager
def prepared(seed: int) -> Iterator[tuple[Campaign, BucketServer]]:
    """A campaign and a bucket server in a temporary directory."""
    with contextlib.ExitStack() as stack:
        root = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trainer-signals-")))
        server = stack.enter_context(contextlib.closing(BucketServer(root / "bucket")))
        os.environ["STORAGE_EMULATOR_HOST"] = server.url
        python = stack.enter_context(forking(sys.executable, _environ({})))
        yield Campaign(root, python, seed), server


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each place, and the words of what was not as it should be."""
    places = collections.defaultdict(list)
    for outcome in outcomes:
        places[outcome.place].append(outcome)
    lines = [f"{'place':30} {'ended':>6} {'143':>5} {'0':>4} {'other':>6} {'lost':>5} {'median s':>9} {'longest s':>9}"]
    for place, ended in places.items():
        codes = collections.Counter(outcome.code for outcome in ended)
        secs, lost = sorted(outcome.secs for outcome in ended), sum(outcome.lost for outcome in ended)
        other = len(ended) - codes[143] - codes[0]
        lines.append(
            f"{place:30} {len(ended):6} {codes[143]:5} {codes[0]:4} {other:6} {lost:5} "
            f"{secs[len(secs) // 2]:9.2f} {secs[-1]:9.2f}"
        )
    faults = [
        f"{bad.place}, {bad.signals} signals, {bad.code}, {bad.secs:.1f} s: {bad.fault}"
        for bad in outcomes
        if bad.fault
    ]
    return "\n".join([*lines, *faults])


def run(rounds: int, only: str, seed: int) -> Iterator[Outcome]:
    """Every place that matches, in as many rounds, with one to three signals in turn."""
    with prepared(seed) as (campaign, server):
        for number in range(rounds):
            signals = number % 3 + 1
            for phase in PHASES:
                if re.search(only, phase.name):
                    yield campaign.phase(phase, signals)
            for place in UPLOADS:
                if re.search(only, place):
                    yield campaign.upload(place, signals, server)
            for role in ROLES:
                if re.search(only, role.place):
                    yield campaign.role(role, signals)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="a pattern of the names of places")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcomes = []
    for outcome in run(options.rounds, options.only, options.seed):
        outcomes.append(outcome)
        print(dataclasses.replace(outcome, fault="" if not outcome.fault else "see below"), flush=True)
    print(table(outcomes))
    return 1 if any(outcome.fault for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
