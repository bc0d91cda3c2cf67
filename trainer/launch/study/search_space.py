"""What a study may search and aim at: flags that the task has, values that they take, metrics that it reports."""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.job import flag_values, flags, spelling
from trainer.job.config import RunSettings
from trainer.job.errors import UsageError
from trainer.job.findings import Finding, Path
from trainer.launch.study.parameter import Kind, Parameter, Value
from trainer.problem_file import ProblemNotFoundError, named_in

_OF_THE_RUNNER = ("output_dir", "hyperparameter_metric_tag", "separate_evaluator")
_KINDS_OF_TYPES: Mapping[Any, tuple[Kind, ...]] = {
    int: (Kind.INTEGER, Kind.DISCRETE, Kind.CATEGORICAL),
    float: (Kind.DOUBLE, Kind.INTEGER, Kind.DISCRETE, Kind.CATEGORICAL),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What one task takes and reports.

    Attributes:
      settings: its settings classes, whose fields are its flags.
      metrics: of its evaluations by name, the score first, each with "max" or "min", whichever is better; empty where
        they are not listed, so that a study's metric may be any.
    """

    settings: tuple[type, ...]
    metrics: Mapping[str, str]

    @functools.cached_property
    def hints(self) -> Mapping[str, Any]:
        """Type by name of each flag that can be searched."""
        hints = {name: hint for owner in self.settings for name, hint in typing.get_type_hints(owner).items()}
        return {name: hints[name] for name in self._owners if name not in _OF_THE_RUNNER}

    @functools.cached_property
    def _owners(self) -> Mapping[str, type]:
        """The settings class of each flag."""
        return {
            field.name: owner
            for owner in self.settings
            for field in dataclasses.fields(owner)
            if field.metadata.get("flag", True)
        }

    @functools.cached_property
    def _aliases(self) -> Mapping[str, str]:
        """Flags by their other names."""
        fields = [field for owner in self.settings for field in dataclasses.fields(owner)]
        return {alias: field.name for field in fields for alias in field.metadata.get("alias", ())}

    def refusal_of_name(self, spelled: str) -> Finding | None:
        """Why no parameter may be called so; dashes are underscores."""
        name = normal(spelled)
        if self._aliases.get(name, name) in _OF_THE_RUNNER:
            accept = "flags that change the model or its training"
            do = "Remove it: each trial gets its own from whoever runs it"
            return Finding(got=f"--{name} as a parameter", accept=accept, do=do)
        if name in self.hints:
            return None
        do = spelling.suggestion(name, self.hints, "python -m trainer.task --help lists the flags")
        accept = "fields of the problem's params, and other flags of trainer.task"
        return Finding(got=f"{spelled} is not a flag of trainer.task", accept=accept, do=do)

    def refusals(self, parameter: Parameter) -> Iterator[Finding]:
        """Why the task does not take the parameter's type or values, by field of the parameter."""
        name, kinds = parameter.name, self.kinds(parameter.name)
        if parameter.kind not in kinds:
            got = f"type {parameter.kind.value} for --{name}, which takes {self.says(name)}"
            accept = ", ".join(kind.value for kind in kinds)
            yield Finding(where=("kind",), got=got, accept=accept, do=f"Make it {kinds[0].value}")
            return
        bounds: dict[Path, Value | None] = {("minimum",): parameter.minimum, ("maximum",): parameter.maximum}
        items: dict[Path, Value | None] = {("values", item): value for item, value in enumerate(parameter.values)}
        for field, value in (bounds | items).items():
            refusal = None if value is None else self.refusal_of_value(name, parameter.text(value))
            if refusal is not None:
                yield dataclasses.replace(refusal.findings[0], where=field, do="Correct it")

    def kinds(self, name: str) -> tuple[Kind, ...]:
        """What a parameter for the flag `name` may be."""
        return _KINDS_OF_TYPES.get(flag_values.required(self.hints[name]), (Kind.CATEGORICAL,))

    def says(self, name: str) -> str:
        """What the flag takes, in words."""
        kind = flag_values.required(self.hints[name])
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return f"one of {', '.join(str(member.value) for member in kind)}"
        words = {int: "whole numbers", float: "numbers", bool: "true or false"}
        return words.get(kind, "text")

    def refusal_of_value(self, name: str, text: str) -> UsageError | None:
        """Why the flag does not take the value, whatever the other flags are."""
        try:
            self._owners[name](**{name: flags.value_of(name, text, self.hints[name])})
        except ValueError as error:
            return UsageError(f"--{name}={text}: {error}")
        except UsageError as error:
            # Settings also refuse values that do not fit the defaults of other flags, which a job may set otherwise.
            return error if len(re.findall(r"--\w", error.got)) == 1 else None
        return None


def of_task(argv: Sequence[str] = ()) -> SearchSpace:
    """What `trainer.task` with these flags takes and reports, as the problem that they name says.

    Raises:
      UsageError: a problem that cannot be loaded.
    """
    problem = named_in(argv)
    return SearchSpace(settings=(RunSettings, problem.data, problem.params), metrics=problem.metrics)


def of_task_if_here(argv: Sequence[str]) -> SearchSpace | None:
    """The same; None where the problem is not on this machine, but perhaps on that of the job."""
    try:
        return of_task(argv)
    except ProblemNotFoundError:
        return None


def normal(spelled: str) -> str:
    """The flag that a parameter names."""
    return spelled.strip().replace("-", "_")
