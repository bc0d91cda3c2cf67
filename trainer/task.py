"""ENTRY: `python -m trainer.task [--flag=value ...]` is one process of a job: flags + environment → one call."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainer import failure, last_words, problem_file
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.files.fetching import Fetcher
from trainer.job import (
    distribution,
    flags,
    imports,
    layout,
    logs,
    metric_tag,
    preemption,
    presets,
    signals,
    stop_watch,
    successors,
)
from trainer.job.cluster import CHIEF, PS, WORKER, Cluster, from_environment
from trainer.job.config import RunSettings, Strategy
from trainer.job.distribution import Distribution
from trainer.job.errors import JobError, UsageError
from trainer.job.layout import Layout
from trainer.job.secrets import scrubbed
from trainer.job.stop_watch import StopWatch
from trainer.job.successors import Place
from trainer.problem import Problem
from trainer.storage import compiled_programs, scratch
from trainer.tracking.tracker import require_installed

if TYPE_CHECKING:
    from trainer.bound_problem import BoundProblem

_FORK_SECS = 5.0
"""How much longer than a fork, which saves, its process has to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Trains as asked and returns the exit code: 0 done, 1 training error, 2 wrong usage or data, 143 restart me."""
    with stop_watch.watching() as stop:
        return run(sys.argv[1:] if argv is None else argv, stop)


def run(argv: Sequence[str], stop: StopWatch) -> int:
    """`main`, in a process that signals end from its first lines to its last."""
    with logs.printed_as(argv):
        return _run(argv, stop)


def _run(argv: Sequence[str], stop: StopWatch) -> int:
    try:
        problem = problem_file.named_in(argv)
        argv = presets.expanded(argv, problem.presets)
        settings = flags.parse(argv, RunSettings, problem.data, problem.params)
        cluster = from_environment(os.environ)
        output_dir = _output_dir(settings[RunSettings].output_dir, cluster)
        files = layout.from_environment(output_dir, os.environ, cluster.trial)
        cluster = dataclasses.replace(cluster, settings={**cluster.settings, "model_dir": files.root})
        _require_supported(cluster, settings[RunSettings])
        require_installed(settings[RunSettings].tracker)
        metric_tag.check_score(settings[RunSettings].score, tuple(problem.metrics))
        metric_tag.chosen(settings[RunSettings].hyperparameter_metric_tag, os.environ, tuple(problem.metrics))
        layout.make_root(files)
    except flags.TextRequested as text:
        print(text, end=presets.described(problem.presets) if isinstance(text, flags.HelpRequested) else "")
        return 0
    except JobError as error:
        return _refused(error)
    stop.grace_secs = settings[RunSettings].grace_secs
    preemption.follow(settings[RunSettings].preemption_notices, os.environ, stop.receive)
    return _supervised(problem, settings, cluster, files, stop)


def _output_dir(given: str | None, cluster: Cluster) -> str | None:
    """Where results go, which TF_CONFIG may say too."""
    if given is not None and cluster.model_dir not in (None, given):
        raise UsageError(
            f"--output_dir={given}, and TF_CONFIG has model_dir {cluster.model_dir!r}", "one directory", "Remove one"
        )
    return given or cluster.model_dir


def _supervised(problem: Problem, settings: flags.Settings, cluster: Cluster, files: Layout, stop: StopWatch) -> int:
    """Runs the job; a failure becomes a message, `failure.json` and an exit code."""
    logs.to_stderr(_labels(cluster))
    run, cache = settings[RunSettings], DownloadCache(settings[problem.data].data_cache_dir)
    fetcher, serves = Fetcher(cache), _only_serves(cluster, run)
    programs = None if serves else compiled_programs.opened(os.environ)
    logs.quiet_tensorflow(os.environ, errors=cluster.is_local and programs is None)
    try:
        if serves:
            return _serve(cluster, files, stop, fetcher)
        bound = _bound(problem, settings, files, cache, _scratch(cluster, run))
        _let_pipelines_fetch(fetcher)
        if _has_successors(cluster, run):
            stop.grace_secs += _FORK_SECS
            return successors.work(functools.partial(_fork, bound, run, cluster, files), stop, run.rejoin_secs)
        return _train(bound, run, cluster, files, stop)
    except Exception as error:
        return failure.end(error, cluster.task_type, None, files)
    finally:
        cache.close()


def _labels(cluster: Cluster) -> dict[str, str]:
    """Whose lines these are, for logs in which those of several processes meet."""
    trial = os.environ.get("CLOUD_ML_TRIAL_ID") or cluster.trial
    role = CHIEF if cluster.is_local else cluster.task_type
    return {"role": role, "task": str(cluster.task_id), **({"trial": trial} if trial else {})}


def _scratch(cluster: Cluster, run: RunSettings) -> str | None:
    """Where files for later runs are kept; None where pipelines run on other machines than this one."""
    on_others = distribution.decide(cluster, run.strategy.value) is Distribution.PS
    return None if on_others else scratch.root(os.environ)


def _bound(
    problem: Problem, settings: flags.Settings, files: Layout, cache: DownloadCache, scratch_root: str | None
) -> BoundProblem:
    """The problem with its data, which are described before TensorFlow takes its seconds, and all that is imported.

    Args:
      problem: what is trained.
      settings: of the job.
      files: of it.
      cache: of what is read of buckets.
      scratch_root: where files for later runs are kept; None for nowhere.
    """
    data, schema = settings[problem.data], None
    params: Any = settings[problem.params]
    if problem.describe is not None:
        places = {"output_dir": files.root, "cache": cache, "scratch": scratch_root}
        schema = problem.call("describe", data=data, params=params, **places)
    with imports.quick():
        import trainer.continuing
        import trainer.process  # noqa: F401
        from trainer.bound_problem import BoundProblem
    score = settings[RunSettings].score
    return BoundProblem(problem=problem, data=data, params=params, schema=schema, asked_score=score)


def _has_successors(cluster: Cluster, run: RunSettings) -> bool:
    """Whether this process of a synchronous job is not to start from nothing when it loses another one."""
    decided = distribution.decide(cluster, run.strategy.value)
    return decided is Distribution.SYNC and run.rejoin_secs > 0 and successors.are_possible()


def _fork(bound: BoundProblem, run: RunSettings, cluster: Cluster, files: Layout, place: Place) -> int:
    """`_train` in a fork of this process, which hears signals of its own."""
    with stop_watch.watching() as stop:
        stop.grace_secs = run.grace_secs
        return _train(bound, run, cluster, files, stop, place)


def _train(
    bound: BoundProblem,
    run: RunSettings,
    cluster: Cluster,
    files: Layout,
    stop: StopWatch,
    place: Place | None = None,
) -> int:
    """Trains, or evaluates, and returns the exit code.

    Args:
      bound: what is trained.
      run: how long, and when to save, evaluate and export.
      cluster: all processes of the job.
      files: where everything goes.
      stop: of this process.
      place: whose place it takes; None in a process without successors.
    """
    from trainer import continuing
    from trainer.estimator.distribution.collectives import PeerLostError
    from trainer.process import JobProcess

    job: JobProcess | None = None

    def aborted(said: str) -> None:
        failure.aborted(said, cluster.task_type, job.global_step if job else None, files)

    try:
        with last_words.kept(aborted):
            bound = continuing.continued(bound, run, cluster, files.root)
            job = JobProcess(bound, run, cluster, files, os.environ, place)
            with job.stalls.watching():
                return job.run(stop)
    except Exception as error:
        if place is not None and isinstance(error, PeerLostError):
            logging.getLogger("trainer").info("%s.", error.got)
            return successors.PEER_LOST
        return failure.end(error, cluster.task_type, job.global_step if job else None, files)


def _only_serves(cluster: Cluster, run: RunSettings) -> bool:
    """Whether this is a parameter server, or a worker of a job that has any: its chief says what it does."""
    decided = distribution.decide(cluster, run.strategy.value)
    return cluster.task_type in (PS, WORKER) and decided is Distribution.PS


def _serve(cluster: Cluster, files: Layout, stop: StopWatch, fetcher: Fetcher) -> int:
    with imports.quick():
        from trainer.estimator.distribution import server
        from trainer.estimator.saving import job_directory
        from trainer.estimator.steps.timing.stop import Stop

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
