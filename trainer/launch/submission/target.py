"""`python -m trainer.launch submit vertex|kubernetes`: which of the two."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from trainer.job import flags
from trainer.job.errors import UsageError

TARGETS = {
    "vertex": ("vertex.submit", "Vertex AI: CustomJob, or with --config HyperparameterTuningJob"),
    "kubernetes": (
        "kubernetes.submit",
        "Kubernetes: TFJob, Indexed Job, JobSet or TrainJob, with --config a Katib study",
    ),
}
USAGE = "python -m trainer.launch submit vertex|kubernetes [--flag=value ...] -- [flags of trainer.task]"


def main(argv: Sequence[str]) -> int:
    """Hands on to the target."""
    target = argv[0] if argv else None
    if target in ("--help", "-h", "-help", "help"):
        lines = [f"  {name:<12}{text}" for name, (_, text) in TARGETS.items()]
        raise flags.HelpRequested("\n".join([f"Usage: {USAGE}", "", *lines, "", "Each has a --help of its own.", ""]))
    run: Callable[[Sequence[str]], int] = importlib.import_module(f"trainer.launch.{module(target)}").main
    return run(argv[1:])


def module(target: str | None) -> str:
    """The module of a target, below `trainer.launch`. Raises UsageError."""
    if target not in TARGETS:
        got = "No target" if target is None else f"{target!r} is not a target"
        raise UsageError(got, USAGE, "Write it directly after submit")
    return TARGETS[target][0]
