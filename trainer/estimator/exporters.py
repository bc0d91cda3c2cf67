"""When an evaluated model is exported: always the latest ones, the best ones, or once at the end."""

from __future__ import annotations

import abc
import json
import logging
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.estimator import saved_model
from trainer.estimator.checkpoints import write_whole
from trainer.estimator.estimator import Estimator
from trainer.estimator.export import ServingInputReceiver
from trainer.estimator.reporting import read_scalars

log = logging.getLogger("trainer")

ReceiverFn = Callable[[], ServingInputReceiver]
CompareFn = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


class Exporter(abc.ABC):
    """Exports a model after evaluations.

    Attributes:
      only_final: whether it exports nothing but the last model of a job.
    """

    only_final = False

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
          is_the_final_export: whether training has ended.

        Returns:
          The path of the export; None when nothing was exported.
        """


class _ModelExporter(Exporter):
    """Writes SavedModels of one name."""

    def __init__(
        self, name: str, serving_input_receiver_fn: ReceiverFn, assets_extra: Mapping[str, str] | None, as_text: bool
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"An exporter was given the name {name!r}. It takes a string that is not empty")
        if not callable(serving_input_receiver_fn):
            raise ValueError(f"Exporter {name} was given serving_input_receiver_fn {serving_input_receiver_fn!r}. It takes a function")
        self._name, self._receiver_fn = name, serving_input_receiver_fn
        self._assets_extra, self._as_text = assets_extra, as_text

    @property
    def name(self) -> str:
        return self._name

    def _write(self, estimator: Estimator, export_path: str, checkpoint_path: str) -> bytes:
        return estimator.export_saved_model(
            export_path, self._receiver_fn, assets_extra=self._assets_extra, as_text=self._as_text, checkpoint_path=checkpoint_path
        )


def _check_keep(exports_to_keep: int | None) -> int | None:
    if exports_to_keep is not None and exports_to_keep <= 0:
        raise ValueError(f"exports_to_keep is {exports_to_keep}. It takes a number greater than 0, or None to keep all")
    return exports_to_keep


def _delete_old(export_path: str, keep: int | None, kept: str | None = None) -> None:
    """Deletes all but the newest exports, and never `kept`."""
    if keep is not None:
        saved_model.delete(path for path in saved_model.exports(export_path)[:-keep] if path != kept)


class LatestExporter(_ModelExporter):
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
        self._keep = _check_keep(exports_to_keep)

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        made = self._write(estimator, export_path, checkpoint_path)
        _delete_old(export_path, self._keep)
        return made


class FinalExporter(_ModelExporter):
    """Exports once, when training has ended for whatever reason.

    Args:
      name: of the exporter.
      serving_input_receiver_fn: what clients send.
      assets_extra: files to add, destination to source.
      as_text: write the graph as text.
    """

    only_final = True

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
        return self._write(estimator, export_path, checkpoint_path)


def loss_smaller(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
    """Whether the current loss is below the best one."""
    for which, result in (("best", best_eval_result), ("current", current_eval_result)):
        if not result or "loss" not in result:
            raise ValueError(f"The {which} evaluation has no loss: {result!r}. Pass a compare_fn of your own")
    return current_eval_result["loss"] < best_eval_result["loss"]


def comparison(metric: str, mode: str) -> CompareFn:
    """A compare function for one metric.

    Args:
      metric: its name.
      mode: `min` or `max`.
    """
    if mode not in ("min", "max"):
        raise ValueError(f"mode is {mode!r}. It takes min or max")

    def better(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
        for result in (best_eval_result, current_eval_result):
            if metric not in result:
                raise ValueError(f"The evaluation has no metric {metric!r}; it has {', '.join(result)}")
        best, current = float(best_eval_result[metric]), float(current_eval_result[metric])
        return current < best if mode == "min" else current > best

    better.metric = metric  # type: ignore[attr-defined]
    return better


class BestExporter(_ModelExporter):
    """Exports when an evaluation is better than all before it, across restarts.

    The best result is kept in `best.json` beside the exports, with the export that it belongs to, which is never deleted. A result that is NaN
    where it is compared is never the best.

    Args:
      name: of the exporter.
      serving_input_receiver_fn: what clients send.
      event_file_pattern: of evaluation events below the model directory, from which the best of an earlier run without `best.json`
        is taken; None takes none.
      compare_fn: `compare_fn(best_eval_result, current_eval_result)` says whether the current one is better; the smaller loss by default.
      assets_extra: files to add, destination to source.
      as_text: write the graph as text.
      exports_to_keep: how many stay; None keeps all.
      metric: compare this metric instead of giving a compare_fn.
      mode: `min` or `max`, for `metric`.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: ReceiverFn | None = None,
        event_file_pattern: str | None = None,
        compare_fn: CompareFn | None = None,
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
        *,
        metric: str | None = None,
        mode: str = "min",
    ) -> None:
        if serving_input_receiver_fn is None:
            raise ValueError(f"Exporter {name} was given no serving_input_receiver_fn. It says what clients send")
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        if metric is not None and compare_fn is not None:
            raise ValueError(f"Exporter {name} was given metric={metric!r} and a compare_fn. It takes one of them")
        self._better = compare_fn or (comparison(metric, mode) if metric else loss_smaller)
        self._metric = metric or ("loss" if compare_fn is None else None)
        self._keep, self._pattern = _check_keep(exports_to_keep), event_file_pattern

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        best, best_path = self._best(estimator, export_path)
        if not _comparable(eval_result, self._metric):
            log.warning("Exporter %s passes over an evaluation with NaN at step %s.", self.name, eval_result.get("global_step"))
            return None
        if best is not None and not self._better(best, eval_result):
            return None
        made = self._write(estimator, export_path, checkpoint_path)
        kept = {"eval_result": _plain(eval_result), "checkpoint": os.path.basename(checkpoint_path), "export": os.path.basename(made).decode()}
        write_whole(Path(export_path, "best.json"), json.dumps(kept, indent=1).encode())
        _delete_old(export_path, self._keep, kept=os.path.join(export_path, kept["export"]))
        return made

    def _best(self, estimator: Estimator, export_path: str) -> tuple[Mapping[str, Any] | None, str | None]:
        """The best result so far and its export; None before any."""
        file = Path(export_path, "best.json")
        if file.exists():
            kept = json.loads(file.read_text())
            return kept["eval_result"], kept["export"]
        if self._pattern is None:
            return None, None
        best: Mapping[str, Any] | None = None
        for result in _evaluations(estimator.model_dir, self._pattern):
            if _comparable(result, self._metric) and (best is None or self._better(best, result)):
                best = result
        return best, None


def _comparable(result: Mapping[str, Any], metric: str | None) -> bool:
    """Whether what is compared is a number: the one metric, or everything when any of it may be compared."""
    values = [result[metric]] if metric in result else list(result.values()) if metric is None else []
    return not any(isinstance(value, float) and math.isnan(value) for value in _plain(dict(enumerate(values))).values())


def _plain(result: Mapping[Any, Any]) -> dict[Any, Any]:
    """Metrics as Python numbers and lists, for JSON and comparisons."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in result.items()}


def _evaluations(model_dir: str, pattern: str) -> list[dict[str, float]]:
    found = []
    for directory in sorted({file.parent for file in Path(model_dir).glob(pattern)}):
        found += [{**metrics, "global_step": step} for step, metrics in read_scalars(str(directory)).items()]
    return found
