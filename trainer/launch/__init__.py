"""`python -m trainer.launch COMMAND`: where a job runs. `submit` is the same for programs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.launch.submission.submitted_job import SubmittedJob


def submit(target: str, task_flags: Sequence[str] = (), **flags: object) -> SubmittedJob:
    """Submits a job, as `python -m trainer.launch submit` does, and returns it.

    `trainer.launch.submit("kubernetes", ["--train_steps=5000"], image=IMAGE, output_dir=DIRECTORY).wait()` follows it
    to its end, and returns its exit code. A job has `name`, `status()`, `exit_code()`, `logs()` and `cancel()`, too.
    With `build` the image is built before; with `fallback` it is `wait()` that submits the job again elsewhere.

    Args:
      target: `vertex` or `kubernetes`.
      task_flags: of `trainer.task`; what a command line has behind `--`.
      flags: those of `submit`, by name: numbers, texts, True for a flag without a value, sequences for those with
        commas, and dicts for those of pairs, as `env={"TF_CPP_MIN_LOG_LEVEL": 2}`. None leaves one out.

    Raises:
      UsageError: something is wrong with it, and nothing was sent.
      JobError: the cluster or the service refuses it.
    """
    from trainer.launch.submission import keywords
    from trainer.launch.submission import target as targets

    module = importlib.import_module(f"trainer.launch.{targets.module(target)}")
    job: SubmittedJob = module.submitted(keywords.argv(flags), list(task_flags))
    return job
