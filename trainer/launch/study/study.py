"""What a hyperparameter study is: a goal, a space of parameters and limits, whatever file said so and wherever it runs.

The words are those of Vertex AI's `StudySpec`, which took over the older `trainingInput.hyperparameters`.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

from trainer.job.errors import UsageError

Value = float | int | str
Assignment = Mapping[str, Value]

MOST_DISCRETE_VALUES = 1000
CLOSEST_DISCRETE_VALUES = 1e-10
_LARGEST_INTEGER = 2**63 - 1


class Goal(enum.Enum):
    MINIMIZE = "MINIMIZE"
    MAXIMIZE = "MAXIMIZE"


class Kind(enum.Enum):
    """What the values of a parameter are; Vertex passes an INTEGER or DISCRETE one as `128` or as `128.0`."""

    DOUBLE = "DOUBLE"
    INTEGER = "INTEGER"
    CATEGORICAL = "CATEGORICAL"
    DISCRETE = "DISCRETE"


class Scale(enum.Enum):
    """How a parameter's range is spread before it is sampled or modelled.

    LOG gives equal shares to equal ratios; REVERSE_LOG is its mirror image, which spreads the values near the maximum
    (x is as likely as `minimum + maximum - x` under LOG). NONE leaves the choice to the optimiser.
    """

    NONE = "NONE"
    LINEAR = "UNIT_LINEAR_SCALE"
    LOG = "UNIT_LOG_SCALE"
    REVERSE_LOG = "UNIT_REVERSE_LOG_SCALE"


class Algorithm(enum.Enum):
    BAYESIAN = "ALGORITHM_UNSPECIFIED"
    GRID = "GRID_SEARCH"
    RANDOM = "RANDOM_SEARCH"


class Measurement(enum.Enum):
    """Which evaluation of a finished trial is its result."""

    LAST = "LAST_MEASUREMENT"
    BEST = "BEST_MEASUREMENT"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Complaint:
    """One thing wrong with a field, in the three parts of an error.

    Attributes:
      field: its name.
      item: index in the field, where one of its items is wrong; None: the field as a whole.
      got: what was met.
      accept: what stands behind "Accepted: "; None where `got` says it.
      do: what the person can do about it.
    """

    field: str
    item: int | None = None
    got: str
    accept: str | None
    do: str | None


class StudyError(UsageError):
    """Everything that is wrong with a parameter or a study, field by field."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(complaints)
        first = self.complaints[0]
        super().__init__(first.got, first.accept, first.do)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameter:
    """One dimension of the search.

    Attributes:
      name: the flag of `trainer.task` that takes it, with underscores; unique in a study.
      spelled: the name as the file has it (`first-layer-size`), which is what a cloud puts before the `=`.
      kind: type of its values: float for DOUBLE and DISCRETE, int for INTEGER, str for CATEGORICAL.
      minimum: least value of a DOUBLE or INTEGER, itself included; None for the other kinds.
      maximum: greatest one, likewise.
      values: of a CATEGORICAL (in the file's order) or DISCRETE (strictly increasing); empty for the other kinds.
      scale: NONE for a CATEGORICAL.
      parent: name of the parameter on which it depends; None for one that every trial has.
      parent_values: it belongs to the trials whose parent has one of these; typed as the parent's values.
    """

    name: str
    spelled: str = ""
    kind: Kind
    minimum: float | int | None = None
    maximum: float | int | None = None
    values: tuple[Value, ...] = ()
    scale: Scale = Scale.NONE
    parent: str | None = None
    parent_values: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if not self.spelled:
            object.__setattr__(self, "spelled", self.name)
        _refuse(_parameter_complaints(self))

    def flag(self, value: Value) -> str:
        """`--spelled=value`, as a cloud passes it."""
        return f"--{self.spelled}={self.text(value)}"

    def text(self, value: Value) -> str:
        """The value behind the `=`; a whole number has no `.0`, so that every flag takes it."""
        return _text(value)

    @property
    def space(self) -> str:
        """Its values, in words."""
        if self.values:
            return ", ".join(_text(value) for value in self.values[:8]) + (", ..." if len(self.values) > 8 else "")
        return f"{self.minimum} to {self.maximum}"

    def has(self, value: Value) -> bool:
        """Whether a trial may give it this value."""
        if self.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
            return value in self.values
        if isinstance(value, str) or self.minimum is None or self.maximum is None:
            return False
        return self.minimum <= value <= self.maximum and (self.kind is Kind.DOUBLE or float(value).is_integer())


