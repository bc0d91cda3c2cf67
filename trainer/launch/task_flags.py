"""The flags of `trainer.task`, checked where a job is described, before it costs money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from trainer.job import early_flags, flags, layout, metric_tag, presets
from trainer.job.config import DEFAULT_GRACE_SECS, RunSettings
from trainer.job.errors import UsageError
from trainer.job.findings import Finding, Level, Path, short
from trainer.problem_file import ProblemNotFoundError, named_in

TASK_MODULE = "trainer.task"
SHARED_MOUNTS = ("/gcs/", "/mnt/")  # of buckets and of network file systems, as Vertex AI mounts them


def settings_classes(argv: Sequence[str]) -> tuple[type, ...]:
    """The settings classes of the task with these flags, among which `--problem` may name a problem of its own.

    Raises:
      UsageError: a problem that cannot be loaded.
    """
    problem = named_in(argv)
    return RunSettings, problem.data, problem.params


def parse(argv: Sequence[str]) -> flags.Settings:
    """The settings that the task would have. Raises UsageError as the task would."""
    try:
        expanded = presets.expanded(argv, named_in(argv).presets)
        settings = flags.parse(expanded, *settings_classes(argv))
    except flags.HelpRequested as error:
        raise UsageError("--help after --", "flags of the task", "python -m trainer.task --help lists them") from error
    metric_tag.chosen(settings[RunSettings].hyperparameter_metric_tag, {}, tuple(named_in(argv).metrics))
    return settings


def grace_secs(argv: Sequence[str]) -> float | None:
    """How long a task with these flags may take to save after SIGTERM; None for a value that is none."""
    try:
        return float(early_flags.value(argv, "grace_secs") or DEFAULT_GRACE_SECS)
    except (ValueError, UsageError):
        return None


def with_grace(argv: Sequence[str], runner_secs: float) -> list[str]:
    """The flags with which a task is done before whatever runs it kills it.

    Args:
      argv: of the task.
      runner_secs: from SIGTERM to SIGKILL, as `--grace` of the launcher says.

    Raises:
      UsageError: the flags say that it takes longer.
    """
    if early_flags.value(argv, "grace_secs") is None:
        shorter = [f"--grace_secs={max(0.8 * runner_secs, 0.1):g}"] if runner_secs <= DEFAULT_GRACE_SECS else []
        return [*argv, *shorter]
    secs = grace_secs(argv)
    if secs is not None and secs >= runner_secs:
        got = f"--grace={runner_secs:g} with --grace_secs={secs:g} after --"
        raise UsageError(got, "a task that may end by itself before it is killed", "Raise --grace")
    return list(argv)


def violations(
    argv: Sequence[str],
    path: Path,
    *,
    has_evaluator: bool,
    has_base_dir: bool,
    mounts: Sequence[str] = SHARED_MOUNTS,
) -> Iterator[Finding]:
    """What a task with these flags would end with 2 for, on a machine that has no files of the person's.

    Args:
      argv: the flags, without the parameters of a study.
      path: the field that holds them.
      has_evaluator: whether the job has a process that evaluates.
      has_base_dir: whether the runner names an output directory (AIP_*) itself.
      mounts: directories in which other machines have the same files.
    """
    try:
        settings = parse(argv)
    except ProblemNotFoundError as error:
        got = f"{error.got} here, so that the flags are not checked"
        do = "Make sure that there is one where the job runs"
        yield Finding(where=path, got=got, do=do, level=Level.NOTE)
        return
    except UsageError as error:
        accept = error.accept or "flags of trainer.task"
        yield Finding(where=path, got=error.got, accept=accept, do=error.do or "Correct it after --")
        return
    run = settings[RunSettings]
    data: Any = settings[settings_classes(argv)[1]]
    if run.separate_evaluator and not has_evaluator:
        yield Finding(
            where=path,
            got="--separate_evaluator in a job without an evaluator",
            accept="with a pool or replica that evaluates",
            do="Add --evaluator=1, whose place is worker pool 3 on Vertex AI, or drop the flag",
        )
    if run.output_dir is None and not has_base_dir:
        accept, do = "a directory that outlives the machine, such as gs://bucket/run", "Set --output_dir"
        yield Finding(where=path, got="no output directory", accept=accept, do=do)
    named = {"output_dir": (run.output_dir,), "train_data_paths": data.train_data_paths}
    for flag, values in (named | {"eval_data_paths": data.eval_data_paths}).items():
        for value in values:
            if value is not None and not is_shared(value, mounts):
                yield _machine_local(flag, value, path, mounts)
            elif value is not None and layout.is_remote(value):
                yield from _bucket(flag, value, path)


def is_shared(path: str, mounts: Sequence[str] = SHARED_MOUNTS) -> bool:
    """Whether other machines see the path too: a bucket, or a file in one of these directories."""
    return layout.is_remote(path) or any(path.startswith(f"{mount.rstrip('/')}/") for mount in mounts)


def _bucket(flag: str, value: str, path: Path) -> Iterator[Finding]:
    bucket = value.removeprefix(layout.SCHEME).partition("/")[0]
    if not layout.is_bucket_name(bucket):
        name = bucket.rpartition("@")[2]  # what is before it may be a password
        accept = f"gs://BUCKET/NAME, BUCKET being {layout.BUCKET_NAMES}"
        got = f"--{flag} is in gs://{name}, which is not the name of a bucket"
        yield Finding(where=path, got=got, accept=accept, do=f"Correct --{flag}")


def _machine_local(flag: str, value: str, path: Path, mounts: Sequence[str]) -> Finding:
    where = " or ".join(mounts)
    accept = f"gs://bucket/..., or a mounted volume below {where}" if mounts else "gs://bucket/..., or a --volume"
    do = f"Copy it to a bucket and use that path (gcloud storage cp {value} gs://BUCKET/)"
    if flag == "output_dir":
        do = "Name a directory in a bucket"
    return Finding(where=path, got=f"--{flag}={short(value)[1:-1]} is on one machine only", accept=accept, do=do)
