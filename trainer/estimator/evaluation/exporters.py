"""When an evaluated model is exported: after every evaluation, or once at the end."""

from __future__ import annotations

import abc
import os
from collections.abc import Callable, Mapping
from typing import Any

from trainer.estimator.contract.export import ServingInputReceiver
from trainer.estimator.estimator import Estimator
from trainer.estimator.saving import job_directory, saved_model
from trainer.estimator.saving.job_directory import JobDirectories

ReceiverFn = Callable[[], ServingInputReceiver]


class Exporter(abc.ABC):
    """Exports a model after evaluations."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Names the directory of its exports, below `export` in the model directory."""

    @abc.abstractmethod
    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Exports if it wants to.

        Args:
          estimator: the model.
          export_path: where the exports of this exporter go.
          checkpoint_path: the checkpoint that was evaluated.
          eval_result: the metrics of that checkpoint.
          is_the_final_export: whether training has ended. It is True in exactly one call of a job, the last; where
            only the end showed that a checkpoint was the last one, that checkpoint comes a second time.

        Returns:
          The path of the export; None when nothing was exported.
        """


class ModelExporter(Exporter):
    """Writes SavedModels of one name.

    Args:
      name: of the exporter.
      serving_input_receiver_fn: what clients send.
      assets_extra: files to add, destination to source.
      as_text: write the graph as text.

    Raises:
      ValueError: no name, or no function.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn | None,
        assets_extra: Mapping[str, str] | None,
        as_text: bool,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"An exporter was given the name {name!r}. It takes a string that is not empty")
        if not callable(serving_input_receiver_fn):
            raise ValueError(
                f"Exporter {name} was given serving_input_receiver_fn={serving_input_receiver_fn!r}. "
                "It takes a function that says what clients send"
            )
        self._name, self._receiver_fn = name, serving_input_receiver_fn
        self._assets_extra, self._as_text = assets_extra, as_text

    @property
    def name(self) -> str:
        return self._name

    def write(self, estimator: Estimator, export_path: str, checkpoint_path: str) -> bytes:
        """Exports a checkpoint.

        Args:
          estimator: the model.
          export_path: where the exports of this exporter go.
          checkpoint_path: what is exported.

        Returns:
          The path of the export.
        """
        return estimator.export_saved_model(
            export_path,
            self._receiver_fn,
            assets_extra=self._assets_extra,
            as_text=self._as_text,
            checkpoint_path=checkpoint_path,
        )


def checked_keep(exports_to_keep: int | None) -> int | None:
    """How many exports stay; None keeps all.

    Raises:
      ValueError: none would.
    """
    if exports_to_keep is not None and exports_to_keep <= 0:
        raise ValueError(f"exports_to_keep is {exports_to_keep}. It takes a number greater than 0, or None to keep all")
    return exports_to_keep


def delete_old(directories: JobDirectories, export_path: str, keep: int | None, newest: bytes) -> None:
    """Deletes all but the newest exports.

    Args:
      directories: of this process.
      export_path: where they are.
      keep: how many stay; None keeps all.
      newest: the one just written, which stays whatever a wrong clock called it.
    """
    if keep is not None:
        old = saved_model.exports(directories, export_path)[:-keep]
        saved_model.delete(directories, [path for path in old if path != os.fsdecode(newest)])


class LatestExporter(ModelExporter):
    """Exports after every evaluation and keeps the newest exports.

    Args:
      name: of the exporter.
      serving_input_receiver_fn: what clients send.
      assets_extra: files to add, destination to source.
      as_text: write the graph as text.
      exports_to_keep: how many stay; None keeps all.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        self._keep = checked_keep(exports_to_keep)

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        export = self.write(estimator, export_path, checkpoint_path)
        delete_old(job_directory.of_process(), export_path, self._keep, export)
        return export


class FinalExporter(ModelExporter):
    """Exports once, when training has ended for whatever reason.

    Args:
      name: of the exporter.
      serving_input_receiver_fn: what clients send.
      assets_extra: files to add, destination to source.
      as_text: write the graph as text.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: ReceiverFn,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        if not is_the_final_export:
            return None
        return self.write(estimator, export_path, checkpoint_path)