@dataclasses.dataclass(frozen=True, kw_only=True)
class MedianStopping:
    """Ends a trial whose best result so far is worse than the median of the others' running averages at that point.

    Attributes:
      use_elapsed_duration: "at that point" means seconds since the trial's start; False: steps.
    """

    use_elapsed_duration: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecayCurveStopping:
    """Ends a trial whose learning curve, extrapolated by what others' curves did, is unlikely to beat the best.

    Attributes:
      use_elapsed_duration: curves are over seconds since the trial's start; False: over steps.
    """

    use_elapsed_duration: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvexStopping:
    """Ends a trial whose final value, predicted by a model of the learning curves, will not beat the best.

    Attributes:
      max_step_count: the last step of a trial, at which it is predicted; None: learned from the finished trials.
      min_step_count: steps that a trial makes before it may be ended; None: a tenth of `max_step_count`.
      min_measurement_count: evaluations of a trial, and finished trials, before one may be ended; None: 5.
      learning_rate_parameter: name of the parameter that sets the learning rate, if one does.
      use_elapsed_duration: curves are over seconds since the trial's start, and so are the counts of steps above.
      update_all_stopped_trials: predicted values of ended trials count as their results; None: the optimiser's choice.
    """

    max_step_count: int | None = None
    min_step_count: int | None = None
    min_measurement_count: int | None = None
    learning_rate_parameter: str | None = None
    use_elapsed_duration: bool = False
    update_all_stopped_trials: bool | None = None

    def __post_init__(self) -> None:
        _refuse(_convex_complaints(self))


Stopping = MedianStopping | DecayCurveStopping | ConvexStopping


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyStopping:
    """When a study ends before `max_trials`. Every limit may be None, which is no limit.

    Attributes:
      should_stop_asap: as soon as a limit is met, running trials are ended too; False: they finish.
      min_num_trials: no other limit counts before so many trials.
      max_num_trials: no new trial after so many.
      max_num_trials_no_progress: no new trial when so many in a row have not improved the best result.
      min_runtime_secs: no other limit counts before so many seconds of the study.
      min_end_time: nor before this moment (RFC 3339, `2026-01-31T12:00:00Z`); excludes `min_runtime_secs`.
      max_runtime_secs: no new trial after so many seconds of the study.
      max_end_time: nor after this moment; excludes `max_runtime_secs`.
      max_secs_no_progress: no new trial when the best result is older than this.
    """

    should_stop_asap: bool = False
    min_num_trials: int | None = None
    max_num_trials: int | None = None
    max_num_trials_no_progress: int | None = None
    min_runtime_secs: float | None = None
    min_end_time: str | None = None
    max_runtime_secs: float | None = None
    max_end_time: str | None = None
    max_secs_no_progress: float | None = None

    def __post_init__(self) -> None:
        _refuse(_study_stopping_complaints(self))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """A whole study.

    Attributes:
      goal: what is done to the metric.
      metric: the tag under which a trial reports it (`rmse`).
      parameters: at least one; a parameter stands behind its parent, with all that depend on that one together.
      max_trials: trials in all, failed and stopped ones included; at least 1.
      max_parallel_trials: trials at the same time; at least 1.
      max_failed_trials: the study ends as failed with so many failed trials; 0 leaves it to whoever runs the study.
      algorithm: who chooses the parameters. GRID has no DOUBLE parameter.
      stopping: the rule that ends hopeless trials; None: none is ended.
      measurement: which of a trial's evaluations counts.
      study_stopping: when to end early; None: at `max_trials` only.
    """

    goal: Goal
    metric: str
    parameters: tuple[Parameter, ...]
    max_trials: int = 1
    max_parallel_trials: int = 1
    max_failed_trials: int = 0
    algorithm: Algorithm = Algorithm.BAYESIAN
    stopping: Stopping | None = None
    measurement: Measurement = Measurement.LAST
    study_stopping: StudyStopping | None = None

    def __post_init__(self) -> None:
        _refuse(_study_complaints(self))

    def active(self, parameter: Parameter, assignment: Assignment) -> bool:
        """Whether a trial with these values (by name, parents first) has the parameter."""
        return parameter.parent is None or (
            parameter.parent in assignment and assignment[parameter.parent] in parameter.parent_values
        )

    def flags(self, assignment: Assignment) -> list[str]:
        """The flags of a trial, as a cloud passes them."""
        return [entry.flag(assignment[entry.name]) for entry in self.parameters if entry.name in assignment]


