"""The flags of `python -m trainer.launch sweep`, checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from trainer.job import flags, layout
from trainer.job.config import require_not_negative, require_positive, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line, task_flags

USAGE = "python -m trainer.launch sweep [--flag=value ...] -- [flags of trainer.task]"
_DIRECTORY_FLAG = re.compile(r"--?(output[_-]dir|job[_-]dir)(=|$)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """The study, where its trials go, and how they are run:"""  # the heading of --help

    config: str = setting("hptuning_config.yaml", "the study: goal, parameters, counts")
    output_dir: str | None = setting(
        None,
        "directory for the trials, the journal and the report; a study that is in it already is resumed",
        alias=("job_dir",),
    )
    seed: int | None = setting(
        None, "seed of the choice of parameters; makes a study with one trial at a time repeatable"
    )
    trial_timeout_secs: float | None = setting(
        None, "seconds after which a trial is ended and counts as failed; default: none"
    )
    grace: float = setting(30.0, "seconds from SIGTERM to SIGKILL")
    max_restarts: int = setting(3, "restarts of a trial that exits with 143, which means: state saved, start me again")
    warm: bool = setting(True, "import TensorFlow once and fork the trials; --nowarm: each imports it")
    report: bool | None = setting(
        None, "draw report.html of the best trial at the end; default: where matplotlib is installed"
    )
    module: str = setting(task_flags.TASK_MODULE, "what each trial runs: python -m MODULE")

    def __post_init__(self) -> None:
        require_positive("trial_timeout_secs", self.trial_timeout_secs, "seconds above 0")
        for name in ("grace", "max_restarts"):
            require_not_negative(name, getattr(self, name))
        command_line.require_module(self.module)
        if self.output_dir is not None and layout.is_remote(self.output_dir):
            raise UsageError(
                f"--output_dir={self.output_dir}",
                "a directory on this machine",
                "Copy it to the bucket afterwards",
            )

    @property
    def directory(self) -> str:
        """Where everything goes. Raises UsageError where it was not given."""
        if self.output_dir is None or not self.output_dir.strip():
            raise UsageError("No --output_dir", "a directory for the study", "Add --output_dir=output/sweep")
        return self.output_dir


def parse(argv: Sequence[str]) -> tuple[SweepOptions, list[str]]:
    """The options, and the flags of every trial, which come after `--`.

    Raises:
      flags.HelpRequested: on --help before the `--`.
      UsageError: on what cannot be understood, the flags of trainer.task included.
    """
    own, task_argv = command_line.halves(argv)
    try:
        chosen = flags.parse(own, SweepOptions)[SweepOptions]
    except flags.HelpRequested as request:
        raise flags.HelpRequested(command_line.help_text(USAGE, SweepOptions)) from request
    except UsageError as error:
        raise command_line.misplaced(own, SweepOptions) or command_line.with_both_sides(error) from error
    for word in task_argv:
        if _DIRECTORY_FLAG.match(word):
            raise UsageError(
                f"{word} after --",
                "--output_dir before --",
                "Each trial gets its own folder in that directory",
            )
    _ = chosen.directory
    if chosen.module == task_flags.TASK_MODULE:
        task_flags.parse(task_argv)
    return chosen, task_argv
