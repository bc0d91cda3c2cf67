"""The parameters of a study as files describe them: by `parameterName` and `type`, or by Vertex AI's `parameterId`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.job.errors import FindingsError
from trainer.job.findings import Finding, Level, Place, shown
from trainer.launch.files import nodes, values
from trainer.launch.files.fields import Fields, Keys
from trainer.launch.files.nodes import Invalid, Node, Scalar
from trainer.launch.study import conditions
from trainer.launch.study.parameter import Kind, Parameter, Scale, Value
from trainer.launch.study.search_space import SearchSpace, normal

_NO_DEFAULT = {"defaultValue": "Vizier takes it, tuning jobs do not"}
_OLD = Keys(
    read=(
        *("parameterName", "type", "minValue", "maxValue", "categoricalValues", "discreteValues", "scaleType"),
        "conditionalParameterSpecs",
    ),
    synonyms={"parameterId": "parameterName"},
)
_SPECS = {
    "doubleValueSpec": Kind.DOUBLE,
    "integerValueSpec": Kind.INTEGER,
    "categoricalValueSpec": Kind.CATEGORICAL,
    "discreteValueSpec": Kind.DISCRETE,
}
_NEW = Keys(
    read=("parameterId", *_SPECS, "scaleType", "conditionalParameterSpecs"), synonyms={"parameterName": "parameterId"}
)
_RANGE = Keys(read=("minValue", "maxValue"), ignored=_NO_DEFAULT)
_VALUES = Keys(read=("values",), ignored=_NO_DEFAULT)
_CONDITIONAL = Keys(read=("parameterSpec", *conditions.KINDS))

_KINDS = {kind.value: kind for kind in Kind}
_SCALES = {scale.value: scale for scale in Scale} | {"SCALE_TYPE_UNSPECIFIED": Scale.NONE}
_LISTS = {Kind.CATEGORICAL: "categoricalValues", Kind.DISCRETE: "discreteValues"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A parameter and its place.

    Attributes:
      parameter: as the file has it; where that is wrong in itself, a sound one of its name and kind.
      place: of its name.
      is_sound: whether it is the file's own.
    """

    parameter: Parameter
    place: Place
    is_sound: bool


def read(items: Sequence[Node], findings: list[Finding], space: SearchSpace | None) -> list[Found]:
    """All parameters in a list, each before those that depend on it.

    Args:
      items: the list.
      findings: grows by what is wrong in them.
      space: what the task takes; None: any name and value is accepted.
    """
    return [parameter for item in items for parameter in _Item(item, findings, space).read()]


