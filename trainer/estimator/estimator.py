"""The Estimator: a model function with a directory, trained, evaluated, asked and exported."""

from __future__ import annotations

import copy
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import storage
from trainer.estimator.contract.export import PredictOutput, ServingInputReceiver, SupervisedInputReceiver
from trainer.estimator.contract.hooks import CheckpointSaverListener, TrainingHook, check_hooks, check_listeners
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.distribution import strategies
from trainer.estimator.graph.inside.iterators import one_shot_iterators_meet
from trainer.estimator.graph.inside.seeds import seeded
from trainer.estimator.graph.tracing import ModelFn, TracedModel, accepted, argument_names, trace
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.saving import checkpoints, job_directory, saved_model, warm_start
from trainer.estimator.saving.coordination_files import being_read
from trainer.estimator.saving.events import Events
from trainer.estimator.steps import inference
from trainer.estimator.steps.loop import Cadence, Stop, StopReason, TrainingLoop

log = logging.getLogger("trainer")

_MODEL_FN_ARGUMENTS = {"features", "labels", "mode", "params", "config"}
_TAGS = {ModeKeys.PREDICT: "serve", ModeKeys.TRAIN: "train", ModeKeys.EVAL: "eval"}
InputFn = Callable[..., Any]


class Estimator:
    """Trains, evaluates, asks and exports one model function, in the contract of tf.estimator.

    Args:
      model_fn: `model_fn(features, labels, mode, params, config) -> EstimatorSpec`, with a subset of those names.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      config: a RunConfig.
      params: handed to the model function, as a deep copy.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while `model_dir` has no
        checkpoint.

    Raises:
      ValueError: a wrong model function, or two model directories that differ.
    """

    def __init__(
        self,
        model_fn: ModelFn,
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        warm_start_from: Any = None,
    ) -> None:
        _check_model_fn(model_fn, params)
        self._model_fn = model_fn
        self._config = _config_with_dir(config, model_dir)
        self._params = copy.deepcopy(params) if params is not None else {}
        self._warm_start = warm_start.settings_of(warm_start_from)
        self._initial_values: Mapping[str, Any] = {}
        self._resumes_position = True
        self._evaluations: dict[Any, inference.Evaluation] = {}
        self._strategy: strategies.Strategy | None = None
        self._stop = Stop()
        self._directories = job_directory.of_process()
        self._directory = self._directories.at(self.model_dir, _role(self._config))
        self.stop_reason: StopReason | None = None

    @property
    def model_dir(self) -> str:
        assert self._config.model_dir is not None  # _config_with_dir sees to it
        return os.fspath(self._config.model_dir)

    @property
    def config(self) -> RunConfig:
        return self._config.replace()  # a strategy in it cannot be copied

    @property
    def params(self) -> Any:
        return copy.deepcopy(self._params)

    @property
    def model_fn(self) -> Callable[[Any, Any, str, RunConfig], EstimatorSpec]:
        """The model function with its params: called with features, labels, mode and config."""
        return self._call_model_fn

    def extended(self, model_fn: ModelFn) -> Estimator:
        """An Estimator of the same directory, settings and initial values with another model function.

        Args:
          model_fn: of features, labels, mode and config.
        """
        other = Estimator(model_fn, config=self._config, warm_start_from=self._warm_start)
        other._initial_values = self._initial_values
        return other

    def request_stop(self, reason: str) -> None:
        """Ends training after the running device call, with a checkpoint. Safe in signal handlers and threads."""
        self._stop.request(reason)

    @property
    def stop(self) -> Stop:
        """Where anything asks this Estimator to end what it does."""
        return self._stop

    @property
    def batches_per_step(self) -> int:
        """Batches of the input function in a step of the last training: devices that train in step take one each."""
        return 1 if self._strategy is None else self._strategy.batches_per_step

    def latest_checkpoint(self) -> str | None:
        """The path of the newest whole checkpoint; None when there is none."""
        return self._directory.checkpoints.latest()

    def eval_dir(self, name: str | None = None) -> str:
        """Where the events of an evaluation go."""
        return storage.join(self.model_dir, f"eval_{name}" if name else "eval")

    def get_variable_names(self) -> list[str]:
        """Names in the latest checkpoint.

        Raises:
          ValueError: there is none.
        """
        return checkpoints.read(self._trained()).names()

    def get_variable_value(self, name: str) -> np.ndarray:
        """The value of a variable in the latest checkpoint.

        Raises:
          ValueError: there is no checkpoint, or no such variable in it.
        """
        reader = checkpoints.read(self._trained())
        if name not in reader:
            raise ValueError(f"{reader.checkpoint_path} has no variable {name!r}; it has {', '.join(reader.names())}")
        return reader.value(name)

    def _trained(self) -> str:
        found = self.latest_checkpoint()
        if found is None:
            raise ValueError(
                f"Could not find a trained model in model_dir {self.model_dir!r}: it holds no checkpoint. Train first"
            )
        return found

    # Training

    def train(
        self,
        input_fn: InputFn,
        hooks: Sequence[TrainingHook] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[CheckpointSaverListener] | None = None,
    ) -> Estimator:
        """Trains to the end of the input, or for `steps` more steps, or up to global step `max_steps`.

        The first call of an Estimator goes on at the very batch at which the latest checkpoint stopped; later calls
        begin their input afresh.

        Raises:
          ValueError: wrong steps, saving listeners while saving is off, or a role that does not train.
          RuntimeError: the loss is NaN.
        """
        if self._config.task_type in ("evaluator", "ps"):
            raise ValueError(f"train was called in a task of type {self._config.task_type}. Chiefs and workers train")
        _check_steps(steps, max_steps)
        hooks, listeners = check_hooks(hooks), check_listeners(saving_listeners)
        if listeners and not self._config.saves_checkpoints:
            raise ValueError(
                "train was given saving_listeners while saving is off. They are called around saves. "
                "Set save_checkpoints_steps or save_checkpoints_secs of the RunConfig"
            )
        self._strategy = self._strategy or strategies.choose(self._config)
        if self._config.is_chief and self._config.saves_checkpoints:
            self._directory.checkpoints.take_over(self.request_stop, lambda: being_read(self.model_dir, time.time()))
        found = self.latest_checkpoint()
        latest = self._directory.checkpoints.fetch(os.path.basename(found)) if found else None
        start = self._strategy.start(checkpoints.saved_step(latest) if latest else 0)
        stop_at = max_steps if steps is None else start + steps
        if stop_at is not None and start >= stop_at:
            log.info("Training is skipped: max_steps is %d, and the checkpoint is at step %d.", stop_at, start)
            return self
        loop = self._training_loop(input_fn, stop_at, latest, hooks, listeners)
        self._resumes_position = False
        with self._directories.flushed_at_end():
            try:
                self.stop_reason = loop.run()
            finally:
                self._stop.clear()
                loop.steps.close()
                if loop.events:
                    loop.events.close()
        if loop.made == 0:
            log.warning("Training made no step: the input function gave no batch.")
        return self

    def _training_loop(
        self,
        input_fn: InputFn,
        stop_at: int | None,
        latest: str | None,
        hooks: Sequence[TrainingHook],
        listeners: Sequence[CheckpointSaverListener],
    ) -> TrainingLoop:
        config, strategy = self._config, self._strategy
        assert strategy is not None
        store = strategy.store(config.tf_random_seed, self._initial_values, afresh=latest is None)

        def trace_into(spec: Any, variables: VariableStore, xla: bool) -> TracedModel:
            return self._trace(ModeKeys.TRAIN, spec, variables, xla)

        def dataset_fn(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return self._dataset(input_fn, ModeKeys.TRAIN, context)

        position = latest if self._resumes_position else None
        steps = strategy.steps(dataset_fn, trace_into, config, position, stop_at)
        self._set_variables(store, latest, set(store.saved()))
        strategy.broadcast(store)
        if not config.is_chief:
            return TrainingLoop(steps, stop_at, _NO_CADENCE, None, None, hooks, (), self._stop)
        saver, events = self._saver(continued=position), Events(self._directory.local)
        return TrainingLoop(steps, stop_at, _cadence(config), saver, events, hooks, listeners, self._stop)

    def _saver(self, continued: str | None) -> checkpoints.Saver | None:
        """What saves; None when saving is off."""
        config = self._config
        if not config.saves_checkpoints:
            return None
        return checkpoints.Saver(
            self._directory.checkpoints,
            config.keep_checkpoint_max,
            config.keep_checkpoint_every_n_hours,
            time.time(),
            continued=continued,
        )

    def _set_variables(self, store: VariableStore, checkpoint_path: str | None, names: set[str]) -> None:
        """Restores from a checkpoint, else warm-starts, else leaves the initial values."""
        if checkpoint_path is not None:
            reader = checkpoints.read(checkpoint_path)
            checkpoints.restore({name: store.by_name[name] for name in sorted(names)}, reader)
        elif self._warm_start is not None:
            warmed = warm_start.warm_start(store, self._warm_start)
            log.info("Warm-started %d variables from %s.", len(warmed), self._warm_start.ckpt_to_initialize_from)

    # Evaluation and prediction

    def evaluate(
        self,
        input_fn: InputFn,
        steps: int | None = None,
        hooks: Sequence[TrainingHook] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Metrics of a checkpoint, with `loss` (the mean over batches) and `global_step`.

        Args:
          input_fn: gives the batches.
          steps: how many batches at most; None for all.
          hooks: around the device calls.
          checkpoint_path: None for the latest; without any, fresh or warm-started variables are evaluated.
          name: of this evaluation; its events go to `eval_<name>`.

        Raises:
          ValueError: wrong steps, or no batch at all.
        """
        _check_positive(steps, "steps")
        checked = check_hooks(hooks)
        dataset = self._dataset(input_fn, ModeKeys.EVAL)
        source = checkpoint_path or self.latest_checkpoint()
        evaluation = self._evaluation(dataset.element_spec, afresh=source is None)
        store = evaluation.traced.store
        self._set_variables(store, source, evaluation.variables | {"global_step"})
        results = evaluation.run(dataset, steps, checked)
        with self._directories.flushed_at_end():
            self._write_evaluation(results, name, source)
        return results

    def _evaluation(self, element_spec: Any, afresh: bool) -> inference.Evaluation:
        """The traced evaluation for batches of a kind, made once unless its variables are to be fresh ones."""
        key = repr(element_spec)
        if afresh or key not in self._evaluations:
            store = self._new_store(restored=not afresh)
            self._evaluations[key] = inference.Evaluation(self._trace(ModeKeys.EVAL, element_spec, store))
        return self._evaluations[key]

    def _write_evaluation(self, results: Mapping[str, Any], name: str | None, source: str | None) -> None:
        directory, folder = self._directories.holding(self.eval_dir(name))
        events, step = Events(os.path.join(directory.local, folder)), int(results["global_step"])
        scalars = {key: value for key, value in results.items() if key != "global_step" and np.ndim(value) == 0}
        events.scalars(scalars, step, time.time())
        if source:
            events.text("checkpoint_path", source, step, time.time())
        events.close()
        directory.events.publish()

    def predict(
        self,
        input_fn: InputFn,
        predict_keys: Sequence[str] | str | None = None,
        hooks: Sequence[TrainingHook] | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yields predictions, one example or one batch at a time.

        Args:
          input_fn: gives features; labels beside them are dropped.
          predict_keys: the predictions wanted; None for all.
          hooks: around the batches.
          checkpoint_path: None for the latest.
          yield_single_examples: False yields whole batches.

        Raises:
          ValueError: no such key, or batch lengths that differ.
        """
        checked = check_hooks(hooks)
        dataset = self._dataset(input_fn, ModeKeys.PREDICT)
        source = checkpoint_path or self.latest_checkpoint()
        store = self._new_store(restored=source is not None)
        traced = self._trace(ModeKeys.PREDICT, dataset.element_spec, store)
        asked = inference.prediction(traced, predict_keys)
        self._set_variables(store, source, set(asked.part.variables) & set(store.saved()))
        for batch in asked.batches(dataset, checked):
            if yield_single_examples:
                yield from inference.single_examples(batch)
            else:
                yield batch

    # Export

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

        Raises:
          ValueError: there is nothing to export: no checkpoint and no warm start.
        """
        if serving_input_receiver_fn is None:
            raise ValueError("export_saved_model was given no serving_input_receiver_fn. It says what clients send")
        source = self._export_source(checkpoint_path)

        def write(directory: str) -> None:
            if experimental_mode == ModeKeys.PREDICT:
                self._write_mode(experimental_mode, serving_input_receiver_fn, source, directory)
            else:
                self._write_modes({experimental_mode: serving_input_receiver_fn}, source, directory)

        return self._published(export_dir_base, write, assets_extra, as_text)

    def experimental_export_all_saved_models(
        self,
        export_dir_base: str,
        input_receiver_fn_map: Mapping[str, Callable[[], Any]],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """Writes one SavedModel with a graph for each mode, tagged `serve`, `train` and `eval`; returns its path.

        Raises:
          ValueError: no receiver function, an unknown mode, or nothing to export.
        """
        unknown = set(input_receiver_fn_map) - set(_TAGS)
        if unknown or not input_receiver_fn_map:
            raise ValueError(
                f"input_receiver_fn_map has the modes {sorted(input_receiver_fn_map)}. "
                f"It takes {', '.join(_TAGS)}, one at least"
            )
        source = self._export_source(checkpoint_path)

        def write(directory: str) -> None:
            self._write_modes(input_receiver_fn_map, source, directory)

        return self._published(export_dir_base, write, assets_extra, as_text)

    def _published(
        self, base: str, write: Callable[[str], None], assets_extra: Mapping[str, str] | None, as_text: bool
    ) -> bytes:
        with self._directories.flushed_at_end():
            return saved_model.publish(os.fspath(base), write, time.time(), assets_extra, as_text).encode()

    def _export_source(self, checkpoint_path: str | None) -> str | None:
        source = checkpoint_path or self.latest_checkpoint()
        if source is None and self._warm_start is None:
            raise ValueError(
                f"There is nothing to export: {self.model_dir} holds no checkpoint. "
                "Train first, or name a checkpoint_path"
            )
        return source

    def _write_modes(self, receiver_fns: Mapping[str, Callable[[], Any]], source: str | None, directory: str) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            parts = {}
            for mode, tag in _TAGS.items():
                if mode in receiver_fns:
                    parts[tag] = os.path.join(scratch, tag)
                    self._write_mode(mode, receiver_fns[mode], source, parts[tag])
            saved_model.merge_modes(parts, directory)

    def _write_mode(self, mode: str, receiver_fn: Callable[[], Any], source: str | None, directory: str) -> None:
        store = self._new_store(restored=source is not None)

        def body() -> tuple[EstimatorSpec, Any]:
            receiver = receiver_fn()
            labels = receiver.labels if isinstance(receiver, SupervisedInputReceiver) else None
            return self._call_model_fn(receiver.features, labels, mode), receiver

        traced = trace(body, [], mode, store)
        made = _export_signatures(traced)
        parts = saved_model.parts_of(traced, made)
        self._set_variables(store, source, saved_model.used_by(parts) & set(store.saved()))
        saved_model.write(traced, made, parts, directory)

    # Calling the person's functions

    def _new_store(self, restored: bool) -> VariableStore:
        return VariableStore(self._config.tf_random_seed, self._initial_values, restored=restored)

    def _trace(self, mode: str, element_spec: Any, store: VariableStore, xla: bool = False) -> TracedModel:
        def body(element: Any) -> tuple[EstimatorSpec, Any]:
            features, labels = element if isinstance(element, tuple) else (element, None)
            return self._call_model_fn(features, labels, mode), None

        return trace(body, [element_spec], mode, store, xla=xla)

    def _call_model_fn(self, features: Any, labels: Any, mode: str, config: RunConfig | None = None) -> EstimatorSpec:
        names = argument_names(self._model_fn)
        if labels is not None and "labels" not in names:
            raise ValueError(
                "The input function gives labels, but the model function takes none. "
                "Add a labels argument, or return features alone"
            )
        arguments = {"labels": labels, "mode": mode, "params": self.params, "config": config or self.config}
        spec = self._model_fn(features=features, **accepted(self._model_fn, arguments))
        if not isinstance(spec, EstimatorSpec):
            raise ValueError(f"The model function returned {spec!r}. It returns an EstimatorSpec")
        if spec.mode != mode:
            raise ValueError(
                f"The model function was called in mode {mode!r} and returned an EstimatorSpec of mode {spec.mode!r}. "
                "Hand on the mode that it was called in"
            )
        return spec

    def _dataset(
        self, input_fn: InputFn, mode: str, context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """What the input function gives, as a dataset of features or (features, labels).

        Of several pipelines each gives a share: that of its input context, or every so many batches of an input
        function
        that takes none.
        """
        context = context or tf.distribute.InputContext()
        arguments = {"mode": mode, "params": self.params, "config": self.config, "input_context": context}
        with seeded(self._config.tf_random_seed), one_shot_iterators_meet(_no_iterator):
            given = input_fn(**accepted(input_fn, arguments))
        dataset = _as_dataset(given)
        if context.num_input_pipelines > 1 and "input_context" not in argument_names(input_fn):
            dataset = dataset.shard(context.num_input_pipelines, context.input_pipeline_id)
        if not isinstance(dataset.element_spec, tuple):
            return dataset
        if len(dataset.element_spec) != 2:
            raise ValueError(
                f"The input function gives tuples of {len(dataset.element_spec)}. "
                "It gives features, or (features, labels), or a Dataset of one of those"
            )
        without = mode == ModeKeys.PREDICT or isinstance(dataset.element_spec[1], tf.NoneTensorSpec)
        return dataset.map(lambda features, _: features) if without else dataset


def _as_dataset(given: Any) -> tf.data.Dataset:
    """A dataset of what an input function returned: itself, or the same tensors for ever."""
    if isinstance(given, tf.data.Dataset):
        return given
    return tf.data.Dataset.from_tensors(tuple(given) if isinstance(given, list) else given).repeat()


def _no_iterator(dataset: tf.data.Dataset) -> None:
    """Stands for `make_one_shot_iterator` in an input function, whose get_next() would give one batch for ever."""
    raise ValueError(
        f"The input function makes an iterator of {dataset}. It takes the Dataset itself. "
        "Return the Dataset in place of iterator.get_next()"
    )


_NO_CADENCE = Cadence(save_steps=None, save_secs=None, summary_steps=None, log_steps=None)


def _cadence(config: RunConfig) -> Cadence:
    return Cadence(
        save_steps=config.save_checkpoints_steps,
        save_secs=config.save_checkpoints_secs,
        summary_steps=config.save_summary_steps,
        log_steps=config.log_step_count_steps,
    )


def _export_signatures(traced: TracedModel) -> dict[str, saved_model.Signature]:
    receiver, spec = traced.context, traced.spec
    if traced.mode != ModeKeys.PREDICT:
        predictions = {f"predictions/{key}": value for key, value in _as_dict(spec.predictions).items()}
        outputs = {"loss": spec.loss, **predictions}
        return {traced.mode: saved_model.Signature(receiver.receiver_tensors, outputs)}
    made, left_out = saved_model.signatures(spec.export_outputs or {}, receiver)
    saved_model.with_default(made, left_out, receiver, spec.predictions)
    return made


def _as_dict(predictions: Any) -> Mapping[str, Any]:
    return predictions if isinstance(predictions, Mapping) else PredictOutput(predictions).tensors


def _check_model_fn(model_fn: ModelFn, params: Any) -> None:
    if not callable(model_fn):
        raise ValueError(f"model_fn is {model_fn!r}. It takes a function")
    names = argument_names(model_fn)
    if "features" not in names:
        raise ValueError(f"model_fn takes {sorted(names)}. It has to take features. Name its first argument so")
    unknown = names - _MODEL_FN_ARGUMENTS - {"self"}
    if unknown:
        raise ValueError(
            f"model_fn takes {', '.join(sorted(unknown))}. "
            f"A model function takes {', '.join(sorted(_MODEL_FN_ARGUMENTS))}. Hand over other values in params"
        )
    if params is not None and "params" not in names:
        raise ValueError("params were given, but model_fn takes none. Add a params argument to it, or leave params out")


def _config_with_dir(config: RunConfig | None, model_dir: str | os.PathLike[str] | None) -> RunConfig:
    """The config with the one model directory that the argument and it agree on."""
    if config is not None and not isinstance(config, RunConfig):
        raise ValueError(f"config is {config!r}. It takes a RunConfig")
    config = config or RunConfig()
    if model_dir is None:
        if config.model_dir is not None:
            return config.replace()
        made = tempfile.mkdtemp()
        log.warning("No model_dir was given, so checkpoints go to a temporary directory: %s", made)
        return config.replace(model_dir=made)
    model_dir = os.fspath(model_dir)
    if not model_dir:
        raise ValueError("model_dir is ''. It takes a path. Leave it out for a temporary directory")
    if config.model_dir is not None and config.model_dir != model_dir:
        raise ValueError(
            f"model_dir is {model_dir!r} and config.model_dir is {config.model_dir!r}. "
            "They have to agree. Give one of them"
        )
    return config.replace(model_dir=model_dir)


def _role(config: RunConfig) -> str:
    """What a process is called that takes up the work of one that ended."""
    return "chief" if config.is_chief else f"{config.task_type}-{config.task_id}"


def _check_positive(value: int | None, name: str) -> None:
    if value is not None and value <= 0:
        raise ValueError(f"{name} is {value}. It takes a number greater than 0, or None")


def _check_steps(steps: int | None, max_steps: int | None) -> None:
    if steps is not None and max_steps is not None:
        raise ValueError(f"train was given steps={steps} and max_steps={max_steps}. It takes one of them")
    _check_positive(steps, "steps")
    _check_positive(max_steps, "max_steps")
