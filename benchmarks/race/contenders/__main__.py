"""Runs one program of a race in this process."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib
import sys
import time

from benchmarks.race.contenders.task import Figures, Task


def main(program: str, task: str) -> None:
    """Prints the figures of `module:function` on the options of a JSON file."""
    module, _, function = program.partition(":")
    options = json.loads(pathlib.Path(task).read_text())
    clock = time.process_time if options.get("clock") == "cpu" else time.perf_counter
    figures = getattr(importlib.import_module(f"benchmarks.race.contenders.{module}"), function)(Task(options, clock))
    assert isinstance(figures, Figures)
    print(json.dumps(dataclasses.asdict(figures)))


if __name__ == "__main__":
    main(*sys.argv[1:])
