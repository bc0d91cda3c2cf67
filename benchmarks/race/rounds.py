"""Interleaved rounds of whole processes: each contender once in each round, so that a slow minute falls on all."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import environments
from benchmarks.race.contest import OURS, Contender, Result, Run, Workload

ROOT = pathlib.Path(__file__).resolve().parents[2]
_SHOWN = 3000
_ENVIRON = {
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "",  # what is installed has been compiled, and so have the modules of an earlier run
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "JAX_PLATFORMS": "cpu",
}
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}


class BrokenError(Exception):
    """A contender's process failed; the text is the end of what it wrote."""


def race(
    workload: Workload, rounds: int, quick: bool, folder: pathlib.Path, settings: Mapping[str, Any]
) -> list[Result]:
    """All contenders of a workload, in their order; one that breaks is left out of the later rounds.

    Args:
      workload: what is to be done.
      rounds: how often; losses are compared in the first.
      quick: with the sizes and the contenders of a quick race.
      folder: for the data.
      settings: options that win over those of the workload and of the contenders; `clock` is `wall`, or `cpu` for
        seconds of the processor.
    """
    options = {**workload.options, **(workload.quick if quick else {}), **settings}
    options = {**options, **workload.prepare(folder, options)}
    entered = [each for each in workload.contenders if each.quick or not quick]
    runs: dict[str, list[Run]] = {each.title: [] for each in entered}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for contender in entered:
            if contender.title in failures:
                continue
            try:
                run = measure(contender, {**options, **own_options(contender, quick), **settings, "check": number == 0})
            except BrokenError as broken:
                failures[contender.title] = str(broken)
                print(f"{workload.key} {contender.title}: broken\n{broken}", file=sys.stderr)
                continue
            runs[contender.title].append(run)
            loss = "" if run.loss is None else f", loss {run.loss:.7g}"
            print(f"{workload.key} {contender.title}: {run.rate:,.6g} {workload.unit}{loss}", file=sys.stderr)
    return [Result(contender=c, runs=tuple(runs[c.title]), failure=failures.get(c.title)) for c in entered]


def own_options(contender: Contender, quick: bool) -> dict[str, Any]:
    """Those of a contender; half of its steps in a quick race."""
    options = dict(contender.options)
    if quick:
        options |= {name: options[name] // 2 for name in ("steps", "warm") if name in options}
    return options


def measure(contender: Contender, options: Mapping[str, Any]) -> Run:
    """One process of a contender.

    Raises:
      BrokenError: it failed.
    """
    python = sys.executable if contender.environment == OURS else environments.interpreter(contender.environment)
    with tempfile.TemporaryDirectory() as home:
        task, out, err = (pathlib.Path(home, name) for name in ("task.json", "out", "err"))
        command = [python, "-m", "benchmarks.race.contenders", contender.program, str(task)]
        task.write_text(json.dumps({**options, "started": time.time()}))
        device = {} if options.get("device") == "gpu" else _NO_GPU
        environ = {**os.environ, **_ENVIRON, **device, "TMPDIR": home}
        with out.open("w") as output, err.open("w") as errors:
            process = subprocess.Popen(command, cwd=home, env=environ, stdout=output, stderr=errors)
            if contender.memory_mib is not None:
                most = contender.memory_mib << 20
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (most, most))
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise BrokenError(f"exit code {process.returncode}: {err.read_text()[-_SHOWN:]}")
        figures = json.loads(out.read_text().splitlines()[-1])
    return Run(
        rate=figures["rate"],
        loss=figures["loss"],
        peak_mib=used.ru_maxrss / 1024,
        cpu_secs=used.ru_utime + used.ru_stime,
        notes=figures["notes"],
    )


def results_as_json(workload: Workload, results: Sequence[Result]) -> dict[str, Any]:
    """All figures of all runs."""
    return {
        "workload": workload.key,
        "title": workload.title,
        "unit": workload.unit,
        "less_is_better": workload.less_is_better,
        "contenders": [
            {
                "title": result.contender.title,
                "role": result.contender.role.value,
                "failure": result.failure,
                "runs": [{**vars(run), "notes": dict(run.notes)} for run in result.runs],
            }
            for result in results
        ],
    }
