"""The seam between a person's code and the package: all that anything else may know of a problem.

A module or a file that defines `PROBLEM` says what is trained, on which data, and by which figure it is judged. Task,
sweeps, submissions, exporters, the tuner and the closing table work from that one value.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.job import spelling
from trainer.job.config import DataConfig
from trainer.job.errors import UsageError

_KNOWN = ("data", "params", "mode", "config", "schema")
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "model_fn": ("features", "labels", *_KNOWN),
    "make_estimator": _KNOWN,
    "train_input_fn": (*_KNOWN, "input_context"),
    "eval_input_fn": (*_KNOWN, "input_context"),
    "test_input_fn": (*_KNOWN, "input_context"),
    "serving_input_receiver_fn": _KNOWN,
    "describe": ("data", "params", "output_dir", "cache", "scratch"),
    "baselines": ("data", "params", "schema"),
    "score_of": ("asked", "data", "params", "schema"),
    "hooks": _KNOWN,
    "exporters": _KNOWN,
    "resume_schema": ("schema", "earlier"),
    "report": ("summary", "data", "params", "schema"),
    "plots": ("examples", "summary", "config", "data", "params", "schema"),
    "locate_fault": ("message", "data", "schema"),
    "locate_rows": ("batch", "rows", "pipeline", "pipelines", "data", "schema"),
}
"""What each function of a problem may take, by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoParams:
    """A model without settings."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """What is trained, on which data, and how it is judged. Checked when built.

    Functions take what they need by name: `data` (the flags about files and batches), `params`, `mode`, `config` (a
    RunConfig), `input_context`, `schema` (what `describe` returned).

    Attributes:
      model_fn: `model_fn(features, labels, mode, …)` gives an EstimatorSpec; this or `make_estimator`.
      make_estimator: gives an Estimator whose model_dir is `config.model_dir`, as `model_to_estimator` does.
      params: a frozen dataclass, each of whose fields is a flag and may be searched.
      data: DataConfig, or a dataclass that extends it by flags of its own.
      train_input_fn: gives a Dataset of (features, labels) batches to train on.
      eval_input_fn: gives that of the examples to evaluate on, once.
      metrics: what evaluations report and whether "max" or "min" is better, by name; the first is the score, which
        tuners are told, the best exporter goes by and the closing table shows. `loss` may be among them.
      score_of: where the data decide, names that one of `metrics` which is the score of these; else it is the first. It
        may take `asked`, what `--score` names, or None; otherwise that is the score without a question.
      test_input_fn: like `eval_input_fn`, for examples that are looked at once, at the end; may give None.
      serving_input_receiver_fn: gives a ServingInputReceiver; without it, clients send features as evaluation has them.
      describe: reads and checks the data before TensorFlow is imported; what it returns is `schema`. It may take
        `cache`, a DownloadCache for what it reads of buckets, and `scratch`, the directory of this machine for what
        later runs may use, or None.
      baselines: scores that a model has to beat, as `{"accuracy_majority": 0.5}`, each named after its metric.
      hooks: gives a list of hooks of training.
      exporters: gives a list of Exporters beside those of `--exporter`.
      presets: values of flags by the name of a recipe, each by the name of its flag, for `--preset`.
      warm_start_from: a checkpoint, a directory, or WarmStartSettings.
      resume_schema: for a run that is continued, gives the schema to use: `schema`, as it is described now, with what
        the weights depend on, such as scales, taken from `earlier`, the plain fields of the one they were trained with.
        Without it, the schema is used as it is.
      report: gives text to print below the closing table, and to stand in report.html.
      plots: gives a list of what report.html draws of this problem (`trainer.reporting.plot.Plot`). It may take
        `examples`, some of the evaluation with their predictions (`trainer.reporting.plot.Examples`), and `summary`.
      locate_fault: for the `message` of an InvalidArgumentError in training, the JobError that names file and line;
        None where the data are not to blame.
      locate_rows: for the number of a training `batch` and the numbers of its `rows`, all from 0, where those stand in
        the files, a text each; `pipeline` of `pipelines` is the input pipeline that the batch came from.

    Raises:
      UsageError: a function is missing, is none, or takes what nobody gives; metrics, params or data of another kind.
    """

    train_input_fn: Callable[..., Any]
    eval_input_fn: Callable[..., Any]
    metrics: Mapping[str, str]
    model_fn: Callable[..., Any] | None = None
    make_estimator: Callable[..., Any] | None = None
    params: type = NoParams
    data: type[DataConfig] = DataConfig
    test_input_fn: Callable[..., Any] | None = None
    serving_input_receiver_fn: Callable[..., Any] | None = None
    describe: Callable[..., Any] | None = None
    baselines: Callable[..., Mapping[str, float]] | None = None
    score_of: Callable[..., str] | None = None
    hooks: Callable[..., Any] | None = None
    exporters: Callable[..., Any] | None = None
    presets: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    warm_start_from: Any = None
    resume_schema: Callable[..., Any] | None = None
    report: Callable[..., str] | None = None
    plots: Callable[..., Sequence[Any]] | None = None
    locate_fault: Callable[..., Any] | None = None
    locate_rows: Callable[..., Sequence[str]] | None = None

    def __post_init__(self) -> None:
        for name in _ARGUMENTS:
            _check_function(name, getattr(self, name), required=name in ("train_input_fn", "eval_input_fn"))
        if (self.model_fn is None) == (self.make_estimator is None):
            got = "neither model_fn nor make_estimator" if self.model_fn is None else "model_fn and make_estimator"
            raise _wrong(f"has {got}", "one of the two", "Give model_fn, or make_estimator for a Keras model")
        _check_settings("params", self.params, object)
        _check_settings("data", self.data, DataConfig)
        _check_metrics(self.metrics)
        object.__setattr__(self, "metrics", dict(self.metrics))

    def call(self, name: str, **given: Any) -> Any:
        """Calls a function of the problem with those of the given values that it takes.

        Args:
          name: of the field that holds it.
          given: values by the names of arguments.
        """
        function = getattr(self, name)
        return function(**{key: value for key, value in given.items() if key in argument_names(function)})


def argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names that a function can be called with; what it takes as `*args` or `**kwargs` has none."""
    unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    return tuple(name for name, one in inspect.signature(function).parameters.items() if one.kind not in unnamed)


