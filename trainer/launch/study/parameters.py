"""The parameters of a study as files describe them: by `parameterName` and `type`, or by Vertex AI's `parameterId`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.launch.files.documents import Fault, Level, Node, Place, Scalar, Table, Void
from trainer.launch.files.fields import Fields, Keys
from trainer.launch.study.search_space import SearchSpace, normal
from trainer.launch.study.study import Kind, Parameter, Scale, StudyError, Value

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
_CONDITIONS = {
    "parentDiscreteValues": Kind.DISCRETE,
    "parentIntValues": Kind.INTEGER,
    "parentCategoricalValues": Kind.CATEGORICAL,
}
_CONDITIONAL = Keys(read=("parameterSpec", *_CONDITIONS))
_CONDITION_VALUES = Keys(read=("values",))

_KINDS = {kind.value: kind for kind in Kind}
_SCALES = {scale.value: scale for scale in Scale} | {"SCALE_TYPE_UNSPECIFIED": Scale.NONE}
_LISTS = {Kind.CATEGORICAL: "categoricalValues", Kind.DISCRETE: "discreteValues"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A parameter and where it stands.

    Attributes:
      parameter: as the file has it; where that is wrong in itself, a sound one of its name and kind.
      place: of its name.
      is_sound: whether it is the file's own.
    """

    parameter: Parameter
    place: Place
    is_sound: bool


def read(items: Sequence[Node], faults: list[Fault], searchable: SearchSpace | None) -> list[Found]:
    """All parameters in a list, each before those that depend on it; `faults` grows by what is wrong in them."""
    return [found for item in items for found in _Item(item, faults, searchable).read()]


