"""Exports of the best model so far, by a metric or by a function that compares evaluations."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import storage
from trainer.estimator.contract.arguments import argument_names
from trainer.estimator.estimator import Estimator
from trainer.estimator.evaluation.exporters import ModelExporter, ReceiverFn, checked_keep, delete_old
from trainer.estimator.saving import job_directory, saved_model
from trainer.estimator.saving.events import read_scalars
from trainer.job import records
from trainer.job.records import DamagedRecordError

log = logging.getLogger("trainer")

BEST = "best.json"
RESULT = "eval_result"
"""In it: the metrics of the best evaluation; null where the next one is the best, whatever was before."""
_EVAL_EVENTS = "eval/*.tfevents.*"
COMPARED = ("best_eval_result", "current_eval_result")
"""The names of the arguments of a compare function."""

CompareFn = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


def loss_smaller(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
    """Whether the current loss is below the best one.

    Raises:
      ValueError: an evaluation without a loss.
    """
    for which, result in (("best", best_eval_result), ("current", current_eval_result)):
        if not result or "loss" not in result:
            raise ValueError(f"The {which} evaluation has no loss: {result!r}. Pass a compare_fn of your own")
    return current_eval_result["loss"] < best_eval_result["loss"]


def comparison(metric: str, mode: str) -> CompareFn:
    """A compare function for one metric.

    Args:
      metric: its name.
      mode: `min` or `max`.

    Raises:
      ValueError: another mode; when it compares, an evaluation without the metric.
    """
    if mode not in ("min", "max"):
        raise ValueError(f"mode is {mode!r}. It takes min or max")

    def better(best_eval_result: Mapping[str, Any], current_eval_result: Mapping[str, Any]) -> bool:
        for result in (best_eval_result, current_eval_result):
            if metric not in result:
                raise ValueError(f"The evaluation has no metric {metric!r}; it has {', '.join(result)}")
        best, current = float(best_eval_result[metric]), float(current_eval_result[metric])
        return current < best if mode == "min" else current > best

    return better


class BestExporter(ModelExporter):
    """Exports when an evaluation is better than all before it, across restarts.

    The best result is kept in `best.json` beside the exports. A result that is NaN where it is compared is never the
    best.

    Args:
      name: of the exporter.
      serving_input_receiver_fn: what clients send.
      event_file_pattern: of evaluation events below the model directory, from which the best result is taken while
        there is no `best.json`; None takes it from `eval/` if there are exports of a run that kept none.
      compare_fn: `compare_fn(best_eval_result, current_eval_result)` says whether the current one is better; the
        smaller loss by default. Its arguments have these names.
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
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)
        if metric is not None and compare_fn is not None:
            raise ValueError(f"Exporter {name} was given metric={metric!r} and a compare_fn. It takes one of them")
        if metric is None and mode != "min":
            raise ValueError(f"Exporter {name} was given mode={mode!r} and no metric. The mode is that of the metric")
        self._better = _by_name(compare_fn or (loss_smaller if metric is None else comparison(metric, mode)), name)
        self._keep, self._pattern = checked_keep(exports_to_keep), event_file_pattern

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        if _compares_nan(self._better, eval_result):
            step = eval_result.get("global_step")
            log.warning("Exporter %s passes over the evaluation of step %s: what it compares is NaN.", self.name, step)
            return None
        best = self._best(estimator, export_path, eval_result.get("global_step"))
        if best is not None and not self._better(best, eval_result):
            return None
        export = self.write(estimator, export_path, checkpoint_path)
        record = _record(eval_result, checkpoint_path, os.path.basename(os.fsdecode(export)))
        job_directory.of_process().write(storage.join(export_path, BEST), record)
        delete_old(job_directory.of_process(), export_path, self._keep, export)
        return export

    def _best(self, estimator: Estimator, export_path: str, step: Any) -> Mapping[str, Any] | None:
        """The best result so far; None before any. The evaluation of `step` is the current one, and not among them."""
        path = storage.join(export_path, BEST)
        content = job_directory.of_process().read(path)
        try:
            if content is not None:
                return self._recorded(content, path)
        except DamagedRecordError as error:
            log.warning("%s. The best evaluation is looked for in the events.", error.got)
        pattern = self._pattern or (
            _EVAL_EVENTS if saved_model.exports(job_directory.of_process(), export_path) else None
        )
        best: Mapping[str, Any] | None = None
        for result in _evaluations(estimator, pattern) if pattern else ():
            if result["global_step"] == step or _compares_nan(self._better, result):
                continue
            if best is None or self._better(best, result):
                best = result
        return best

    def _recorded(self, content: bytes, path: str) -> Mapping[str, Any] | None:
        """The best result in a record; None where the next one is to be the best."""
        best: Mapping[str, Any] | None = records.parsed(content, path, {RESULT: (dict, type(None))})[RESULT]
        try:
            if best is not None:
                self._better(best, best)  # what cannot even be compared with itself is damaged
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedRecordError(path, f"its {RESULT} cannot be compared: {error}") from error
        return best


def _by_name(compare_fn: CompareFn, exporter: str) -> CompareFn:
    """Calls a compare function by its arguments' names, as tf.estimator does.

    Args:
      compare_fn: of a person.
      exporter: the name of the exporter, for errors.

    Raises:
      ValueError: it takes other arguments, so that which result is meant would be a guess.
    """
    taken = argument_names(compare_fn)
    if taken != set(COMPARED):
        raise ValueError(
            f"The compare_fn of exporter {exporter} takes {', '.join(sorted(taken)) or 'no arguments'}. "
            f"It takes {' and '.join(COMPARED)}, and nothing else. Name its arguments so"
        )
    return lambda best, current: compare_fn(best_eval_result=best, current_eval_result=current)  # type: ignore[call-arg]


class _ReadNames(dict[str, Any]):
    """Metrics that remember which of them were read."""

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        super().__init__(metrics)
        self.names_read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names_read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names_read.add(name)
        return super().get(name, default)


def _compares_nan(better: CompareFn, result: Mapping[str, Any]) -> bool:
    """Whether a value is NaN that the comparison looks at; any value, where that cannot be seen."""
    nans = {name for name, value in result.items() if _has_nan(value)}
    if not nans:
        return False
    read = _ReadNames(result)
    better(read, read)
    return bool(nans & (read.names_read or nans))


def _has_nan(value: Any) -> bool:
    arrays = [np.asarray(part) for part in tf.nest.flatten(value)]
    return any(np.issubdtype(array.dtype, np.floating) and np.isnan(array).any() for array in arrays)


def _record(result: Mapping[str, Any], checkpoint_path: str, export: str) -> bytes:
    """The content of `best.json`.

    Args:
      result: the metrics.
      checkpoint_path: what was evaluated.
      export: the name of its export.
    """
    # Python's JSON, which has NaN and infinities: a loss may be infinite at first.
    plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in result.items()}
    record = {RESULT: plain, "checkpoint": os.path.basename(checkpoint_path), "export": export}
    return json.dumps(records.sealed(json.loads(json.dumps(record, default=str))), indent=1).encode()


def _evaluations(estimator: Estimator, pattern: str) -> Iterator[dict[str, float]]:
    """The results in events below a model directory."""
    files = [entry.path for entry in storage.entries(storage.join(storage.escaped(estimator.model_dir), pattern))]
    for directory in sorted({os.path.dirname(file) for file in files}):
        for step, metrics in read_scalars(job_directory.of_process().local_events(directory)).items():
            yield {**metrics, "global_step": step}
