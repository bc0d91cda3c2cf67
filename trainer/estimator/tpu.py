"""TPUEstimator and what belongs to it, off the TPU: what such programs are with `use_tpu=False`."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from trainer.estimator.contract import run_config
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.estimator import Estimator
from trainer.estimator.steps.input.input_function import InputFn, InputFunction
from trainer.job.cluster import Cluster, from_environment

log = logging.getLogger("trainer")

_BATCH_SIZE, _USE_TPU = "batch_size", "use_tpu"
_RESERVED = {_BATCH_SIZE, "context"}


class InputPipelineConfig:
    """How a TPU is fed."""

    PER_SHARD_V1 = 1
    PER_HOST_V1 = 2
    PER_HOST_V2 = 3
    BROADCAST = 4
    SLICED = 5


class TPUConfig(NamedTuple):
    """Settings of a TPU, all of which mean nothing without one."""

    iterations_per_loop: int = 2
    num_shards: int | None = None
    num_cores_per_replica: int | None = None
    per_host_input_for_training: bool | int = True
    tpu_job_name: str | None = None
    initial_infeed_sleep_secs: int | None = None
    input_partition_dims: Any = None
    eval_training_input_configuration: int = InputPipelineConfig.PER_HOST_V1
    experimental_host_call_every_n_steps: int = 1
    experimental_allow_per_host_v2_parallel_get_next: bool = False
    experimental_feed_hook: Any = None


@dataclasses.dataclass
class RunConfig(run_config.RunConfig):
    """A RunConfig with what is said of a TPU.

    Attributes:
      tpu_config: settings of the TPU.
      evaluation_master: address of a Session.
      master: address of a Session.
    """

    _: dataclasses.KW_ONLY
    tpu_config: TPUConfig = TPUConfig()
    evaluation_master: str = ""
    master: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.cluster, Cluster):  # a resolver of TPUs, by the reference's name for it
            vars(self)["cluster"] = from_environment(os.environ)
        super().__post_init__()


class CrossShardOptimizer:
    """Sums gradients over the shards of a TPU; there is one shard, so it is the optimizer that it is given."""

    def __new__(cls, opt: Any, reduction: Any = None, name: str = "", group_assignment: Any = None) -> Any:
        return opt


class TPUEstimatorSpec(NamedTuple):
    """An EstimatorSpec whose metrics are still to be computed, by a function of tensors.

    Attributes:
      mode: a value of ModeKeys.
      predictions: a dict of tensors.
      loss: a scalar.
      train_op: what a step runs.
      eval_metrics: a function and its tensors, as a list or as a dict of keywords; it gives `eval_metric_ops`.
      export_outputs: as of EstimatorSpec.
      scaffold_fn: gives a Scaffold.
      host_call: a function and its tensors likewise; what it gives runs in every step of training.
      training_hooks: as of EstimatorSpec.
      evaluation_hooks: as of EstimatorSpec.
      prediction_hooks: as of EstimatorSpec.
    """

    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metrics: Any = None
    export_outputs: Any = None
    scaffold_fn: Callable[[], Any] | None = None
    host_call: Any = None
    training_hooks: Any = None
    evaluation_hooks: Any = None
    prediction_hooks: Any = None

    def as_estimator_spec(self) -> EstimatorSpec:
        """What it is to an Estimator."""
        train_op, metrics = self.train_op, self.eval_metrics
        if self.host_call is not None and self.mode == ModeKeys.TRAIN:
            train_op = tf.group(train_op, *tf.nest.flatten(_called(self.host_call, "host_call")))
        return EstimatorSpec(
            self.mode,
            predictions=self.predictions,
            loss=self.loss,
            train_op=train_op,
            eval_metric_ops=None if metrics is None else _called(metrics, "eval_metrics"),
            export_outputs=self.export_outputs,
            training_hooks=self.training_hooks,
            scaffold=self.scaffold_fn() if self.scaffold_fn else None,
            evaluation_hooks=self.evaluation_hooks,
            prediction_hooks=self.prediction_hooks,
        )


def _called(given: Any, name: str) -> Any:
    """What a function gives for its tensors.

    Raises:
      TypeError: it is no pair of those.
    """
    if not (isinstance(given, tuple) and len(given) == 2 and callable(given[0])):
        raise TypeError(f"TPUEstimatorSpec was given {name} {given!r}. It takes a pair (function, its tensors)")
    function, tensors = given
    return function(**tensors) if isinstance(tensors, Mapping) else function(*tensors)


class TPUEstimator(Estimator):
    """An Estimator that hands the batch size of each mode to its functions, as `params["batch_size"]`.

    Args:
      model_fn: as of an Estimator; may return a TPUEstimatorSpec.
      model_dir: as of an Estimator.
      config: a RunConfig, of `tpu` or not.
      params: a dict, or an object with an `add_hparam`.
      use_tpu: there is no TPU here; a line says so.
      train_batch_size: of training.
      eval_batch_size: of evaluation.
      predict_batch_size: of prediction.
      batch_axis: means nothing without a TPU; nor do the settings below.
      eval_on_tpu: see `batch_axis`.
      export_to_tpu: see `batch_axis`.
      export_to_cpu: see `batch_axis`.
      warm_start_from: as of an Estimator.
      embedding_config_spec: see `batch_axis`.
      export_saved_model_api_version: see `batch_axis`.

    Raises:
      ValueError: params that hold a batch size already.
    """

    def __init__(
        self,
        model_fn: Callable[..., Any],
        model_dir: Any = None,
        config: run_config.RunConfig | None = None,
        params: Any = None,
        use_tpu: bool = True,
        train_batch_size: int | None = None,
        eval_batch_size: int | None = None,
        predict_batch_size: int | None = None,
        batch_axis: Any = None,
        eval_on_tpu: bool = True,
        export_to_tpu: bool = True,
        export_to_cpu: bool = True,
        warm_start_from: Any = None,
        embedding_config_spec: Any = None,
        export_saved_model_api_version: Any = None,
    ) -> None:
        taken = _RESERVED & set(params if isinstance(params, Mapping) else getattr(params, "__dict__", ()))
        if taken:
            raise ValueError(
                f"TPUEstimator was given params with {', '.join(sorted(taken))}, which it sets itself. "
                "Pass train_batch_size, eval_batch_size and predict_batch_size"
            )
        if use_tpu:
            log.warning("TPUEstimator was given use_tpu=True. There is no TPU here, so it runs as with use_tpu=False.")
        self._batch_sizes = {
            ModeKeys.TRAIN: train_batch_size,
            ModeKeys.EVAL: eval_batch_size,
            ModeKeys.PREDICT: predict_batch_size,
        }
        wrapped = _with_batch_size(model_fn, self._batch_sizes)
        super().__init__(wrapped, model_dir, config, {} if params is None else params, warm_start_from)

    def _data(self, input_fn: InputFn, mode: str, hooks: Sequence[Any] = ()) -> InputFunction:
        return super()._data(_with_batch_size(input_fn, self._batch_sizes, mode), mode, hooks)


def _with_batch_size(
    function: Callable[..., Any], sizes: Mapping[str, int | None], of_mode: str | None = None
) -> Callable[..., Any]:
    """A person's function with the batch size among its params.

    Args:
      function: takes any of the arguments of the contract.
      sizes: by mode.
      of_mode: that it is called for; None where the call says it.
    """
    parameters = inspect.signature(function).parameters
    takes_mode = "mode" in parameters

    @functools.wraps(function)
    def sized(*positional: Any, **arguments: Any) -> Any:
        mode = of_mode or (arguments["mode"] if takes_mode else arguments.pop("mode"))
        if arguments.get("params") is not None:
            arguments["params"] = _sized(arguments["params"], sizes[mode])
        made = function(*positional, **arguments)
        return made.as_estimator_spec() if isinstance(made, TPUEstimatorSpec) else made

    if of_mode is None and not takes_mode:
        mode_parameter = inspect.Parameter("mode", inspect.Parameter.KEYWORD_ONLY)
        sized.__signature__ = inspect.Signature([*parameters.values(), mode_parameter])  # type: ignore[attr-defined]
    return sized


def _sized(params: Any, batch_size: int | None) -> Any:
    """Params with a batch size, and with what says that there is no TPU."""
    params = copy.copy(params)
    for name, value in ((_BATCH_SIZE, batch_size), (_USE_TPU, False)):
        known = name in params if isinstance(params, Mapping) else hasattr(params, name)
        if value is None or (name == _USE_TPU and known):
            continue
        if isinstance(params, dict):
            params[name] = value
        elif hasattr(params, "add_hparam") and not known:
            params.add_hparam(name, value)
        else:
            setattr(params, name, value)
    return params
