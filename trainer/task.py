"""ENTRY: `python -m trainer.task [--flag=value ...]` is one process of a job: flags + environment → one call."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from trainer import failure, problem_file
from trainer.formats.download_cache import DownloadCache
from trainer.formats.fetching import Fetcher
from trainer.job import distribution, environment, flags, layout, logs, preemption, signals, stop_watch
from trainer.job.cluster import PS, WORKER, Cluster
from trainer.job.config import RunSettings, Strategy
from trainer.job.distribution import Distribution
from trainer.job.errors import JobError, UsageError
from trainer.job.layout import Layout
from trainer.job.secrets import scrubbed
from trainer.job.stop_watch import StopWatch
from trainer.problem import Problem


def main(argv: Sequence[str] | None = None) -> int:
    """Trains as asked and returns the exit code: 0 done, 1 training error, 2 wrong usage or data, 143 restart me."""
    with stop_watch.watching() as stop:
        return run(sys.argv[1:] if argv is None else argv, stop)


def run(argv: Sequence[str], stop: StopWatch) -> int:
    """`main`, in a process that signals end from its first lines to its last."""
    try:
        problem = problem_file.named_in(argv)
        settings = flags.parse(argv, RunSettings, problem.data, problem.params)
        cluster = environment.read(os.environ)
        files = layout.from_environment(settings[RunSettings].output_dir, os.environ, cluster.trial)
        _require_supported(cluster, settings[RunSettings])
        layout.make_root(files)
    except flags.TextRequested as text:
        print(text, end="")
        return 0
    except JobError as error:
        return _refused(error)
    stop.grace_secs = settings[RunSettings].grace_secs
    preemption.follow(settings[RunSettings].preemption_notices, os.environ, stop.receive)
    return _supervised(problem, settings, cluster, files, stop)


def _supervised(problem: Problem, settings: flags.Settings, cluster: Cluster, files: Layout, stop: StopWatch) -> int:
    """Runs the job; a failure becomes a message, `failure.json` and an exit code."""
    logs.to_stderr()
    logs.quiet_tensorflow(os.environ, in_cluster=not cluster.is_local)
    job = None
    data = settings[problem.data]
    cache = DownloadCache(data.data_cache_dir)
    fetcher = Fetcher(cache)
    try:
        if _only_serves(cluster, settings[RunSettings]):
            return _serve(cluster, files, stop, fetcher)
        params: Any = settings[problem.params]
        schema = None
        if problem.describe is not None:  # before TensorFlow takes its seconds
            schema = problem.call("describe", data=data, params=params, output_dir=files.root, cache=cache)
        with logs.without_import_chatter():
            from trainer import continuing
            from trainer.bound_problem import BoundProblem
            from trainer.process import JobProcess
        _let_pipelines_fetch(fetcher)
        bound = BoundProblem(problem=problem, data=data, params=params, schema=schema)
        bound = continuing.continued(bound, settings[RunSettings], cluster, files.root)
        job = JobProcess(bound, settings[RunSettings], cluster, files, os.environ)
        return job.run(stop)
    except Exception as error:
        return failure.end(error, cluster.task_type, job.global_step if job else None, files)
    finally:
        cache.close()


def _only_serves(cluster: Cluster, run: RunSettings) -> bool:
    """Whether this is a parameter server, or a worker of a job that has any: its chief says what it does."""
    decided = distribution.decide(cluster, run.strategy.value)
    return cluster.task_type in (PS, WORKER) and decided is Distribution.PS


def _serve(cluster: Cluster, files: Layout, stop: StopWatch, fetcher: Fetcher) -> int:
    with logs.without_import_chatter():
        from trainer.estimator.distribution import server
        from trainer.estimator.saving import job_directory
        from trainer.estimator.steps.stop import Stop

    _let_pipelines_fetch(fetcher)  # those that the chief makes run here
    asked = Stop()
    stop.tell(asked.request)
    server.serve(cluster, job_directory.of_process().at(files.root), asked)
    return 0 if stop.reason is None else signals.SAVED_EXIT_CODE


def _let_pipelines_fetch(fetcher: Fetcher) -> None:
    """Lets the pipelines that run in this process read files of buckets."""
    from trainer.estimator.graph.inside import python_functions

    fetcher.register(python_functions.define)


def _require_supported(cluster: Cluster, run: RunSettings) -> None:
    if run.strategy in (Strategy.PS, Strategy.SYNC) and cluster.is_local:
        got = f"--strategy={run.strategy.value} in a job of one process"
        raise UsageError(got, "--strategy=auto or local", "Leave it out, or describe a cluster in TF_CONFIG")


def _refused(error: JobError) -> int:
    print(f"trainer.task: {scrubbed(str(error))}", file=sys.stderr, flush=True)
    return error.exit_code


def _leave(code: int) -> None:
    """Ends the process without the clean-up of TensorFlow's threads, which may wait for processes that are gone."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    with stop_watch.watching() as stop:
        _leave(run(sys.argv[1:], stop))
