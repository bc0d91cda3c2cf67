"""Gives mutated files to everything that reads what others write, and looks for what it should not do.

python -m tests.faults.fuzz --cases=20000 --seed=1 [--target=CSV] [--keep=DIR]

A reader may take a file, or refuse it with an error of this package. It may not hang, fail with any other error, or
take what makes no sense. A failing case is printed with its number, and kept below --keep;
`--first=NUMBER --cases=1` makes it again.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import logging
import pathlib
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType

from tests.faults import fuzz_targets, fuzz_tensorflow_targets
from tests.faults.fuzz_targets import RubbishError, Target
from tests.faults.mutations import mutated
from trainer.job.errors import JobError

LIMIT_SECS = 5.0


class HangError(BaseException):
    """A reader takes too long; nothing catches this on the way."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """A case that ended as none should.

    Attributes:
      number: of the case.
      target: what read it.
      kind: "hang", "foreign error" or "rubbish taken".
      place: what kind of error, and where it was raised.
      said: by the error.
      data: the mutated file.
    """

    number: int
    target: str
    kind: str
    place: str
    said: str
    data: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a campaign found.

    Attributes:
      outcomes: how often each target took, refused, or failed, by both words.
      longest: seconds of the longest case, by target.
      failures: all of them.
    """

    outcomes: collections.Counter[tuple[str, str]]
    longest: dict[str, float]
    failures: list[Failure]


def run(targets: Sequence[Target], cases: int, seed: int, first: int = 0, *, limit_secs: float = LIMIT_SECS) -> Report:
    """Fuzzes the targets in turn.

    Args:
      targets: the readers.
      cases: how many mutated files in all.
      seed: of the mutations.
      first: number of the first case; each depends on its number and the seed alone.
      limit_secs: that a case may take.
    """
    report = Report(outcomes=collections.Counter(), longest={}, failures=[])
    previous = signal.signal(signal.SIGALRM, _too_long)
    try:
        for number in range(first, first + cases):
            _one(targets[number % len(targets)], number, seed, limit_secs, report)
    finally:
        signal.signal(signal.SIGALRM, previous)
    return report


def _one(target: Target, number: int, seed: int, limit_secs: float, report: Report) -> None:
    draw = random.Random(f"{seed} {number}")
    data = mutated(draw.choice(target.examples), draw)
    began = time.monotonic()
    outcome, error = _outcome(target, data, limit_secs)
    secs = time.monotonic() - began
    report.longest[target.name] = max(report.longest.get(target.name, 0.0), secs)
    report.outcomes[target.name, outcome] += 1
    if error is not None:
        place = f"{type(error).__name__} at {_place(error)}"
        failure = Failure(
            number=number, target=target.name, kind=outcome, place=place, said=str(error)[:200], data=data
        )
        report.failures.append(failure)


def _outcome(target: Target, data: bytes, limit_secs: float) -> tuple[str, BaseException | None]:
    """In a word, and the error where there should be none."""
    with tempfile.TemporaryDirectory() as folder:
        signal.setitimer(signal.ITIMER_REAL, limit_secs)
        try:
            target.read(data, pathlib.Path(folder))
        except JobError:
            return "refused", None
        except RubbishError as error:
            return "rubbish taken", error
        except HangError as error:
            return "hang", error
        except Exception as error:
            return "foreign error", error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return "taken", None


def _too_long(number: int, frame: FrameType | None) -> None:
    raise HangError("it takes too long")


def _place(error: BaseException) -> str:
    """The last line of the package that an error came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/trainer/" in frame.filename]
    return f"{frames[-1].filename.partition('/trainer/')[2]}:{frames[-1].lineno}" if frames else "outside"


def table(report: Report, names: Sequence[str]) -> str:
    """The outcomes, a line for each target."""
    columns = ("taken", "refused", "hang", "foreign error", "rubbish taken")
    lines = [f"{'target':<20}" + "".join(f"{column:>15}" for column in columns) + f"{'longest':>10}"]
    for name in names:
        counts = [report.outcomes[name, column] for column in columns]
        lines.append(f"{name:<20}" + "".join(f"{c:>15,}" for c in counts) + f"{report.longest.get(name, 0):>8.2f} s")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the failures; 1 where there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz")
    parser.add_argument("--cases", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--target", default="")
    parser.add_argument("--keep", type=pathlib.Path)
    asked = parser.parse_args(argv)
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        targets = [*fuzz_targets.targets(), *fuzz_tensorflow_targets.targets(pathlib.Path(folder))]
        chosen = [target for target in targets if asked.target in target.name]
        report = run(chosen, asked.cases, asked.seed, asked.first)
    print(table(report, [target.name for target in chosen]))
    times = collections.Counter((failure.target, failure.place) for failure in report.failures)
    for failure in {(failure.target, failure.place): failure for failure in report.failures}.values():
        count = times[failure.target, failure.place]
        print(
            f"case {failure.number} ({count} alike): {failure.target}: {failure.kind}: {failure.place}: {failure.said}"
        )
        if asked.keep:
            asked.keep.mkdir(parents=True, exist_ok=True)
            (asked.keep / str(failure.number)).write_bytes(failure.data)
    return 1 if report.failures else 0


def quiet() -> None:
    """Warnings about each bad file are what is wanted, and not to be read here."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


if __name__ == "__main__":
    sys.exit(main())