def _refuse(complaints: Iterator[Complaint]) -> None:
    found = tuple(complaints)
    if found:
        raise StudyError(found)


def _parameter_complaints(entry: Parameter) -> Iterator[Complaint]:
    if not entry.name:
        yield Complaint(field="name", got="A parameter without a name", accept="a flag of trainer.task", do="Name one")
    if (entry.parent is None) != (not entry.parent_values):
        yield Complaint(
            field="parent_values",
            got=f"{entry.name} has a parent without values, or values without a parent",
            accept="both, or neither",
            do="List the parent's values for which the parameter is searched",
        )
    match entry.kind:
        case Kind.DOUBLE | Kind.INTEGER:
            yield from _range_complaints(entry)
        case Kind.DISCRETE:
            yield from _discrete_complaints(entry)
        case Kind.CATEGORICAL:
            yield from _categorical_complaints(entry)


def _range_complaints(entry: Parameter) -> Iterator[Complaint]:
    for field, word in (("minimum", "minValue"), ("maximum", "maxValue")):
        bound = getattr(entry, field)
        if bound is None:
            got, do = f"{entry.name}, {_a(entry.kind)}, has no {word}", f"Add {word}"
            yield Complaint(field=field, got=got, accept="minValue and maxValue, both", do=do)
        elif not math.isfinite(bound):
            yield Complaint(field=field, got=f"{word}: {bound}", accept="a finite number", do="Give the real limit")
        elif entry.kind is Kind.INTEGER and not float(bound).is_integer():
            do = f"Round it, or write type: {Kind.DOUBLE.value}"
            yield Complaint(field=field, got=f"{word}: {bound} of an INTEGER", accept="a whole number", do=do)
        elif entry.kind is Kind.INTEGER and abs(bound) > _LARGEST_INTEGER:
            yield Complaint(field=field, got=f"{word}: {bound}", accept="a number of 64 bits", do="Give the real limit")
    if entry.values:
        got, do = f"{entry.name}, {_a(entry.kind)}, has values", f"Remove them, or write type: {Kind.DISCRETE.value}"
        yield Complaint(field="values", got=got, accept="minValue and maxValue", do=do)
    if entry.minimum is None or entry.maximum is None:
        return
    if entry.minimum > entry.maximum:
        got = f"minValue {_text(entry.minimum)} is above maxValue {_text(entry.maximum)}"
        yield Complaint(field="minimum", got=got, accept="minValue up to maxValue", do="Swap them")
    yield from _scale_complaints(entry, entry.minimum, "minValue", "minimum")


def _scale_complaints(entry: Parameter, least: Value, word: str, field: str) -> Iterator[Complaint]:
    if entry.scale in (Scale.LOG, Scale.REVERSE_LOG) and not isinstance(least, str) and least <= 0:
        yield Complaint(
            field=field,
            got=f"{word} {_text(least)} on {entry.scale.value}",
            accept="values above 0 only, of which there is a logarithm",
            do=f"Raise it, as to 1e-4, or write scaleType: {Scale.LINEAR.value}",
        )


