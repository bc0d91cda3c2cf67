"""What other packages keep to themselves is used in one room, where each name has a reason and a test."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parent.parent
# Where names may be used that other packages keep to themselves, each with its reason.
ROOMS = ("trainer/estimator/graph/inside", "trainer/storage/client.py", "tests/estimator/graph/inside")
SOURCES = sorted(
    path.relative_to(ROOT).as_posix() for folder in ("trainer", "tests") for path in (ROOT / folder).rglob("*.py")
)
# Private by their spelling alone: methods of named tuples, the way out of a process, where its threads are.
PUBLIC = {"_asdict", "_fields", "_replace", "_exit", "_current_frames"}
_OF_PATHS = re.compile(r"\b(python|src|__internal__)\b")
_PRIVATE = re.compile(r"(?<!\bself)(?<!\bcls)\s*\.\s*_(?!_)")


def foreign_insides(tree: ast.Module) -> Iterator[str]:
    """What a module takes from the insides of TensorFlow and Keras: imports, and TensorFlow's `__internal__`."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if f"{name}.".startswith(("tensorflow.python.", "keras.src.")))
        if isinstance(node, ast.Attribute) and node.attr == "__internal__":
            yield ast.unparse(node)


def foreign_attributes(tree: ast.Module) -> Iterator[str]:
    """Private attributes of objects that are not the module's own, as far as its text tells."""
    own = set(PUBLIC)
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                own.add(node.name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                own.add(name)
    for node in ast.walk(tree):
        private = isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if private and node.attr not in own:
            yield ast.unparse(node)


def may_use_them(text: str, private: bool) -> bool:
    """Whether a module is worth parsing: it has a word of those paths or, where it matters, private attributes."""
    return bool(_OF_PATHS.search(text) or private and _PRIVATE.search(text))


def test_what_has_a_word_of_those_paths_or_a_private_attribute_is_parsed() -> None:
    for text in ("from tensorflow import (\n    python,\n)", "import keras.src as k", "tf.__internal__.tracking"):
        assert may_use_them(text, private=False) and list(foreign_insides(ast.parse(text)))
    for text in ("made._inside", "f(x)\\\n    ._inside", "(myself\n._inside)", "f'{made._inside}'"):
        assert may_use_them(text, private=True) and list(foreign_attributes(ast.parse(text)))
    assert not may_use_them("self._own, cls._own, made.__dict__", private=True)


def test_only_one_room_uses_what_other_packages_keep_to_themselves() -> None:
    found = {}
    for source in (source for source in SOURCES if not source.startswith(ROOMS)):
        text, own = (ROOT / source).read_text(encoding="utf-8"), source.startswith("trainer/")
        if not may_use_them(text, own):
            continue
        tree = ast.parse(text)
        attributes = foreign_attributes(tree) if own else ()
        found[source] = [*foreign_insides(tree), *attributes]
    wrong = {source: names for source, names in found.items() if names}
    assert found and wrong == {}, f"move it to {ROOMS[0]}, with a reason and a test"
