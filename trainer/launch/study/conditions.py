"""Values of parameters in files, and the values of a parent on which a parameter depends."""

from __future__ import annotations

import dataclasses

from trainer.launch.files import nodes, values
from trainer.launch.files.fields import Fields, Keys
from trainer.launch.files.nodes import Invalid, Node, Scalar
from trainer.launch.study.parameter import Kind, Parameter, Value

KINDS = {  # of parents, by the key under which their values stand
    "parentDiscreteValues": Kind.DISCRETE,
    "parentIntValues": Kind.INTEGER,
    "parentCategoricalValues": Kind.CATEGORICAL,
}
_CONDITION_VALUES = Keys(read=("values",))


def read(fields: Fields, parent: Parameter) -> tuple[Value, ...]:
    """Values of the parent with which the parameter is searched; empty where they are wrong."""
    wanted = _key(fields, parent)
    if wanted is None:
        return ()
    accept = f"values of {parent.name}: {parent.space}"
    holder, name = fields, wanted
    if isinstance(fields.node(wanted), nodes.Mapping):
        inner = values.mapping(fields, wanted, _CONDITION_VALUES, accept)
        holder, name = inner or fields, "values"
    items = values.items(holder, name, accept)
    if items == () or not holder.has(name):
        holder.error(fields.place(wanted), f"{wanted} is empty", accept, "List them")
    read = []
    for node in items or ():
        value = value_of(holder, node, parent.kind)
        if value is not None and not parent.has(value):
            holder.error(node.place, f"{parent.name} is never {parent.text(value)}", accept, "Correct it")
        elif value is not None:
            read.append(value)
    return tuple(read)


def _key(fields: Fields, parent: Parameter) -> str | None:
    """The key of the parent's values, by its type; None and an error where it is not what the file has."""
    wanted = next((name for name, kind in KINDS.items() if kind is parent.kind), None)
    present = fields.present(tuple(KINDS))
    if wanted is not None and present == [wanted]:
        return wanted
    place = fields.place(present[0] if present else "")
    if wanted is None:
        do = "Make the parent INTEGER, DISCRETE or CATEGORICAL, or this parameter independent"
        fields.error(place, f"A condition on {parent.name}, a DOUBLE", "a parent with single values", do)
    else:
        got = f"{' and '.join(present) or 'No values'} of {parent.name}, whose type is {parent.kind.value}"
        fields.error(place, got, wanted, f"Write {wanted}: {{values: [...]}}")
    return None


def value_of(fields: Fields, node: Node, kind: Kind) -> Value | None:
    """One value of a list; None and an error where it is not of the kind.

    Args:
      fields: the mapping that the list is in.
      node: the value.
      kind: of the parameter.
    """
    if kind is not Kind.CATEGORICAL:
        if kind is Kind.INTEGER and isinstance(node, Scalar):
            node = dataclasses.replace(node, quoted=False)
        return of_kind(values.number_of(fields, node, "numbers", "the value "), kind)
    if isinstance(node, Scalar):
        return node.text
    if not isinstance(node, Invalid):
        fields.error(node.place, "A list or mapping among the values", "single words", "Correct the brackets")
    return None


def of_kind(number: float | int | None, kind: Kind) -> float | int | None:
    """As the kind has it; a fraction stays one in an INTEGER, which its own rules refuse."""
    if number is None or (kind is Kind.INTEGER and not float(number).is_integer()):
        return number
    return int(number) if kind is Kind.INTEGER else float(number)