def _discrete_complaints(entry: Parameter) -> Iterator[Complaint]:
    yield from _no_bounds(entry)
    numbers = [value for value in entry.values if not isinstance(value, str)]
    if not entry.values:
        got, do = f"{entry.name}, a DISCRETE, has no values", "Add discreteValues: [16, 32, 64]"
        yield Complaint(field="values", got=got, accept=f"1 to {MOST_DISCRETE_VALUES} numbers", do=do)
        return
    if len(entry.values) > MOST_DISCRETE_VALUES:
        got = f"{entry.name} has {len(entry.values)} discrete values"
        do = f"Thin them out, or write type: {Kind.INTEGER.value} or {Kind.DOUBLE.value} with minValue and maxValue"
        yield Complaint(field="values", got=got, accept=f"at most {MOST_DISCRETE_VALUES}", do=do)
    for item, value in enumerate(entry.values):
        if isinstance(value, str) or not math.isfinite(value):
            got, do = f"{value!r} among discrete values", f"Correct it, or write type: {Kind.CATEGORICAL.value}"
            yield Complaint(field="values", item=item, got=got, accept="finite numbers", do=do)
            return
    yield from _order_complaints(numbers)
    yield from _scale_complaints(entry, min(numbers), "The discrete value", "values")


def _order_complaints(numbers: list[float | int]) -> Iterator[Complaint]:
    """The first value that is not above the one before it."""
    for item, (before, after) in enumerate(itertools.pairwise(numbers), start=1):
        if after - before >= CLOSEST_DISCRETE_VALUES:
            continue
        if before == after:
            got, do = f"The discrete value {_text(after)} stands twice", "Remove one of them"
        elif before > after:
            got, do = f"The discrete value {_text(after)} behind {_text(before)}", "Sort them"
        else:
            got, do = f"The discrete value {after!r} right behind {before!r}", "Remove one of them"
        accept = f"increasing values, at least {CLOSEST_DISCRETE_VALUES:g} apart"
        yield Complaint(field="values", item=item, got=got, accept=accept, do=do)
        return


def _categorical_complaints(entry: Parameter) -> Iterator[Complaint]:
    yield from _no_bounds(entry)
    if not entry.values:
        got, do = f"{entry.name}, a CATEGORICAL, has no values", "Add categoricalValues: [adam, sgd]"
        yield Complaint(field="values", got=got, accept="1 value or more", do=do)
    first: dict[Value, int] = {}
    for item, value in enumerate(entry.values):
        if first.setdefault(value, item) != item:
            got = f"The categorical value {value!r} stands twice"
            yield Complaint(field="values", item=item, got=got, accept="each value once", do="Remove one of them")
    if entry.scale is not Scale.NONE:
        got = f"scaleType {entry.scale.value} of a CATEGORICAL"
        yield Complaint(field="scale", got=got, accept="none: categories have no scale", do="Remove scaleType")


def _no_bounds(entry: Parameter) -> Iterator[Complaint]:
    for field, word in (("minimum", "minValue"), ("maximum", "maxValue")):
        if getattr(entry, field) is not None:
            got, do = f"{entry.name}, a {entry.kind.value}, has {word}", f"Remove {word}, or change the type"
            yield Complaint(field=field, got=got, accept="a list of values", do=do)


def _study_complaints(study: Study) -> Iterator[Complaint]:
    if not study.metric or study.metric.split() != [study.metric]:
        got = f"The metric {study.metric!r}" if study.metric else "No metric"
        yield Complaint(field="metric", got=got, accept="one name without spaces", do="Write rmse")
    yield from _count_complaints(study, ("max_trials", "max_parallel_trials"))
    yield from _count_complaints(study, ("max_failed_trials",), least=0)
    if not study.parameters:
        yield Complaint(field="parameters", got="No parameter", accept="1 or more", do="Add what is to be searched")
    known: dict[str, Parameter] = {}
    for item, entry in enumerate(study.parameters):
        if entry.name in known:
            got = f"The parameter {entry.name} stands twice"
            yield Complaint(field="parameters", item=item, got=got, accept="each parameter once", do="Remove one")
        if study.algorithm is Algorithm.GRID and entry.kind is Kind.DOUBLE:
            got, do = f"{entry.name}, a DOUBLE, under GRID_SEARCH", "Write type: DISCRETE with its values"
            accept = "INTEGER, DISCRETE and CATEGORICAL"
            yield Complaint(field="parameters", item=item, got=got, accept=accept, do=do)
        yield from _parent_complaints(entry, known, item)
        known.setdefault(entry.name, entry)
    rate = study.stopping.learning_rate_parameter if isinstance(study.stopping, ConvexStopping) else None
    if rate is not None and rate not in known:
        accept = f"a parameter of the study: {', '.join(known)}"
        got = f"learningRateParameterName: {rate}, which is not searched"
        yield Complaint(field="stopping", got=got, accept=accept, do="Name one of them, or remove the line")


