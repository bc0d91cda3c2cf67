"""What a person types after `python -m trainer.launch submit`, whatever the target: show, send or wait."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainer.job import flags
from trainer.job.config import require_positive, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line
from trainer.launch.files.render import Format


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """What is done with it:"""  # the heading of --help

    dry_run: bool = setting(False, "check the request and print it; nothing is sent")
    format: Format | None = setting(None, "how --dry_run prints; default: json for vertex, yaml for kubernetes")
    wait: bool = setting(False, "follow the job until it ends; the exit code says how")
    poll_secs: float = setting(15.0, "seconds between two checks of the job with --wait")
    prices: str | None = setting(None, "YAML file with your prices, to estimate the costs")

    def __post_init__(self) -> None:
        require_positive("poll_secs", self.poll_secs, "seconds above 0")
        if self.dry_run and self.wait:
            raise UsageError("--dry_run with --wait", "one of the two", "Drop one; a dry run sends nothing")
        if self.format is not None and not self.dry_run:
            raise UsageError(f"--format={self.format.value} without --dry_run", "with it", "Add --dry_run")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """Where Vertex AI is asked:"""  # the heading of --help

    endpoint: str | None = setting(None, "another address of the service, such as a proxy; default: the region's own")
    logging_endpoint: str | None = setting(None, "another address of Cloud Logging, which has the log lines")

    def __post_init__(self) -> None:
        for name in ("endpoint", "logging_endpoint"):
            require_address(name, getattr(self, name))


def require_address(name: str, address: str | None) -> None:
    """Raises UsageError where a flag's value cannot be the address of a service."""
    if address is not None and not address.startswith(("https://", "http://")):
        raise UsageError(f"--{name}={address}", "https:// or http://, and a host", "Write it as https://HOST")


def require_of_program(chosen: SubmitOptions) -> None:
    """Raises UsageError where a program asks for what is for people."""
    for flag in ("dry_run", "wait"):
        if getattr(chosen, flag):
            raise UsageError(f"{flag} in a program", "the other flags", "Drop it; the job that is returned has wait()")


def parse(own: Sequence[str], usage: str, *settings_classes: type) -> flags.Settings:
    """The settings that the words before `--` say.

    Raises:
      flags.HelpRequested: on --help, with `usage` as its first line.
      UsageError: on what cannot be understood.
    """
    try:
        return flags.parse(own, *settings_classes)
    except flags.HelpRequested as request:
        raise flags.HelpRequested(command_line.help_text(usage, *settings_classes)) from request
    except UsageError as error:
        raise command_line.misplaced(own, *settings_classes) or command_line.with_both_sides(error) from error
