"""`python -m trainer.launch COMMAND ...`: where a job runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

from trainer.job import flags, spelling
from trainer.job.errors import JobError, UsageError

Command = Callable[[Sequence[str]], int]
# Of each command the module (its `main`, or the function after the colon) and what it does. A module is imported when
# its command is called.
COMMANDS = {
    "cluster": ("cluster.local", "a whole distributed job on this machine"),
    "sweep": ("sweep.sweep", "the hyperparameter study of hptuning_config.yaml on this machine"),
    "doctor": ("doctor.doctor", "what this machine and this environment would do, and which settings are wrong"),
    "package": ("packaging.package", "the source distribution that cloud runners install, and a Dockerfile"),
    "submit": (
        "submission.target",
        "a job or a study on Vertex AI or Kubernetes; --dry_run shows and checks the request",
    ),
    "list": ("jobs:list_jobs", "the jobs that were submitted, the newest first"),
    "status": ("jobs:status", "the state of a submitted job, and what it waits for"),
    "logs": ("jobs:logs", "what the processes of a submitted job say; --follow goes on until it ends"),
    "cancel": ("jobs:cancel", "ends a submitted job, with all that was created for it"),
    "deploy": ("vertex.deploy", "a trained model behind an endpoint of Vertex AI"),
    "completion": ("completion.completion", "a script for bash or zsh that completes commands and flags"),
    "validate": ("validate", "checks sweep and job files offline, with the line of each error"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; 2 on wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout.encoding, str):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    program = "trainer.launch"
    try:
        name = _chosen(words)
        program = f"trainer.launch {name}"
        return _command(name)(words[1:])
    except flags.TextRequested as text:
        print(text, end="")
        return 0
    except JobError as error:
        print(f"{program}: {error}", file=sys.stderr, flush=True)
        return error.exit_code


def _chosen(words: Sequence[str]) -> str:
    if words and words[0] in ("-h", "--help", "-help", "help"):
        raise flags.HelpRequested(_help())
    if words and words[0] in ("--version", "-version"):
        raise flags.VersionRequested
    accept = f"python -m trainer.launch {'|'.join(COMMANDS)}"
    if not words:
        raise UsageError("No command", accept, "Add one; --help says what they do")
    if words[0] not in COMMANDS:
        raise UsageError(
            f"{words[0]!r} is not a command", accept, spelling.suggestion(words[0], COMMANDS, "See --help")
        )
    return words[0]


def _command(name: str) -> Command:
    """Imports what the command needs and no other one."""
    module, _, function = COMMANDS[name][0].partition(":")
    command: Command = getattr(importlib.import_module(f"trainer.launch.{module}"), function or "main")
    return command


def _help() -> str:
    lines = [f"  {name:<12}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["Usage: python -m trainer.launch COMMAND [--flag=value ...]", "", *lines, ""]) + (
        "\nEach has a --help of its own.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