def _parent_complaints(entry: Parameter, known: Mapping[str, Parameter], item: int) -> Iterator[Complaint]:
    if entry.parent is None:
        return
    parent = known.get(entry.parent)
    if parent is None:
        got = f"{entry.name} depends on {entry.parent}, which does not stand before it"
        do = "Correct the name or the order"
        yield Complaint(field="parameters", item=item, got=got, accept="a parameter above it", do=do)
        return
    if parent.kind is Kind.DOUBLE:
        got = f"{entry.name} depends on {parent.name}, a DOUBLE"
        accept = "a parent of type INTEGER, DISCRETE or CATEGORICAL"
        do = "Make it independent, or the parent DISCRETE"
        yield Complaint(field="parameters", item=item, got=got, accept=accept, do=do)
        return
    for value in entry.parent_values:
        if not parent.has(value):
            got = f"{entry.name} depends on {parent.name} being {_text(value)}, which it never is"
            accept = f"values of {parent.name}: {parent.space}"
            yield Complaint(field="parameters", item=item, got=got, accept=accept, do="Correct it")


def _convex_complaints(rule: ConvexStopping) -> Iterator[Complaint]:
    yield from _count_complaints(rule, ("max_step_count", "min_measurement_count"))
    yield from _count_complaints(rule, ("min_step_count",), least=0)
    if rule.max_step_count is not None and (rule.min_step_count or 0) > rule.max_step_count:
        got = f"minStepCount {rule.min_step_count} is above maxStepCount {rule.max_step_count}"
        yield Complaint(field="min_step_count", got=got, accept="minStepCount up to maxStepCount", do="Swap them")


def _study_stopping_complaints(limits: StudyStopping) -> Iterator[Complaint]:
    counts = ("min_num_trials", "max_num_trials", "max_num_trials_no_progress")
    yield from _count_complaints(limits, counts)
    for field in ("min_runtime_secs", "max_runtime_secs", "max_secs_no_progress"):
        secs = getattr(limits, field)
        if secs is not None and not (math.isfinite(secs) and secs > 0):
            yield Complaint(field=field, got=f"{secs} seconds", accept="more than 0 seconds", do='Write it as "3600s"')
    for least, most, words in (
        ("min_num_trials", "max_num_trials", "minNumTrials {:g} is above maxNumTrials {:g}"),
        (
            "min_runtime_secs",
            "max_runtime_secs",
            "minimumRuntimeConstraint {:g}s is above maximumRuntimeConstraint {:g}s",
        ),
    ):
        low, high = getattr(limits, least), getattr(limits, most)
        if low is not None and high is not None and low > high:
            yield Complaint(field=least, got=words.format(low, high), accept="the least up to the most", do="Swap them")
    for secs_field, time_field in (("min_runtime_secs", "min_end_time"), ("max_runtime_secs", "max_end_time")):
        if getattr(limits, secs_field) is not None and getattr(limits, time_field) is not None:
            got = "maxDuration beside endTime"
            yield Complaint(field=time_field, got=got, accept="one of the two", do="Remove one of them")


def _count_complaints(holder: object, fields: Iterable[str], *, least: int = 1) -> Iterator[Complaint]:
    for field in fields:
        count = getattr(holder, field)
        if count is not None and count < least:
            accept = f"a whole number from {least} up"
            yield Complaint(field=field, got=f"{_camel(field)}: {count}", accept=accept, do="Give such a number")


def _camel(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _text(value: Value) -> str:
    """As a flag and a person have it: a whole number without `.0`."""
    return value if isinstance(value, str) else repr(value).removesuffix(".0")


def _a(kind: Kind) -> str:
    return f"an {kind.value}" if kind is Kind.INTEGER else f"a {kind.value}"
