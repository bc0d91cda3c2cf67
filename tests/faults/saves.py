"""kill -9 at random moments of a training that saves all the time: what is left, and where the next one goes on.

python -m tests.faults.saves --kills=200 [--bucket] [--program="this package"] [--seed=1]

Each program trains the same model, is killed so many times, ends undisturbed, and is compared with a training of the
same length that nobody killed. A row says how often a start found nothing usable, how often one began before the last
checkpoint that was complete, and the most steps that were made and lost.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping

from tests.bucket.process import BucketServer
from tests.faults import table
from tests.faults.saves_job import PROGRAMS, SAVE_EVERY, of_lines
from tests.forks.fixtures import forking

ROOT = pathlib.Path(__file__).parent.parent.parent
MOST_EVENTS = 16
"""A kill comes after at most so many steps and saves, and at a random moment before the next one ends."""
LIMIT_SECS = 300.0
_STEPS_AFTER = 10
_NEVER = 1_000_000


@dataclasses.dataclass
class Outcome:
    """What became of one program.

    Attributes:
      kills: how many there were.
      unusable: starts that failed, or found nothing where a checkpoint had been complete.
      regressions: starts before the last checkpoint that was complete.
      most_lost: the most steps that were made and had to be made again.
      identical: whether the weights are those of a training that nobody killed.
    """

    kills: int = 0
    unusable: int = 0
    regressions: int = 0
    most_lost: int = 0
    identical: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a program saves.

    Attributes:
      path: of its directory.
      scratch: the local directory behind a bucket.
      environ: of its processes.
      python: runs it.
    """

    path: str
    scratch: pathlib.Path
    environ: Mapping[str, str]
    python: pathlib.Path

    def start(self, program: str, steps: int) -> subprocess.Popen[str]:
        """A training up to a step, in a process of its own."""
        environ = {**os.environ, **self.environ, "TRAINER_SCRATCH": str(self.scratch)}
        command = [self.python, "-m", "tests.faults.saves_job", program, self.path, str(steps)]
        return subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )


class Campaign:
    """The kills of one program.

    Args:
      program: of `saves_job`.
      place: where it saves.
      draw: the moments.
    """

    def __init__(self, program: str, place: Place, draw: random.Random) -> None:
        self._program, self._place, self._draw = program, place, draw
        self._made = self._saved = 0
        self.outcome = Outcome()

    def kill(self) -> None:
        """One life, which ends at a random moment after training has begun."""
        with self._place.start(self._program, _NEVER) as process:
            said = _until_resumed(process)
            if any(word == "resumed" for word, _ in said):
                said += self._live(process)
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(dict(said)["process"]), signal.SIGKILL)
            assert process.stdout is not None
            said += of_lines(process.stdout.read())
        self.outcome.kills += 1
        self._look_at(said)

    def _live(self, process: subprocess.Popen[str]) -> list[tuple[str, str]]:
        """What a training says until its moment has come."""
        assert process.stdout is not None
        began, events = time.monotonic(), self._draw.randint(1, MOST_EVENTS)
        lines = [process.stdout.readline() for _ in range(events)]
        time.sleep(self._draw.uniform(0, (time.monotonic() - began) / events))
        return list(of_lines("".join(lines)))

    def _look_at(self, said: list[tuple[str, str]]) -> None:
        resumed = next((int(value) for word, value in said if word == "resumed"), None)
        if resumed is None or (resumed == 0 and self._saved > 0):
            self.outcome.unusable += 1
        if resumed is None:
            shutil.rmtree(self._place.path, ignore_errors=True)  # as a person would have to
            self._made = self._saved = 0
            return
        self.outcome.regressions += resumed < self._saved
        self.outcome.most_lost = max(self.outcome.most_lost, self._made - resumed)
        self._saved = max([resumed, *(int(value) for word, value in said if word == "saved")])
        self._made = max([resumed, *(int(value) for word, value in said if word == "made")])

    def end(self, unbroken: Place) -> Outcome:
        """Lets the training end, and compares its weights with those of one that nobody killed."""
        steps = self._made + _STEPS_AFTER
        one, other = (_weights(place, self._program, steps) for place in (self._place, unbroken))
        self.outcome.identical = one is not None and one == other
        return self.outcome


def _until_resumed(process: subprocess.Popen[str]) -> list[tuple[str, str]]:
    """What a training said until it began, or ended."""
    assert process.stdout is not None
    said: list[tuple[str, str]] = []
    for line in process.stdout:
        said += of_lines(line)
        if said and said[-1][0] == "resumed":
            break
    return said


def _weights(place: Place, program: str, steps: int) -> str | None:
    with place.start(program, steps) as process:
        text, _ = process.communicate(timeout=LIMIT_SECS + steps)
    return dict(of_lines(text)).get("weights")


def run(program: str, kills: int, seed: int, killed: Place, unbroken: Place) -> Outcome:
    """Kills one program so many times.

    Args:
      program: of `saves_job`.
      kills: how many.
      seed: of their moments.
      killed: where it saves.
      unbroken: where the one saves that nobody kills.
    """
    campaign = Campaign(program, killed, random.Random(seed))
    for number in range(kills):
        campaign.kill()
        if number % 20 == 19:
            print(f"{program}: {number + 1} kills, {campaign.outcome}", file=sys.stderr, flush=True)
    return campaign.end(unbroken)


def row(program: str, where: str, outcome: Outcome) -> dict[str, object]:
    """A line of the table."""
    return {
        "program": program,
        "saves": where,
        "kills": outcome.kills,
        "unusable": outcome.unusable,
        "regressions": outcome.regressions,
        f"most steps lost (saves every {SAVE_EVERY})": outcome.most_lost,
        "weights as without kills": "yes" if outcome.identical else "no",
    }


@contextlib.contextmanager
def places(python: pathlib.Path, bucket: bool) -> Iterator[Iterator[Place]]:
    """New places, one after the other."""
    with tempfile.TemporaryDirectory(prefix="trainer-saves-") as folder, contextlib.ExitStack() as stack:
        environ: Mapping[str, str] = {}
        root = f"{folder}/runs"
        if bucket:
            server = stack.enter_context(BucketServer(pathlib.Path(folder, "buckets")))
            environ, root = server.environ, "gs://bucket"

        def new() -> Iterator[Place]:
            for number in range(_NEVER):
                scratch = pathlib.Path(folder, "scratch", str(number))
                yield Place(path=f"{root}/{number}", scratch=scratch, environ=environ, python=python)

        yield new()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.saves")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bucket", action="store_true", help="the loopback bucket server, for this package alone")
    parser.add_argument("--program", action="append", choices=list(PROGRAMS), help="default: all")
    options = parser.parse_args()
    programs = ["this package"] if options.bucket else options.program or list(PROGRAMS)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with forking(sys.executable, environ) as python, places(python, options.bucket) as new:
        rows = [
            row(
                program,
                "in a bucket" if options.bucket else "on disk",
                run(program, options.kills, options.seed, next(new), next(new)),
            )
            for program in programs
        ]
    print(table.render(rows))


if __name__ == "__main__":
    main()
