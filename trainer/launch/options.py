"""What a person types behind `python -m trainer.launch cluster` and `doctor`, checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from trainer.job import cluster, flags
from trainer.job.config import DataConfig, RunSettings, require_not_negative, setting
from trainer.job.errors import UsageError
from trainer.launch.cluster import faults

CLUSTER_USAGE = "python -m trainer.launch cluster [--flag=value ...] -- [flags of trainer.task]"
DOCTOR_USAGE = "python -m trainer.launch doctor [--flag=value ...]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Processes, besides the chief, who is always there:"""  # the heading of --help

    worker: int = setting(1, "workers; with --ps they train by themselves, without they train in step with the chief")
    ps: int = setting(0, "parameter servers")
    evaluator: int = setting(0, "1: evaluates in a process of its own; 0: the chief evaluates")
    max_restarts: int = setting(3, "restarts of each process that dies or exits with 143; exit code 2 ends the job")
    grace: float = setting(30.0, "seconds from SIGTERM to SIGKILL")
    last_evaluation_secs: float = setting(600.0, "seconds that the evaluator may go on after the chief's end")
    kill: tuple[str, ...] = setting(
        (), f"faults to inject: {faults.ACCEPTED}, as worker:1@20s or chief:0@20s:TERM; may be given several times"
    )
    module: str = setting("trainer.task", "what each process runs: python -m MODULE")

    def __post_init__(self) -> None:
        for name in ("worker", "ps", "max_restarts", "grace", "last_evaluation_secs"):
            require_not_negative(name, getattr(self, name))
        if self.evaluator not in (0, 1):
            raise UsageError(f"--evaluator={self.evaluator}", "Accepted: 0 or 1", "Start one evaluator, or none")
        if self.ps and not self.worker:
            raise UsageError(
                f"--ps={self.ps} without workers", "Accepted: --worker=1 or more", "Add workers, or leave --ps out"
            )
        require_module(self.module)
        for fault in self.injected:
            _check_target(fault, self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """How many processes of each type."""
        return {
            cluster.CHIEF: 1,
            cluster.WORKER: self.worker,
            cluster.PS: self.ps,
            cluster.EVALUATOR: self.evaluator,
        }

    @property
    def injected(self) -> list[faults.Fault]:
        return [faults.parse(text) for text in self.kill]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """What to look at, besides this machine and its environment:"""  # the heading of --help

    output_dir: str | None = setting(None, "the directory that a job would write to", alias=("job_dir",))
    train_data_paths: tuple[str, ...] = setting((), "files or globs that it would train on")
    eval_data_paths: tuple[str, ...] = setting((), "files or globs that it would evaluate on")
    separate_evaluator: bool = setting(False, "as the task would be told")
    devices: bool = setting(True, "ask TensorFlow what it computes on, which takes seconds; --nodevices: do not")


def parse_cluster(argv: Sequence[str]) -> tuple[ClusterOptions, list[str]]:
    """The options, and the flags of the task, which stand behind `--`.

    Raises:
      flags.HelpRequested: on --help before the `--`.
      UsageError: on what cannot be understood.
    """
    own, task_argv = halves(argv)
    try:
        options = flags.parse(_joined_kills(own), ClusterOptions)[ClusterOptions]
    except flags.HelpRequested as request:
        raise flags.HelpRequested(help_text(CLUSTER_USAGE, ClusterOptions)) from request
    except UsageError as error:
        raise misplaced(own, ClusterOptions) or with_both_sides(error) from error
    if options.evaluator == 0 and any(re.match(r"--?separate[_-]evaluator(=(?!f|n|0)|$)", flag) for flag in task_argv):
        raise UsageError(
            "--separate_evaluator without an evaluator", "Accepted: together with --evaluator=1", "Add --evaluator=1"
        )
    return options, task_argv


def parse_doctor(argv: Sequence[str]) -> DoctorOptions:
    """Raises flags.HelpRequested on --help, UsageError on what cannot be understood."""
    try:
        return flags.parse(argv, DoctorOptions)[DoctorOptions]
    except flags.HelpRequested as request:
        raise flags.HelpRequested(help_text(DOCTOR_USAGE, DoctorOptions)) from request


def halves(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--`, and behind it."""
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _joined_kills(argv: Sequence[str]) -> list[str]:
    """All `--kill`s as one, since of a flag that is given twice the last would count."""
    rest, found, words = [], [], list(argv)
    while words:
        match = re.fullmatch(r"--?kill(?:=(.*))?", words[0], re.DOTALL)
        word = words.pop(0)
        if match and (match[1] is not None or words):
            found.append(match[1] if match[1] is not None else words.pop(0))
        else:
            rest.append(word)
    return [*rest, f"--kill={','.join(found)}"] if found else rest


def misplaced(own: Sequence[str], *settings_classes: type) -> UsageError | None:
    """The error to raise where a flag of the task, and none of `settings_classes`, stands before the `--`."""
    task_flags = _names(RunSettings) | _names(DataConfig)
    own_flags = {name for settings_class in settings_classes for name in _names(settings_class)}
    for word in own:
        name = word.lstrip("-").partition("=")[0].replace("-", "_")
        if word.startswith("-") and name in task_flags - own_flags:
            return UsageError(f"{word} is a flag of the task", "Accepted: such flags behind --", f"Write -- {word}")
    return None


def require_module(name: str) -> None:
    """Raises UsageError where `name` cannot be what --module means."""
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        raise UsageError(f"--module={name}", "Accepted: a module's dotted name", "Leave it out")


def _names(settings_class: type) -> set[str]:
    fields = dataclasses.fields(settings_class)
    return {name for field in fields for name in (field.name, *field.metadata.get("alias", ()))}


def with_both_sides(error: UsageError) -> UsageError:
    """Of an unknown flag says that there are two places: the model's own ones are known to the task only."""
    if not error.got.startswith("Unknown flag"):
        return error
    return UsageError(error.got, "Accepted: those of --help, and behind -- those of the task", error.do)


def _check_target(fault: faults.Fault, counts: dict[str, int]) -> None:
    role, _, index = fault.name.partition(":")
    if int(index) < counts[role]:
        return
    known = [f"{kind}:{number}" for kind, count in counts.items() for number in range(count)]
    raise UsageError(
        f"--kill={fault.text}: {fault.name} is not in this job",
        f"Accepted: {', '.join(known[:8])}{', ...' if len(known) > 8 else ''}",
        "Correct the role or the index, or start more processes",
    )


def help_text(usage: str, *settings_classes: type) -> str:
    """The flags' help under another usage line, without what belongs to the task only."""
    described = flags.help_text(*settings_classes).partition("\n")[2].partition("\n\nLogging:")[0]
    return f"Usage: {usage}\n{described}\n"
