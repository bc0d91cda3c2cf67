"""What an Estimator writes for others to serve: SavedModels of a checkpoint."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Mapping

from trainer.estimator.contract.export import ServingInputReceiver
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph.inside.modes import eagerly
from trainer.estimator.graph.model_function import ModelFunction, ReceiverFn
from trainer.estimator.saving import exporting
from trainer.estimator.saving.exporting import ModelExport
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.estimator.saving.starting_values import StartingValues


class Exports(abc.ABC):
    """The exports of an Estimator, which has what they are made of."""

    directories: JobDirectories
    _model: ModelFunction
    _values: StartingValues

    @abc.abstractmethod
    def latest_checkpoint(self) -> str | None:
        """The path of the newest whole checkpoint; None when there is none."""

    @eagerly
    def export_saved_model(
        self,
        export_dir_base: str,
        serving_input_receiver_fn: Callable[[], ServingInputReceiver],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> bytes:
        """Writes a SavedModel to `<export_dir_base>/<ten digits of seconds>` and returns that path.

        Args:
          export_dir_base: the directory of the exports.
          serving_input_receiver_fn: says what clients send.
          assets_extra: files to add below `assets.extra`, destination to source.
          as_text: write the graph as text.
          checkpoint_path: None for the latest.
          experimental_mode: of the graph; in PREDICT it answers with the export outputs.

        Raises:
          ValueError: there is nothing to export: no checkpoint and no warm start.
        """
        if serving_input_receiver_fn is None:
            raise ValueError("export_saved_model was given no serving_input_receiver_fn. It says what clients send")
        export = ModelExport(self._model, self._values.at(checkpoint_path or self.latest_checkpoint()))
        write = functools.partial(export.write, experimental_mode, serving_input_receiver_fn)
        return exporting.publish(self.directories, export_dir_base, write, assets_extra, as_text)

    @eagerly
    def experimental_export_all_saved_models(
        self,
        export_dir_base: str,
        input_receiver_fn_map: Mapping[str, ReceiverFn],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """Writes one SavedModel with a graph for each mode, tagged `serve`, `train` and `eval`; returns its path.

        Args:
          export_dir_base: the directory of the exports.
          input_receiver_fn_map: by mode, what clients send.
          assets_extra: files to add below `assets.extra`, destination to source.
          as_text: write the graph as text.
          checkpoint_path: None for the latest.

        Raises:
          ValueError: no receiver function, an unknown mode, or nothing to export.
        """
        exporting.check_modes(input_receiver_fn_map)
        export = ModelExport(self._model, self._values.at(checkpoint_path or self.latest_checkpoint()))
        write = functools.partial(export.write_tagged, input_receiver_fn_map)
        return exporting.publish(self.directories, export_dir_base, write, assets_extra, as_text)

    def export_savedmodel(
        self,
        export_dir_base: str,
        serving_input_receiver_fn: Callable[[], ServingInputReceiver],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        strip_default_attrs: bool = True,
    ) -> bytes:
        """`export_saved_model` by its older name.

        Args:
          export_dir_base: the directory of the exports.
          serving_input_receiver_fn: says what clients send.
          assets_extra: files to add below `assets.extra`, destination to source.
          as_text: write the graph as text.
          checkpoint_path: None for the latest.
          strip_default_attrs: means nothing: attributes of ops that have their default are always left out.
        """
        return self.export_saved_model(
            export_dir_base, serving_input_receiver_fn, assets_extra, as_text, checkpoint_path
        )
