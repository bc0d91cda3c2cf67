"""What a tracker does, whichever it is, and which there are."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Protocol

from trainer.job.config import TrackerKind
from trainer.job.errors import UsageError

_PACKAGES = {
    TrackerKind.MLFLOW: "mlflow",
    TrackerKind.WANDB: "wandb",
    TrackerKind.TENSORBOARD_HPARAMS: "tensorboard",
}


class Tracker(Protocol):
    """One run in one tracker. All is called in one thread, which is not the one that trains."""

    def begin(self, run_id: str | None, name: str, params: Mapping[str, str]) -> str | None:
        """Begins a run, or goes on with an earlier one, and returns its id; None where there is nothing to keep.

        Args:
          run_id: of the earlier one; None for a new one.
          name: of a new one.
          params: the settings.
        """

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Takes figures of a step.

        Args:
          values: by name; all of them finite.
          step: the global step.
        """

    def end(self, status: str, facts: Mapping[str, str]) -> None:
        """Ends the run.

        Args:
          status: finished, interrupted (it will go on) or failed.
          facts: where results lie, and the like.
        """


def require_installed(kinds: Sequence[TrackerKind]) -> None:
    """Raises UsageError where a tracker is asked for whose package is missing."""
    for kind in kinds:
        if importlib.util.find_spec(_PACKAGES[kind]) is None:
            got = f"--tracker={kind.value}, but {_PACKAGES[kind]} is not installed"
            raise UsageError(got, None, f"Run pip install '.[{kind.value}]' where setup.py is, or leave the flag out")
