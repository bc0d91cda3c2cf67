"""`trainer` beside its peers on the same work: interleaved rounds of whole processes, and one table of ratios.

    python -m benchmarks.race [WORKLOAD ...] [--rounds=5] [--quick] [--output=DIR]

The peers' environments (tf.estimator 2.15, PyTorch, JAX) are made below the folder of temporary files at first use.
WORKLOAD is a letter, or one with a number: without any, all are run. Left in DIR: race.md, race.json and race.svg.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import environments
from benchmarks.race import machine, plot, rounds, table
from benchmarks.race.contest import OURS, Result, Workload
from benchmarks.race.workloads import WORKLOADS

_USUAL_ROUNDS, _QUICK_ROUNDS = 5, 1


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    listed = "\n".join(f"  {key}  {workload.title}" for key, workload in WORKLOADS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"workloads:\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="a, or g for g1, g2 …; by default all but gpu")
    parser.add_argument("--rounds", type=int, help=f"default {_USUAL_ROUNDS}, or {_QUICK_ROUNDS} of a quick race")
    parser.add_argument("--quick", action="store_true", help="small sizes and fewer contenders: some minutes")
    parser.add_argument("--only", default="", help="parts of titles, comma separated; ours always runs")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: rates by processor time, on a busy machine"
    )
    parser.add_argument(
        "--set", action="append", default=[], type=setting, metavar="NAME=NUMBER", help="an option, such as rows"
    )
    parser.add_argument("--output", type=Path, help="a folder for the table, the figures and the plot")
    given = parser.parse_args(argv)
    if unknown := [each for each in given.workloads if not any(key.startswith(each) for key in WORKLOADS)]:
        parser.error(f"{', '.join(unknown)}: no such workload. There are {', '.join(WORKLOADS)}.")
    return given


def setting(text: str) -> tuple[str, int]:
    """NAME=NUMBER, apart."""
    name, _, value = text.partition("=")
    if not name or not value.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}. Accepted: NAME=NUMBER, as in rows=20000")
    return name, int(value)


def chosen(given: argparse.Namespace) -> list[Workload]:
    """The workloads that were asked for, with the contenders that were."""
    parts = [part.lower() for part in given.only.split(",") if part]
    usual = (key for key, each in WORKLOADS.items() if not key.startswith("gpu") and not (given.quick and each.long))
    asked = tuple(given.workloads or usual)
    found = [workload for key, workload in WORKLOADS.items() if key.startswith(asked)]
    if not parts:
        return found
    return [
        dataclasses.replace(
            workload,
            contenders=workload.contenders[:1]
            + tuple(each for each in workload.contenders[1:] if any(part in each.title.lower() for part in parts)),
        )
        for workload in found
    ]


def publish(folder: Path, text: str, record: object, picture: str) -> None:
    """Writes the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "race.md").write_text(text)
    (folder / "race.json").write_text(json.dumps(record, indent=1) + "\n")
    (folder / "race.svg").write_text(picture)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the race; 1 where a contender broke or a loss differed."""
    given = parsed(argv)
    workloads, before = chosen(given), os.getloadavg()[0]
    for name in sorted({each.environment for w in workloads for each in w.contenders} - {OURS}):
        environments.interpreter(name)
    settings = {"clock": given.clock, **dict(given.set)}
    number = given.rounds or (_QUICK_ROUNDS if given.quick else _USUAL_ROUNDS)
    raced: list[tuple[Workload, list[Result]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for workload in workloads:
            raced.append((workload, rounds.race(workload, number, given.quick, Path(folder), settings)))
            print(table.row(*raced[-1]), file=sys.stderr, flush=True)
    measured = machine.measure(before)
    text = f"{machine.said(measured, number, given.clock)}\n{table.table(raced)}\n\n{table.details(raced)}\n"
    print(text)
    if given.output:
        record = {
            "machine": dataclasses.asdict(measured),
            "rounds": number,
            "quick": given.quick,
            "clock": given.clock,
            "workloads": [rounds.results_as_json(*each) for each in raced],
        }
        publish(given.output, text, record, plot.svg(raced))
    return int(any(each.ratio is None for pair in raced for each in table.standings(*pair)))


if __name__ == "__main__":
    sys.exit(main())