class _Item:
    """One item of a list of parameters, with those below it."""

    def __init__(
        self,
        node: Node,
        faults: list[Fault],
        searchable: SearchSpace | None,
        *,
        parent: str | None = None,
        parent_values: tuple[Value, ...] = (),
    ) -> None:
        self._node, self._faults, self._searchable = node, faults, searchable
        self._draft: dict[str, Any] = {"parent": parent, "parent_values": parent_values}
        self._places: dict[str, Place] = dict.fromkeys(("name", "kind", "scale", "minimum", "maximum"), node.place)
        self._places |= dict.fromkeys(("values", "parent_values"), node.place)
        self._is_new = isinstance(node, Table) and _is_of_vertex(node)

    def read(self) -> Iterator[Found]:
        """The parameter, then those that depend on it."""
        if not isinstance(self._node, Table):
            if not isinstance(self._node, Void):
                accept, do = "a table with parameterName: or parameterId:", "Indent its keys below it"
                got = "A parameter without keys"
                self._faults.append(Fault(place=self._node.place, got=got, accept=accept, do=do))
            return
        fields = Fields(self._node, _NEW if self._is_new else _OLD, self._faults, where="the parameter")
        before = len(self._faults)
        self._name(fields, "parameterId" if self._is_new else "parameterName")
        kind = self._new_kind(fields) if self._is_new else self._old_kind(fields)
        scale = fields.choice("scaleType", _SCALES)
        self._places["scale"] = fields.place("scaleType")
        self._draft |= {"kind": kind or Kind.CATEGORICAL, "scale": scale or Scale.NONE}
        if kind is not None:
            self._bounds_and_values(fields, kind)
        if kind is None or not fields.is_whole:
            found = Found(parameter=_stand_in(self._draft), place=self._places["name"], is_sound=False)
        else:
            found = self._found(fields, [fault for fault in self._faults[before:] if fault.level is Level.FAULT])
        yield found
        yield from self._children(fields, found)

    def _name(self, fields: Fields, key: str) -> None:
        accept = "the name of a flag of trainer.task"
        if not fields.has(key):
            fields.missing(key, accept, f"Add {key}:")
        spelled = fields.text(key, accept)
        self._places["name"] = fields.place(key)
        self._draft |= {"name": normal(spelled or ""), "spelled": spelled or ""}
        if spelled:
            fields.where = spelled
            refusal = self._searchable.refusal_of_name(spelled) if self._searchable else None
            if refusal is not None:
                fields.fault(self._places["name"], refusal.got, refusal.accept, refusal.do or "Remove it")

    def _old_kind(self, fields: Fields) -> Kind | None:
        self._places["kind"] = fields.place("type")
        if not fields.has("type"):
            fields.missing("type", ", ".join(_KINDS), "Add type:")
        return fields.choice("type", _KINDS)

    def _new_kind(self, fields: Fields) -> Kind | None:
        specs = fields.present(tuple(_SPECS))
        if not specs:
            fields.missing("values", ", ".join(_SPECS), "Add one of them")
            return None
        for spec in specs[1:]:
            fields.fault(fields.place(spec), f"{spec} beside {specs[0]}", "one of them", "Remove one of them")
        self._places["kind"] = fields.place(specs[0])
        return _SPECS[specs[0]]

    def _bounds_and_values(self, fields: Fields, kind: Kind) -> None:
        holder: Fields | None = fields
        values_key = _LISTS.get(kind, "discreteValues")
        if self._is_new:
            spec = fields.present(tuple(_SPECS))[0]
            keys = _RANGE if kind in (Kind.DOUBLE, Kind.INTEGER) else _VALUES
            holder, values_key = fields.table(spec, keys, "a table with its values"), "values"
        if holder is None:
            return
        for field, name in (("minimum", "minValue"), ("maximum", "maxValue")):
            self._draft[field] = self._bound(holder, name, kind)
            self._places[field] = holder.place(name)
        for other in fields.present(tuple(_LISTS.values())):
            if kind in _LISTS and other != values_key:
                got, do = f"{other} of a {kind.value}", f"Write {values_key}: or another type"
                fields.fault(fields.place(other), got, values_key, do)
        self._places["values"] = holder.place(values_key)
        self._draft["values"] = self._values(holder, values_key, kind)

    def _bound(self, holder: Fields, name: str, kind: Kind) -> float | int | None:
        if kind is not Kind.INTEGER:
            return _of_kind(holder.number(name), kind)
        node = holder.node(name)
        is_fraction = isinstance(node, Scalar) and node.number is not None and not float(node.number).is_integer()
        return holder.number(name) if is_fraction else holder.whole(name, is_int64=self._is_new)

    def _values(self, holder: Fields, name: str, kind: Kind) -> tuple[Value, ...]:
        accept = "a list, as [16, 32, 64]" if kind is Kind.DISCRETE else "a list, as [adam, sgd]"
        found: list[Value] = []
        for node in holder.items(name, accept) or ():
            value = _value(holder, node, kind)
            if value is not None:
                self._places[f"values.{len(found)}"] = node.place
                found.append(value)
        return tuple(found)

    def _found(self, fields: Fields, unreadable: Sequence[Fault]) -> Found:
        """Checks what was read, in itself and with the task; what was `unreadable` is not told once more."""
        place = self._places["name"]
        try:
            parameter = Parameter(**self._draft)
        except StudyError as error:
            told = {fault.place for fault in unreadable}
            for complaint in error.complaints:
                where = self._places.get(f"{complaint.field}.{complaint.item}") or self._places[complaint.field]
                if where not in told:
                    fields.fault(where, complaint.got, complaint.accept, complaint.do or "Correct it")
            return Found(parameter=_stand_in(self._draft), place=place, is_sound=False)
        if not unreadable:
            self._remark(fields, parameter)
            if self._searchable is not None:
                self._check_with_task(fields, parameter, self._searchable)
        return Found(parameter=parameter, place=place, is_sound=not unreadable)

    def _remark(self, fields: Fields, parameter: Parameter) -> None:
        if len(parameter.values) == 1 or (parameter.minimum is not None and parameter.minimum == parameter.maximum):
            do = f"Give it behind -- as --{parameter.name}, or widen it"
            fields.note(self._places["name"], f"{parameter.name} has one value, so nothing is searched", None, do)

    def _check_with_task(self, fields: Fields, parameter: Parameter, searchable: SearchSpace) -> None:
        """Whether the task takes the values."""
        name, kinds = parameter.name, searchable.kinds(parameter.name)
        if parameter.kind not in kinds:
            got = f"type {parameter.kind.value} for --{name}, which takes {searchable.says(name)}"
            accept = ", ".join(kind.value for kind in kinds)
            fields.fault(self._places["kind"], got, accept, f"Make it {kinds[0].value}")
            return
        bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
        values = {f"values.{item}": value for item, value in enumerate(parameter.values)}
        for field, value in (bounds | values).items():
            refusal = None if value is None else searchable.refusal_of_value(name, parameter.text(value))
            if refusal is not None:
                fields.fault(self._places[field], refusal.got, refusal.accept, "Correct it")

    def _children(self, fields: Fields, parent: Found) -> Iterator[Found]:
        accept = "a list of tables with parameterSpec: and the parent's values"
        for node in fields.items("conditionalParameterSpecs", accept) or ():
            if not isinstance(node, Table):
                fields.fault(node.place, "A conditional parameter without keys", accept, "Correct it")
                continue
            inner = Fields(node, _CONDITIONAL, self._faults, where="the conditional parameter")
            values = self._condition(inner, parent.parameter) if parent.is_sound else ()
            if not inner.has("parameterSpec"):
                inner.missing("parameterSpec", "a parameter", "Add parameterSpec:")
            spec = inner.node("parameterSpec")
            if spec is not None:
                depends = parent.parameter.name if values else None
                yield from _Item(spec, self._faults, self._searchable, parent=depends, parent_values=values).read()

    def _condition(self, fields: Fields, parent: Parameter) -> tuple[Value, ...]:
        """Values of the parent with which the parameter is searched; empty where they are wrong."""
        wanted = _condition_key(fields, parent)
        if wanted is None:
            return ()
        accept = f"values of {parent.name}: {parent.space}"
        holder, name = fields, wanted
        if isinstance(fields.node(wanted), Table):
            inner = fields.table(wanted, _CONDITION_VALUES, accept)
            holder, name = inner or fields, "values"
        nodes = holder.items(name, accept)
        if nodes == () or not holder.has(name):
            holder.fault(fields.place(wanted), f"{wanted} is empty", accept, "List them")
        found = []
        for node in nodes or ():
            value = _value(holder, node, parent.kind)
            if value is not None and not parent.has(value):
                holder.fault(node.place, f"{parent.name} is never {parent.text(value)}", accept, "Correct it")
            elif value is not None:
                found.append(value)
        return tuple(found)


