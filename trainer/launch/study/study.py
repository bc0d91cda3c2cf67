"""What a hyperparameter study is: a goal, a space of parameters and limits, whatever file said so and wherever it runs.

The words are those of Vertex AI's `StudySpec`, which took over the older `trainingInput.hyperparameters`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping

from trainer.job import errors
from trainer.job.findings import Finding
from trainer.launch.study.parameter import Assignment, Kind, Parameter, text_of
from trainer.launch.study.stopping import ConvexStopping, Stopping, StudyStopping, count_findings


class Goal(enum.Enum):
    MINIMIZE = "MINIMIZE"
    MAXIMIZE = "MAXIMIZE"


class Algorithm(enum.Enum):
    BAYESIAN = "ALGORITHM_UNSPECIFIED"
    GRID = "GRID_SEARCH"
    RANDOM = "RANDOM_SEARCH"


class Measurement(enum.Enum):
    """Which evaluation of a finished trial is its result."""

    LAST = "LAST_MEASUREMENT"
    BEST = "BEST_MEASUREMENT"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """A whole study.

    Attributes:
      goal: what is done to the metric.
      metric: the tag under which a trial reports it.
      parameters: at least one; a parameter follows its parent, together with all others that depend on that one.
      max_trials: trials in all, failed and stopped ones included; at least 1.
      max_parallel_trials: trials at the same time; at least 1.
      max_failed_trials: the study fails with this many failed trials; 0 leaves the limit to what runs the study.
      algorithm: who chooses the parameters. GRID has no DOUBLE parameter.
      stopping: the rule that stops trials without prospects; None stops none.
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
        errors.refuse(_study_findings(self))

    def active(self, parameter: Parameter, assignment: Assignment) -> bool:
        """Whether a trial with these values (by name, parents first) has the parameter."""
        return parameter.parent is None or (
            parameter.parent in assignment and assignment[parameter.parent] in parameter.parent_values
        )

    def flags(self, assignment: Assignment) -> list[str]:
        """The flags of a trial, as a cloud passes them."""
        return [entry.flag(assignment[entry.name]) for entry in self.parameters if entry.name in assignment]


def _study_findings(study: Study) -> Iterator[Finding]:
    if not study.metric or study.metric.split() != [study.metric]:
        got = f"The metric {study.metric!r}" if study.metric else "No metric"
        yield Finding(where=("metric",), got=got, accept="one name without spaces", do="Name one that the job reports")
    yield from count_findings(study, ("max_trials", "max_parallel_trials"))
    yield from count_findings(study, ("max_failed_trials",), least=0)
    if not study.parameters:
        yield Finding(where=("parameters",), got="No parameter", accept="1 or more", do="Add what is to be searched")
    known: dict[str, Parameter] = {}
    for item, entry in enumerate(study.parameters):
        if entry.name in known:
            got = f"The parameter {entry.name} appears twice"
            yield Finding(where=("parameters", item), got=got, accept="each parameter once", do="Remove one")
        if study.algorithm is Algorithm.GRID and entry.kind is Kind.DOUBLE:
            got, do = f"{entry.name}, a DOUBLE, under GRID_SEARCH", "Write type: DISCRETE with its values"
            accept = "INTEGER, DISCRETE and CATEGORICAL"
            yield Finding(where=("parameters", item), got=got, accept=accept, do=do)
        yield from _parent_findings(entry, known, item)
        known.setdefault(entry.name, entry)
    rate = study.stopping.learning_rate_parameter if isinstance(study.stopping, ConvexStopping) else None
    if rate is not None and rate not in known:
        accept = f"a parameter of the study: {', '.join(known)}"
        got = f"learningRateParameterName: {rate}, which is not searched"
        yield Finding(where=("stopping",), got=got, accept=accept, do="Name one of them, or remove the line")


def _parent_findings(entry: Parameter, known: Mapping[str, Parameter], item: int) -> Iterator[Finding]:
    if entry.parent is None:
        return
    parent = known.get(entry.parent)
    if parent is None:
        got = f"{entry.name} depends on {entry.parent}, which is not above it"
        do = "Correct the name or the order"
        yield Finding(where=("parameters", item), got=got, accept="a parameter above it", do=do)
        return
    if parent.kind is Kind.DOUBLE:
        got = f"{entry.name} depends on {parent.name}, a DOUBLE"
        accept = "a parent of type INTEGER, DISCRETE or CATEGORICAL"
        do = "Make it independent, or the parent DISCRETE"
        yield Finding(where=("parameters", item), got=got, accept=accept, do=do)
        return
    for value in entry.parent_values:
        if not parent.has(value):
            got = f"{entry.name} depends on {parent.name} being {text_of(value)}, which it never is"
            accept = f"values of {parent.name}: {parent.space}"
            yield Finding(where=("parameters", item), got=got, accept=accept, do="Correct it")
