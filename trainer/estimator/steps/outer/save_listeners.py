"""What listens to the saves of a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainer.estimator.contract.hooks import CheckpointSaverListener, LastSaveListener, has_to_wait, tell


@dataclasses.dataclass(frozen=True)
class SaveListeners:
    """The listeners of one training, each of which hears everything, in their order.

    Attributes:
      listeners: those that were given.
    """

    listeners: Sequence[CheckpointSaverListener]

    def begin(self) -> None:
        """Before the first step."""
        for listener in self.listeners:
            listener.begin()

    def before_save(self, step: int) -> None:
        """Before a checkpoint is written."""
        for listener in self.listeners:
            tell(listener.before_save, step)

    def wait_for(self, step: int) -> bool:
        """Whether one of them has to hear of the checkpoint of a step before another one is made."""
        return any(has_to_wait(listener, step) for listener in self.listeners)

    def after_save(self, step: int) -> bool:
        """When the checkpoint is there; returns whether one of them asks to end training."""
        return any([tell(listener.after_save, step) for listener in self.listeners])  # a list: each one hears it

    def training_ended(self) -> None:
        """After the last step, before what is still to be saved."""
        for listener in self.listeners:
            if isinstance(listener, LastSaveListener):
                listener.training_ended()

    def end(self, step: int) -> None:
        """After the last save."""
        for listener in self.listeners:
            tell(listener.end, step)