class _Item:
    """One item of a list of parameters, with those below it."""

    def __init__(
        self,
        node: Node,
        findings: list[Finding],
        space: SearchSpace | None,
        *,
        parent: str | None = None,
        parent_values: tuple[Value, ...] = (),
    ) -> None:
        self._node, self._findings, self._space = node, findings, space
        self._draft: dict[str, Any] = {"parent": parent, "parent_values": parent_values}
        self._places: dict[str, Place] = dict.fromkeys(("name", "kind", "scale", "minimum", "maximum"), node.place)
        self._places |= dict.fromkeys(("values", "parent_values"), node.place)
        self._is_new = isinstance(node, nodes.Mapping) and _is_of_vertex(node)

    def read(self) -> Iterator[Found]:
        """The parameter, then those that depend on it."""
        if not isinstance(self._node, nodes.Mapping):
            if not isinstance(self._node, Invalid):
                accept, do = "a mapping with parameterName: or parameterId:", "Indent its keys below it"
                got = "A parameter without keys"
                self._findings.append(Finding(where=self._node.place, got=got, accept=accept, do=do))
            return
        fields = Fields(self._node, _NEW if self._is_new else _OLD, self._findings, where="the parameter")
        before = len(self._findings)
        self._name(fields, "parameterId" if self._is_new else "parameterName")
        kind = self._new_kind(fields) if self._is_new else self._old_kind(fields)
        scale = values.choice(fields, "scaleType", _SCALES)
        self._places["scale"] = fields.place("scaleType")
        self._draft |= {"kind": kind or Kind.CATEGORICAL, "scale": scale or Scale.NONE}
        if kind is not None:
            self._bounds_and_values(fields, kind)
        if kind is None or not fields.is_whole:
            built = Found(parameter=_stand_in(self._draft), place=self._places["name"], is_sound=False)
        else:
            errors = [finding for finding in self._findings[before:] if finding.level is Level.ERROR]
            built = self._built(fields, errors)
        yield built
        yield from self._children(fields, built)

    def _name(self, fields: Fields, key: str) -> None:
        accept = "the name of a flag of trainer.task"
        if not fields.has(key):
            fields.missing(key, accept, f"Add {key}:")
        spelled = values.text(fields, key, accept)
        self._places["name"] = fields.place(key)
        self._draft |= {"name": normal(spelled or ""), "spelled": spelled or ""}
        if spelled:
            fields.where = spelled
            refusal = self._space.refusal_of_name(spelled) if self._space else None
            if refusal is not None:
                fields.report([dataclasses.replace(refusal, where=("name",))], self._places)

    def _old_kind(self, fields: Fields) -> Kind | None:
        self._places["kind"] = fields.place("type")
        if not fields.has("type"):
            fields.missing("type", ", ".join(_KINDS), "Add type:")
        return values.choice(fields, "type", _KINDS)

    def _new_kind(self, fields: Fields) -> Kind | None:
        specs = fields.present(tuple(_SPECS))
        if not specs:
            fields.missing("values", ", ".join(_SPECS), "Add one of them")
            return None
        for spec in specs[1:]:
            fields.error(fields.place(spec), f"{spec} together with {specs[0]}", "one of them", "Remove one of them")
        self._places["kind"] = fields.place(specs[0])
        return _SPECS[specs[0]]

    def _bounds_and_values(self, fields: Fields, kind: Kind) -> None:
        holder: Fields | None = fields
        values_key = _LISTS.get(kind, "discreteValues")
        if self._is_new:
            spec = fields.present(tuple(_SPECS))[0]
            keys = _RANGE if kind in (Kind.DOUBLE, Kind.INTEGER) else _VALUES
            holder, values_key = values.mapping(fields, spec, keys, "a mapping with its values"), "values"
        if holder is None:
            return
        for field, name in (("minimum", "minValue"), ("maximum", "maxValue")):
            self._draft[field] = _bound(holder, name, kind, is_int64=self._is_new)
            self._places[field] = holder.place(name)
        for other in fields.present(tuple(_LISTS.values())):
            if kind in _LISTS and other != values_key:
                got, do = f"{other} of a {kind.value}", f"Write {values_key}: or another type"
                fields.error(fields.place(other), got, values_key, do)
        self._places["values"] = holder.place(values_key)
        self._draft["values"] = self._values(holder, values_key, kind)

    def _values(self, holder: Fields, name: str, kind: Kind) -> tuple[Value, ...]:
        accept = "a list, such as [16, 32, 64]" if kind is Kind.DISCRETE else "a list, such as [adam, sgd]"
        items: list[Value] = []
        for node in values.items(holder, name, accept) or ():
            value = conditions.value_of(holder, node, kind)
            if value is not None:
                self._places[f"values[{len(items)}]"] = node.place
                items.append(value)
        return tuple(items)

    def _built(self, fields: Fields, unreadable: Sequence[Finding]) -> Found:
        """Checks what was read, in itself and with the task; what was `unreadable` is not reported again."""
        place = self._places["name"]
        try:
            parameter = Parameter(**self._draft)
        except FindingsError as error:
            reported = {finding.where for finding in unreadable}
            new = [finding for finding in error.findings if self._place(finding) not in reported]
            fields.report(new, self._places)
            return Found(parameter=_stand_in(self._draft), place=place, is_sound=False)
        if not unreadable:
            if _has_one_value(parameter):
                do = f"Give it after -- as --{parameter.name}, or widen it"
                fields.note(place, f"{parameter.name} has one value, so nothing is searched", do)
            if self._space is not None:
                fields.report(self._space.refusals(parameter), self._places)
        return Found(parameter=parameter, place=place, is_sound=not unreadable)

    def _place(self, about: Finding) -> Place:
        """The place of the item that a finding about the parameter names, or else of its field."""
        assert isinstance(about.where, tuple), "a field of Parameter"
        return self._places.get(shown(about.where)) or self._places[str(about.where[0])]

    def _children(self, fields: Fields, parent: Found) -> Iterator[Found]:
        accept = "a list of mappings with parameterSpec: and the parent's values"
        for node in values.items(fields, "conditionalParameterSpecs", accept) or ():
            if not isinstance(node, nodes.Mapping):
                fields.error(node.place, "A conditional parameter without keys", accept, "Correct it")
                continue
            inner = Fields(node, _CONDITIONAL, self._findings, where="the conditional parameter")
            condition = conditions.read(inner, parent.parameter) if parent.is_sound else ()
            if not inner.has("parameterSpec"):
                inner.missing("parameterSpec", "a parameter", "Add parameterSpec:")
            spec = inner.node("parameterSpec")
            if spec is not None:
                depends = parent.parameter.name if condition else None
                yield from _Item(spec, self._findings, self._space, parent=depends, parent_values=condition).read()


def _bound(holder: Fields, name: str, kind: Kind, *, is_int64: bool) -> float | int | None:
    """A limit as the kind has it; a fraction is kept in an INTEGER, whose own rules refuse it."""
    if kind is not Kind.INTEGER:
        return conditions.of_kind(values.number(holder, name), kind)
    node = holder.node(name)
    is_fraction = isinstance(node, Scalar) and node.number is not None and not float(node.number).is_integer()
    return values.number(holder, name) if is_fraction else values.whole(holder, name, is_int64=is_int64)


def _has_one_value(parameter: Parameter) -> bool:
    return len(parameter.values) == 1 or (parameter.minimum is not None and parameter.minimum == parameter.maximum)


def _is_of_vertex(node: nodes.Mapping) -> bool:
    """Whether the keys are those of Vertex AI; `parameterId` with `type` is an older file with the newer name."""
    has_spec = any(key in node for name in _SPECS for key in (name, _snake(name)))
    return has_spec or (("parameterId" in node or "parameter_id" in node) and "type" not in node)


def _stand_in(draft: dict[str, Any]) -> Parameter:
    """A sound parameter in the place of one that is not, so that the others can be checked with it."""
    kept = {"name": draft["name"] or "?", "spelled": draft["spelled"], "kind": draft["kind"]}
    match draft["kind"]:
        case Kind.DOUBLE | Kind.INTEGER:
            return Parameter(**kept, minimum=1, maximum=2)
        case Kind.DISCRETE:
            return Parameter(**kept, values=(1.0, 2.0))
    return Parameter(**kept, values=("?", "??"))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
