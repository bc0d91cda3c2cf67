"""Which process may save into a job's directory, and the checkpoint that it resumes from."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.saving.coordination_files import being_read
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.job.cluster import Cluster


def role_of(config: RunConfig | Cluster) -> str:
    """What a process is called, so that one of the same role takes up the work of one that ended."""
    return "chief" if config.is_chief else f"{config.task_type}-{config.task_id}"


def alone(directory: JobDirectory, config: RunConfig) -> contextlib.AbstractContextManager[None]:
    """Within it, nobody else trains into the directory of a process that saves; others may share it.

    Args:
      directory: of the job.
      config: of the run.

    Raises:
      InUseError: another process trains there.
    """
    saves = config.is_chief and config.saves_checkpoints
    return directory.checkpoints.held() if saves else contextlib.nullcontext()


def checkpoint_to_continue(
    directory: JobDirectory, config: RunConfig, request_stop: Callable[[str], None]
) -> str | None:
    """The local path of the newest checkpoint, which training resumes from; None where there is none.

    From here on a process that saves owns the directory.

    Args:
      directory: of the job.
      config: of the run.
      request_stop: called with the reason when another process takes the directory over.
    """
    saved = directory.checkpoints
    if config.is_chief and config.saves_checkpoints:
        saved.take_over(request_stop, lambda: being_read(directory, time.time()))
    newest = saved.latest()
    return saved.fetch(os.path.basename(newest)) if newest else None
