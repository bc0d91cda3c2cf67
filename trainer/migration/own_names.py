"""The names that `trainer.compat.v1` and `trainer.estimator` give, read from their files without importing them."""

from __future__ import annotations

import ast
import dataclasses
import pathlib
from collections.abc import Iterator

_PACKAGE = pathlib.Path(__file__).parent.parent
# The files of modules of lost names that give all that they list, and nothing else; others hand on what TensorFlow has.
_LISTS = {
    **{f"contrib.{name}": f"compat/v1/contrib/{name}.py" for name in ("crf", "estimator", "framework", "layers")},
    **{f"contrib.{name}": f"compat/v1/contrib/{name}.py" for name in ("lookup", "opt", "predictor", "rnn", "seq2seq")},
    **{f"contrib.{name}": f"compat/v1/contrib/{name}.py" for name in ("summary", "training", "util")},
    "contrib.tpu": "compat/v1/tpu.py",
    "estimator.tpu": "estimator/tpu.py",
    "estimator": "estimator/__init__.py compat/v1/estimator.py",
}


@dataclasses.dataclass(frozen=True)
class _Listed:
    """What the file of a module names: what it gives, and of what it does not, what to do instead."""

    given: frozenset[str]
    advice: dict[str, str]


class OwnNames:
    """Looks up names by the lists in the files of this package."""

    def __init__(self) -> None:
        self._read: dict[str, _Listed] = {}

    def lacks(self, name: str) -> bool:
        """Whether `contrib.layers.repeat`, as an example, is not given; False where that is not listed."""
        module, first = _place(name)
        is_folder = module == "estimator" and (_PACKAGE / module / first).is_dir()  # `estimator.contract.export`
        return bool(first) and first not in self._listed(module).given and not is_folder

    def advice(self, name: str) -> str | None:
        """What the module itself says to use instead of a name that it does not give."""
        module, first = _place(name)
        return self._listed(module).advice.get(first) if first else None

    def _listed(self, module: str) -> _Listed:
        if module not in self._read:
            texts = [(_PACKAGE / file).read_text(encoding="utf-8") for file in _LISTS[module].split()]
            body = [node for text in texts for node in ast.parse(text).body]
            advising = [node for node in body if _defines(node, "_ADVICE")]
            given = {name for node in body if node not in advising for name in _words(node)}
            self._read[module] = _Listed(frozenset(given), dict(pair for node in advising for pair in _pairs(node)))
        return self._read[module]


def _place(name: str) -> tuple[str, str]:
    """The module in `_LISTS` that a name is of, and its first part below that; twice nothing for other names."""
    for module in _LISTS:
        if name.startswith(f"{module}."):
            return module, name.removeprefix(f"{module}.").split(".")[0]
    return "", ""


def _defines(node: ast.stmt, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _words(node: ast.AST) -> Iterator[str]:
    """Every name that a statement defines, imports or spells in a text."""
    for each in ast.walk(node):
        match each:
            case ast.Constant(value=str(text)):
                yield text
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name


def _pairs(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The pairs of texts in dicts that are written out, or say one thing of several names."""
    for each in ast.walk(node):
        match each:
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                        yield str(key.value), str(value.value)
            case ast.DictComp(
                value=ast.Constant(value=text), generators=[ast.comprehension(iter=ast.Tuple(elts=names))]
            ):
                yield from ((str(name.value), str(text)) for name in names if isinstance(name, ast.Constant))
