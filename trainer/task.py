"""ENTRY: `python -m trainer.task [--flag=value ...]` is one process of a job: flags + environment → one call."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from trainer.job import cluster, flags, layout, logs, records, signals
from trainer.job.cluster import Cluster
from trainer.job.config import DataConfig, RunSettings, Strategy
from trainer.job.errors import JobError, UsageError
from trainer.job.layout import Layout
from trainer.model import Params


def main(argv: Sequence[str] | None = None) -> int:
    """Trains as asked and returns the exit code: 0 done, 1 training error, 2 wrong usage or data, 143 restart me."""
    try:
        settings = flags.parse(sys.argv[1:] if argv is None else argv, RunSettings, DataConfig, Params)
        member = cluster.from_environment(os.environ)
        files = layout.from_environment(settings[RunSettings].output_dir, os.environ, member.trial)
        _require_supported(member, settings[RunSettings], files)
        layout.make_root(files)
    except flags.HelpRequested as text:
        print(text, end="")
        return 0
    except JobError as error:
        return _refused(error)
    return _supervised(settings, member, files)


def _supervised(settings: flags.Settings, member: Cluster, files: Layout) -> int:
    """Runs the job; a failure becomes a message, `failure.json` and an exit code."""
    logs.to_stderr()
    logs.quiet_tensorflow(os.environ)
    job = None
    try:
        with signals.listening() as stop:
            from trainer import inputs

            schema = inputs.describe(settings[DataConfig], files.generated_data)  # before TensorFlow takes its seconds
            with logs.without_import_chatter():
                from trainer.single import SingleProcessJob

            job = SingleProcessJob(settings, member, files, schema, os.environ)
            return job.run(stop)
    except Exception as error:
        return _failed(error, member.task_type, job.global_step if job else None, files)


def _failed(error: Exception, role: str, step: int | None, files: Layout) -> int:
    records.write(files.failure, {"role": role, "step": step, "error": f"{type(error).__name__}: {error}"})
    if isinstance(error, JobError):
        return _refused(error)
    traceback.print_exception(error)
    return 1


def _require_supported(member: Cluster, run: RunSettings, files: Layout) -> None:
    if not member.is_local:
        raise UsageError(
            f"A cluster of several processes, in which this is {member.task_type} {member.task_id}",
            "This version trains in one process",
            "Start one process without TF_CONFIG and CLUSTER_SPEC",
        )
    if run.strategy in (Strategy.PS, Strategy.SYNC):
        got = f"--strategy={run.strategy.value} in a job of one process"
        raise UsageError(got, "--strategy=auto or local", "Leave it out")
    if run.separate_evaluator or member.has_evaluator:
        got = "A separate evaluator (--separate_evaluator, or one in the cluster)"
        raise UsageError(got, "This version evaluates where it trains", "Leave it out")
    if layout.is_remote(files.root):
        raise UsageError(
            f"The output directory {files.root}",
            "This version writes to local directories",
            "Name a local one and copy it afterwards",
        )


def _refused(error: JobError) -> int:
    print(f"trainer.task: {error}", file=sys.stderr, flush=True)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