def _wrong(got: str, accept: str, do: str) -> UsageError:
    return UsageError(f"PROBLEM {got}", accept, do)


def _check_function(name: str, function: object, *, required: bool) -> None:
    if function is None and not required:
        return
    if not callable(function):
        raise _wrong(f"has {name}={function!r}", "a function", f"Give the function itself, as {name}=my_{name}")
    known = _ARGUMENTS[name]
    taken = argument_names(function)
    optional = {key for key, one in inspect.signature(function).parameters.items() if one.default is not one.empty}
    for argument in taken:
        if argument not in known and argument not in optional:
            do = spelling.suggestion(argument, known, "Rename the argument, or give it a default")
            raise _wrong(f"has a {name} that takes {argument}", f"any of {', '.join(known)}", do)
    if name == "model_fn" and "features" not in taken:
        raise _wrong(
            "has a model_fn that takes no features", "model_fn(features, …)", "Call its first argument features"
        )


def _check_settings(name: str, settings: object, base: type) -> None:
    accept = f"a frozen dataclass that extends {base.__name__}" if base is not object else "a frozen dataclass"
    if not isinstance(settings, type) or not dataclasses.is_dataclass(settings) or not issubclass(settings, base):
        do = (
            "Give the class, not an instance of it" if dataclasses.is_dataclass(settings) else "Decorate it: @dataclass"
        )
        raise _wrong(f"has {name}={settings!r}", accept, do)
    if not settings.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        do = "Write @dataclasses.dataclass(frozen=True)"
        raise _wrong(f"has {name}={settings.__name__}, which can be changed", accept, do)
    for field in dataclasses.fields(settings):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            got = f"has {name}={settings.__name__}, whose {field.name} has no default"
            raise _wrong(got, "fields with defaults, since each is a flag that may be left out", "Give it one")


def _check_metrics(metrics: object) -> None:
    accept = '{"accuracy": "max", "loss": "min"}, the score first'
    if not isinstance(metrics, Mapping) or not metrics:
        raise _wrong(f"has metrics={metrics!r}", accept, "Name what evaluations report, and which way is better")
    for name, direction in metrics.items():
        if not isinstance(name, str) or not name.strip():
            raise _wrong(f"has a metric called {name!r}", accept, "Call it as eval_metric_ops does")
        if direction not in ("max", "min"):
            do = spelling.suggestion(str(direction), ("max", "min"), "Write 'max' or 'min'")
            raise _wrong(f"has metrics[{name!r}]={direction!r}", "'max' or 'min'", do)
