"""What a person types after `python -m trainer.launch doctor`, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainer.job import flags
from trainer.job.config import setting
from trainer.launch import command_line

USAGE = "python -m trainer.launch doctor [--flag=value ...]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """What to look at, besides this machine and its environment:"""  # the heading of --help

    output_dir: str | None = setting(None, "the directory that a job would write to", alias=("job_dir",))
    train_data_paths: tuple[str, ...] = setting((), "files or globs that it would train on")
    eval_data_paths: tuple[str, ...] = setting((), "files or globs that it would evaluate on")
    separate_evaluator: bool = setting(False, "whether another process would evaluate")
    devices: bool = setting(True, "ask TensorFlow what it computes on, which takes seconds; --nodevices skips it")


def parse(argv: Sequence[str]) -> DoctorOptions:
    """Raises flags.HelpRequested on --help, UsageError on what cannot be understood."""
    try:
        return flags.parse(argv, DoctorOptions)[DoctorOptions]
    except flags.HelpRequested as request:
        raise flags.HelpRequested(command_line.help_text(USAGE, DoctorOptions)) from request
