"""What the variables of a model start from: a checkpoint, else a warm start, else the model function itself."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from trainer.estimator.graph.row_sharding import Placement
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.saving import checkpoints, keras_2_names
from trainer.estimator.saving.job_directory import JobDirectory, on_disk
from trainer.estimator.saving.warm_start import WarmStartSettings, settings_of, warm_start

log = logging.getLogger("trainer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartingValues:
    """Where the values of a model's variables come from.

    Attributes:
      checkpoint: the path of the one that gives them all; None where there is none.
      warm_start: what to take over from another model, without a checkpoint; None for nothing.
      given: values by name, in place of those that the model function would start from.
      open_directory: opens a directory by its path, as `JobDirectories.at` does; without it, checkpoints are local.
    """

    checkpoint: str | None = None
    warm_start: WarmStartSettings | None = None
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    open_directory: Callable[[str], JobDirectory] = on_disk

    @classmethod
    def of_model(
        cls,
        warm_start_from: Any,
        given: Mapping[str, Any] | None,
        open_directory: Callable[[str], JobDirectory] = on_disk,
    ) -> StartingValues:
        """Those of a model that has no checkpoint yet.

        Args:
          warm_start_from: settings, a path, or None.
          given: values by name; None for none.
          open_directory: opens a directory by its path.

        Raises:
          ValueError: `warm_start_from` is something else.
        """
        return cls(warm_start=settings_of(warm_start_from), given=given or {}, open_directory=open_directory)

    def at(self, checkpoint: str | bytes | os.PathLike[str] | None) -> StartingValues:
        """The same, with a checkpoint or without one."""
        return dataclasses.replace(self, checkpoint=None if checkpoint is None else os.fsdecode(checkpoint))

    def new_store(
        self,
        seed: int | None,
        scope: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
        placement: Placement | None = None,
    ) -> VariableStore:
        """A store for variables, which the traces of a model function make.

        Args:
          seed: of the model function's own values and of its random ops; None leaves them random.
          scope: entered around the making of each variable; says where it lives.
          placement: which variables are row-sharded, and where; None shards none.
        """
        # A checkpoint sets every variable, so values to start from need not be computed.
        return VariableStore(seed, self.given, scope, placement, restored=self.checkpoint is not None)

    def assign(self, store: VariableStore, names: Collection[str] | None = None) -> None:
        """Sets variables to what they start from; where that is the model function, they have its values already.

        Args:
          store: of the variables, made by a trace.
          names: of those that a checkpoint sets; None for all that it saves.

        Raises:
          ValueError: a variable does not fit what the checkpoint or the warm start has.
        """
        if self.checkpoint is not None:
            chosen = sorted(store.saved() if names is None else names)
            reader = checkpoints.read(self.checkpoint, self.open_directory)
            elsewhere = store.names_in_checkpoint
            begun = keras_2_names.begin_seed_states(store, chosen, reader)
            wanted = {elsewhere.get(name, name): store.by_name[name] for name in chosen if name not in begun}
            checkpoints.restore(wanted, reader, keras_2_names.older_names(wanted, reader))
        elif self.warm_start is not None:
            source = checkpoints.read(os.fsdecode(self.warm_start.ckpt_to_initialize_from), self.open_directory)
            warmed = warm_start(store, self.warm_start, source)
            log.info("Warm-started %d variables from %s.", len(warmed), self.warm_start.ckpt_to_initialize_from)
