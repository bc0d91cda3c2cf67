"""ENTRY: `python -m trainer.report --model_dir=DIR` writes report.html of a run that has ended."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Any

from trainer import problem_file, storage
from trainer.formats.files.download_cache import DownloadCache
from trainer.job import entry, flags, imports, logs, records
from trainer.job.config import RunSettings, setting
from trainer.job.errors import UsageError
from trainer.job.layout import Layout
from trainer.job.records import DamagedRecordError
from trainer.job.report import Summary
from trainer.storage import scratch

_USAGE = "python -m trainer.report --model_dir=DIR"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """report.html of a run that has ended, from its events, its summary and its last checkpoint:"""

    model_dir: str | None = setting(None, "the run's directory, local or gs://; the page is written there")

    def __post_init__(self) -> None:
        if not self.model_dir or not self.model_dir.strip():
            raise UsageError("No --model_dir", "the directory of a run", _USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page and returns the exit code: 0 done, 1 failure, 2 wrong usage or no such run."""
    words = sys.argv[1:] if argv is None else argv
    return entry.exit_code("trainer.report", _USAGE, lambda: _report(words))


def _report(argv: Sequence[str]) -> int:
    options = flags.parse(argv, ReportOptions)[ReportOptions]
    print(_written(storage.resolved(str(options.model_dir).strip())))
    return 0


def _written(root: str) -> str:
    """Writes the page of the run in a directory and returns its path."""
    files = Layout(root=root)
    summary = _summary(files)
    problem = problem_file.named_in(summary.flags)
    settings = flags.parse(summary.flags, RunSettings, problem.data, problem.params)
    data: Any = settings[problem.data]
    params: Any = settings[problem.params]
    cache = DownloadCache(data.data_cache_dir)
    logs.to_stderr()
    logs.quiet_tensorflow(os.environ)
    try:
        schema = None
        if problem.describe is not None:
            schema = problem.call(
                "describe", data=data, params=params, output_dir=None, cache=cache, scratch=scratch.root(os.environ)
            )
        with imports.quick():
            from trainer import run_report
            from trainer.bound_problem import BoundProblem
        score = settings[RunSettings].score
        bound = BoundProblem(problem=problem, data=data, params=params, schema=schema, asked_score=score)
        return run_report.of_ended_run(bound, settings[RunSettings], files, summary)
    finally:
        cache.close()


def _summary(files: Layout) -> Summary:
    """The figures that the run left.

    Raises:
      UsageError: it has not ended well, or an earlier version wrote them.
    """
    if not storage.exists(files.summary):
        raise UsageError(
            f"{files.root} has no summary.json", "the directory of a run that ended well", "Train it first"
        )
    try:
        kinds = {"metrics": dict, "global_step": int, "flags": list, "params": dict}
        found = records.parsed(storage.read(files.summary), files.summary, kinds, {"checkpoint": (str, type(None))})
        fields = [field.name for field in dataclasses.fields(Summary)]
        return Summary(**{name: found[name] for name in fields if name in found})
    except (DamagedRecordError, TypeError) as error:
        got = error.got if isinstance(error, DamagedRecordError) else f"{files.summary}: {error}"
        do = "Run its command again with more --train_steps, which writes a report too"
        raise UsageError(got, "what this version writes", do) from None


if __name__ == "__main__":
    sys.exit(main())
