"""What Katib would refuse of an Experiment's parameters (validateParameters), or of values that no number is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainer.job.findings import Finding, Path, short
from trainer.job.spelling import suggestion
from trainer.launch.kubernetes.tables import Table, listed, table

_KINDS = ("double", "int", "categorical", "discrete")
_DISTRIBUTIONS = ("uniform", "logUniform", "normal", "logNormal")


def parameters(entries: list[Any], path: Path) -> Iterator[Finding]:
    """What is wrong with the parameters of an Experiment; `path` is that of their list."""
    for index, raw in enumerate(entries):
        entry, at = table(raw), (*path, index)
        kind, space = entry.get("parameterType"), table(entry.get("feasibleSpace"))
        if not entry.get("name"):
            yield Finding(where=(*at, "name"), got="no name", accept="a name", do="Write name")
        if kind not in _KINDS:
            do = suggestion(str(kind), _KINDS, "Use one of them")
            yield Finding(where=(*at, "parameterType"), got=short(kind), accept=", ".join(_KINDS), do=do)
        elif not space:
            yield Finding(where=(*at, "feasibleSpace"), got="nothing", accept="min and max, or list", do="Write it")
        elif kind in ("double", "int"):
            yield from _range(space, str(kind), (*at, "feasibleSpace"))
        else:
            yield from _list(space, str(kind), (*at, "feasibleSpace"))
        distribution = space.get("distribution")
        if distribution not in (None, *_DISTRIBUTIONS):
            where, do = (*at, "feasibleSpace", "distribution"), suggestion(str(distribution), _DISTRIBUTIONS, "Drop it")
            yield Finding(where=where, got=short(distribution), accept=", ".join(_DISTRIBUTIONS), do=do)


def _range(space: Table, kind: str, path: Path) -> Iterator[Finding]:
    if space.get("list"):
        yield Finding(where=(*path, "list"), got="a list", accept=f"min and max for {kind}", do="Drop it")
    numbers = {}
    for name in ("min", "max", "step"):
        text = space.get(name)
        numbers[name] = None if text is None else _number(str(text), kind)
        if text is None and name != "step":
            yield Finding(where=(*path, name), got="nothing", accept=f"{name}, a number in quotes", do="Add it")
        elif text is not None and numbers[name] is None:
            accept = "a whole number in quotes" if kind == "int" else "a number in quotes"
            yield Finding(where=(*path, name), got=short(text), accept=accept, do="Correct it")
    least, most = numbers["min"], numbers["max"]
    if least is not None and most is not None and least > most:
        got = f"{space['min']}, above max"
        yield Finding(where=(*path, "min"), got=got, accept=f"up to {space['max']}", do="Exchange them")


def _list(space: Table, kind: str, path: Path) -> Iterator[Finding]:
    for name in ("min", "max", "step"):
        if space.get(name):
            yield Finding(where=(*path, name), got=short(space[name]), accept=f"a list for {kind}", do="Drop it")
    if not space.get("list"):
        yield Finding(where=(*path, "list"), got="nothing", accept="values in quotes", do="Write list")
    for index, value in enumerate(listed(space.get("list"))):
        if kind == "discrete" and _number(str(value), "double") is None:
            yield Finding(where=(*path, "list", index), got=short(value), accept="a number in quotes", do="Correct it")


def _number(text: str, kind: str) -> float | None:
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:
        return None
