"""Weights & Biases: project, entity, mode and key are those of its own variables.

WANDB_PROJECT (default: trainer), WANDB_MODE=offline, …; https://docs.wandb.ai/models/track/environment-variables.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import Any

_PROJECT, _STEP = "trainer", "global_step"
_EXIT_CODES = {"finished": 0, "interrupted": 143, "failed": 1}


class WandbTracker:
    """A run of Weights & Biases, which captures nothing that the process prints.

    Args:
      directory: a local one, where its files go.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._run: Any = None

    def begin(self, run_id: str | None, name: str, params: Mapping[str, str]) -> str | None:
        import wandb

        run_id = run_id or uuid.uuid4().hex
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or _PROJECT,
            id=run_id,
            resume="allow",
            name=name,
            dir=os.environ.get("WANDB_DIR") or self._directory,
            settings=wandb.Settings(console="off", silent=True),
        )
        self._run.config.update(dict(params), allow_val_change=True)
        self._run.define_metric("*", step_metric=_STEP)  # steps of a resumed run may lie before the last one
        return run_id

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._run.log({**values, _STEP: step})

    def end(self, status: str, facts: Mapping[str, str]) -> None:
        self._run.summary.update(dict(facts))
        self._run.finish(exit_code=_EXIT_CODES[status])
