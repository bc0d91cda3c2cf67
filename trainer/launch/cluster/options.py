"""What a person types after `python -m trainer.launch cluster`, checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from trainer.job import cluster, flags
from trainer.job.config import require_not_negative, setting
from trainer.job.errors import UsageError
from trainer.launch import command_line, task_flags
from trainer.launch.cluster import faults

USAGE = "python -m trainer.launch cluster [--flag=value ...] -- [flags of trainer.task]"


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
        (), f"faults to inject: {faults.ACCEPTED}, such as worker:1@20s or chief:0@20s:TERM; may be given several times"
    )
    module: str = setting("trainer.task", "what each process runs: python -m MODULE")

    def __post_init__(self) -> None:
        for name in ("worker", "ps", "max_restarts", "grace", "last_evaluation_secs"):
            require_not_negative(name, getattr(self, name))
        if self.evaluator not in (0, 1):
            raise UsageError(f"--evaluator={self.evaluator}", "0 or 1", "Start one evaluator, or none")
        if self.ps and not self.worker:
            raise UsageError(f"--ps={self.ps} without workers", "--worker=1 or more", "Add workers, or leave --ps out")
        command_line.require_module(self.module)
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
        """What `--kill` asks for, parsed."""
        return [faults.parse(text) for text in self.kill]


def parse(argv: Sequence[str]) -> tuple[ClusterOptions, list[str]]:
    """The options, and the flags of the task, which come after `--`.

    Raises:
      flags.HelpRequested: on --help before the `--`.
      UsageError: on what cannot be understood.
    """
    own, task_argv = command_line.halves(argv)
    try:
        options = flags.parse(_joined_kills(own), ClusterOptions)[ClusterOptions]
    except flags.HelpRequested as request:
        raise flags.HelpRequested(command_line.help_text(USAGE, ClusterOptions)) from request
    except UsageError as error:
        raise command_line.misplaced(own, ClusterOptions) or command_line.with_both_sides(error) from error
    if options.evaluator == 0 and any(re.match(r"--?separate[_-]evaluator(=(?!f|n|0)|$)", flag) for flag in task_argv):
        raise UsageError(
            "--separate_evaluator without an evaluator", "together with --evaluator=1", "Add --evaluator=1"
        )
    of_task = options.module == task_flags.TASK_MODULE
    return options, task_flags.with_grace(task_argv, options.grace) if of_task else task_argv


def _joined_kills(argv: Sequence[str]) -> list[str]:
    """All `--kill`s as one, since of a flag that is given twice the last would count."""
    rest, kills, words = [], [], list(argv)
    while words:
        match = re.fullmatch(r"--?kill(?:=(.*))?", words[0], re.DOTALL)
        word = words.pop(0)
        if match and (match[1] is not None or words):
            kills.append(match[1] if match[1] is not None else words.pop(0))
        else:
            rest.append(word)
    return [*rest, f"--kill={','.join(kills)}"] if kills else rest


def _check_target(fault: faults.Fault, counts: dict[str, int]) -> None:
    role, _, index = fault.name.partition(":")
    if int(index) < counts[role]:
        return
    known = [f"{kind}:{number}" for kind, count in counts.items() for number in range(count)]
    raise UsageError(
        f"--kill={fault.text}: {fault.name} is not in this job",
        f"{', '.join(known[:8])}{', ...' if len(known) > 8 else ''}",
        "Correct the role or the index, or start more processes",
    )