def _is_of_vertex(node: Table) -> bool:
    """Whether the keys are those of Vertex AI; `parameterId` beside `type` is an older file that took up the name."""
    has_spec = any(key in node for name in _SPECS for key in (name, _snake(name)))
    return has_spec or (("parameterId" in node or "parameter_id" in node) and "type" not in node)


def _condition_key(fields: Fields, parent: Parameter) -> str | None:
    """The key of the parent's values, by its type; None and a fault where it is not what the file has."""
    wanted = next((name for name, kind in _CONDITIONS.items() if kind is parent.kind), None)
    present = fields.present(tuple(_CONDITIONS))
    if wanted is not None and present == [wanted]:
        return wanted
    place = fields.place(present[0] if present else "")
    if wanted is None:
        do = "Make the parent INTEGER, DISCRETE or CATEGORICAL, or this parameter independent"
        fields.fault(place, f"A condition on {parent.name}, a DOUBLE", "a parent with single values", do)
    else:
        got = f"{' and '.join(present) or 'No values'} of {parent.name}, whose type is {parent.kind.value}"
        fields.fault(place, got, wanted, f"Write {wanted}: {{values: [...]}}")
    return None


def _value(fields: Fields, node: Node, kind: Kind) -> Value | None:
    if kind is not Kind.CATEGORICAL:
        if kind is Kind.INTEGER and isinstance(node, Scalar):
            node = dataclasses.replace(node, quoted=False)
        return _of_kind(fields.number_of(node, "numbers", "the value "), kind)
    if isinstance(node, Scalar):
        return node.text
    if not isinstance(node, Void):
        fields.fault(node.place, "A list or table among the values", "single words", "Correct the brackets")
    return None


def _of_kind(number: float | int | None, kind: Kind) -> float | int | None:
    """As the kind has it; a fraction stays one in an INTEGER, for which it is a fault."""
    if number is None or (kind is Kind.INTEGER and not float(number).is_integer()):
        return number
    return int(number) if kind is Kind.INTEGER else float(number)


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
