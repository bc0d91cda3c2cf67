"""One dimension of a study: its values, its scale, and the parameter that it may depend on."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
from collections.abc import Iterator, Mapping

from trainer.job import errors
from trainer.job.findings import Finding

Value = float | int | str
Assignment = Mapping[str, Value]

MOST_DISCRETE_VALUES = 1000
CLOSEST_DISCRETE_VALUES = 1e-10
_LARGEST_INTEGER = 2**63 - 1


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
        errors.refuse(_parameter_findings(self))

    def flag(self, value: Value) -> str:
        """`--spelled=value`, as a cloud passes it."""
        return f"--{self.spelled}={self.text(value)}"

    def text(self, value: Value) -> str:
        """The value after the `=`; a whole number has no `.0`, so that every flag takes it."""
        return text_of(value)

    @property
    def space(self) -> str:
        """Its values, in words."""
        if self.values:
            return ", ".join(text_of(value) for value in self.values[:8]) + (", ..." if len(self.values) > 8 else "")
        return f"{self.minimum} to {self.maximum}"

    def has(self, value: Value) -> bool:
        """Whether a trial may give it this value."""
        if self.kind in (Kind.CATEGORICAL, Kind.DISCRETE):
            return value in self.values
        if isinstance(value, str) or self.minimum is None or self.maximum is None:
            return False
        return self.minimum <= value <= self.maximum and (self.kind is Kind.DOUBLE or float(value).is_integer())


def text_of(value: Value) -> str:
    """As a flag and a person have it: a whole number without `.0`."""
    return value if isinstance(value, str) else repr(value).removesuffix(".0")


def _parameter_findings(entry: Parameter) -> Iterator[Finding]:
    if not entry.name:
        yield Finding(where=("name",), got="A parameter without a name", accept="a flag of trainer.task", do="Name one")
    if (entry.parent is None) != (not entry.parent_values):
        yield Finding(
            where=("parent_values",),
            got=f"{entry.name} has a parent without values, or values without a parent",
            accept="both, or neither",
            do="List the parent's values for which the parameter is searched",
        )
    match entry.kind:
        case Kind.DOUBLE | Kind.INTEGER:
            yield from _range_findings(entry)
        case Kind.DISCRETE:
            yield from _discrete_findings(entry)
        case Kind.CATEGORICAL:
            yield from _categorical_findings(entry)


def _range_findings(entry: Parameter) -> Iterator[Finding]:
    for field, word in (("minimum", "minValue"), ("maximum", "maxValue")):
        bound = getattr(entry, field)
        if bound is None:
            got, do = f"{entry.name}, {_a(entry.kind)}, has no {word}", f"Add {word}"
            yield Finding(where=(field,), got=got, accept="minValue and maxValue, both", do=do)
        elif not math.isfinite(bound):
            yield Finding(where=(field,), got=f"{word}: {bound}", accept="a finite number", do="Give the real limit")
        elif entry.kind is Kind.INTEGER and not float(bound).is_integer():
            do = f"Round it, or write type: {Kind.DOUBLE.value}"
            yield Finding(where=(field,), got=f"{word}: {bound} of an INTEGER", accept="a whole number", do=do)
        elif entry.kind is Kind.INTEGER and abs(bound) > _LARGEST_INTEGER:
            yield Finding(
                where=(field,), got=f"{word}: {bound}", accept="a number of 64 bits", do="Give the real limit"
            )
    if entry.values:
        got, do = f"{entry.name}, {_a(entry.kind)}, has values", f"Remove them, or write type: {Kind.DISCRETE.value}"
        yield Finding(where=("values",), got=got, accept="minValue and maxValue", do=do)
    if entry.minimum is None or entry.maximum is None:
        return
    if entry.minimum > entry.maximum:
        got = f"minValue {text_of(entry.minimum)} is above maxValue {text_of(entry.maximum)}"
        yield Finding(where=("minimum",), got=got, accept="minValue up to maxValue", do="Swap them")
    yield from _scale_findings(entry, entry.minimum, "minValue", "minimum")


def _scale_findings(entry: Parameter, least: Value, word: str, field: str) -> Iterator[Finding]:
    if entry.scale in (Scale.LOG, Scale.REVERSE_LOG) and not isinstance(least, str) and least <= 0:
        yield Finding(
            where=(field,),
            got=f"{word} {text_of(least)} on {entry.scale.value}",
            accept="values above 0 only, which have a logarithm",
            do=f"Raise it, for example to 1e-4, or write scaleType: {Scale.LINEAR.value}",
        )


def _discrete_findings(entry: Parameter) -> Iterator[Finding]:
    yield from _no_bounds(entry)
    numbers = [value for value in entry.values if not isinstance(value, str)]
    if not entry.values:
        got, do = f"{entry.name}, a DISCRETE, has no values", "Add discreteValues: [16, 32, 64]"
        yield Finding(where=("values",), got=got, accept=f"1 to {MOST_DISCRETE_VALUES} numbers", do=do)
        return
    if len(entry.values) > MOST_DISCRETE_VALUES:
        got = f"{entry.name} has {len(entry.values)} discrete values"
        do = f"Leave some out, or write type: {Kind.INTEGER.value} or {Kind.DOUBLE.value} with minValue and maxValue"
        yield Finding(where=("values",), got=got, accept=f"at most {MOST_DISCRETE_VALUES}", do=do)
    for item, value in enumerate(entry.values):
        if isinstance(value, str) or not math.isfinite(value):
            got, do = f"{value!r} among discrete values", f"Correct it, or write type: {Kind.CATEGORICAL.value}"
            yield Finding(where=("values", item), got=got, accept="finite numbers", do=do)
            return
    yield from _order_findings(numbers)
    yield from _scale_findings(entry, min(numbers), "The discrete value", "values")


def _order_findings(numbers: list[float | int]) -> Iterator[Finding]:
    """The first value that is not above the one before it."""
    for item, (before, after) in enumerate(itertools.pairwise(numbers), start=1):
        if after - before >= CLOSEST_DISCRETE_VALUES:
            continue
        if before == after:
            got, do = f"The discrete value {text_of(after)} appears twice", "Remove one of them"
        elif before > after:
            got, do = f"The discrete value {text_of(after)} after {text_of(before)}", "Sort them"
        else:
            got, do = f"The discrete value {after!r} right after {before!r}", "Remove one of them"
        accept = f"increasing values, at least {CLOSEST_DISCRETE_VALUES:g} apart"
        yield Finding(where=("values", item), got=got, accept=accept, do=do)
        return


def _categorical_findings(entry: Parameter) -> Iterator[Finding]:
    yield from _no_bounds(entry)
    if not entry.values:
        got, do = f"{entry.name}, a CATEGORICAL, has no values", "Add categoricalValues: [adam, sgd]"
        yield Finding(where=("values",), got=got, accept="1 value or more", do=do)
    first: dict[Value, int] = {}
    for item, value in enumerate(entry.values):
        if first.setdefault(value, item) != item:
            got = f"The categorical value {value!r} appears twice"
            yield Finding(where=("values", item), got=got, accept="each value once", do="Remove one of them")
    if entry.scale is not Scale.NONE:
        got = f"scaleType {entry.scale.value} of a CATEGORICAL"
        yield Finding(where=("scale",), got=got, accept="none: categories have no scale", do="Remove scaleType")


def _no_bounds(entry: Parameter) -> Iterator[Finding]:
    for field, word in (("minimum", "minValue"), ("maximum", "maxValue")):
        if getattr(entry, field) is not None:
            got, do = f"{entry.name}, a {entry.kind.value}, has {word}", f"Remove {word}, or change the type"
            yield Finding(where=(field,), got=got, accept="a list of values", do=do)


def _a(kind: Kind) -> str:
    return f"an {kind.value}" if kind is Kind.INTEGER else f"a {kind.value}"
