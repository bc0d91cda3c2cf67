"""Finds, in a program that was rewritten, what is left to do by hand."""

from __future__ import annotations

import dataclasses

import libcst as cst
import libcst.matchers as m
from libcst.metadata import ParentNodeProvider, PositionProvider, QualifiedNameProvider

from trainer.job.findings import Finding, Level, Place
from trainer.migration import advice, imports
from trainer.migration.advice import Advice
from trainer.migration.known_names import Api
from trainer.migration.modules import V1
from trainer.migration.own_names import OwnNames

_GIVEN = ("estimator", "layers", "nn.rnn_cell", "rnn_cell", "contrib", "lookup.", "keras", "python")
"""What of `tf` is not looked up among the names of TensorFlow: `trainer.compat.v1` gives it, or says why not."""
_OWN_GRAPH = m.Call(func=m.Attribute(attr=m.Name("as_default")))


class Survey(cst.CSTVisitor):
    """Collects findings, one for each place.

    Args:
      path: of the file, as findings name it.
      api: the names of `tf.compat.v1`.
      own: the names that this package gives beside them.
    """

    METADATA_DEPENDENCIES = (ParentNodeProvider, PositionProvider, QualifiedNameProvider)

    def __init__(self, path: str, api: Api, own: OwnNames) -> None:
        super().__init__()
        self.findings: dict[Place, Finding] = {}
        self._path = path
        self._api = api
        self._own = own

    def visit_Import(self, node: cst.Import) -> None:  # noqa: N802  (libcst's name)
        """Modules that are gone."""
        for alias in node.names:
            self._look_at_module(node, imports.dotted(alias.name))

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:  # noqa: N802
        """The same, and names of them."""
        if node.relative or node.module is None:
            return False
        module = imports.dotted(node.module)
        self._look_at_module(node, module)
        names = () if isinstance(node.names, cst.ImportStar) else node.names
        for alias in names:
            full_name = f"{module}.{imports.dotted(alias.name)}"
            self._look_at_module(node, full_name)
            self._look_at(alias, full_name)
        return False

    def visit_Attribute(self, node: cst.Attribute) -> None:  # noqa: N802
        """Names of TensorFlow, hooks that ask for a Session, flags of old."""
        parent = self.get_metadata(ParentNodeProvider, node)
        if isinstance(parent, cst.Attribute) and imports.dotted(node):
            self._look_at_ending(node)
            return
        self._look_at_ending(node)
        for found in self.get_metadata(QualifiedNameProvider, node, ()):
            self._look_at(node, found.name)

    def visit_Name(self, node: cst.Name) -> None:  # noqa: N802
        """Names that were imported from a module of TensorFlow: where they are called."""
        parent = self.get_metadata(ParentNodeProvider, node)
        if isinstance(parent, cst.Call) and parent.func is node:
            for found in self.get_metadata(QualifiedNameProvider, node, ()):
                self._look_at(node, found.name)

    def _look_at_ending(self, node: cst.Attribute) -> None:
        text, name = imports.dotted(node), node.attr.value
        if name == "session" and text.endswith(("run_context.session", "context.session")):
            self._add(node, advice.NO_SESSION_IN_HOOKS, text)
        if text.endswith(("FLAGS.__flags", "FLAGS._parse_flags")):
            self._add(node, advice.OLD_FLAGS, text)

    def _look_at_module(self, node: cst.CSTNode, name: str) -> None:
        said = advice.of_module(name)
        if said is not None:
            self._add(node, said, name)

    def _look_at(self, node: cst.CSTNode, full_name: str) -> None:
        """Says what is to be said of a name of TensorFlow."""
        for prefix in (V1, "tensorflow.compat.v1", "tensorflow", "trainer"):
            if full_name.startswith(f"{prefix}."):
                name, spelt = full_name.removeprefix(f"{prefix}."), f"tf.{full_name.removeprefix(f'{prefix}.')}"
                break
        else:
            return
        if "__" in name:
            return
        said = advice.of_tensorflow(name) or self._of_own(name)
        if said is not None and not self._has_own_graph(node, name):
            self._add(node, said, spelt)
        is_given = name.startswith(_GIVEN)
        if said is None and prefix in (V1, "tensorflow.compat.v1") and not is_given and self._api.lacks(name):
            self._add(node, advice.GONE, spelt)

    def _of_own(self, name: str) -> Advice | None:
        """What to say of a name of `tf.estimator` or `tf.contrib` that this package does not give."""
        of_tpu = name.startswith("contrib.tpu.") and not self._api.lacks(name.removeprefix("contrib."))
        if of_tpu or not self._own.lacks(name):  # tf.contrib.tpu gives what TensorFlow has in tf.tpu, too
            return None
        return dataclasses.replace(advice.NOT_GIVEN, do=self._own.advice(name) or advice.NOT_GIVEN.do)

    def _has_own_graph(self, node: cst.CSTNode, name: str) -> bool:
        """Whether a Session is of a graph that the program makes itself: that still runs."""
        if name not in ("Session", "InteractiveSession"):
            return False
        around = self.get_metadata(ParentNodeProvider, node, None)
        if isinstance(around, cst.Call) and any(arg.keyword and arg.keyword.value == "graph" for arg in around.args):
            return True
        while around is not None:
            if isinstance(around, cst.With) and any(m.matches(item.item, _OWN_GRAPH) for item in around.items):
                return True
            around = self.get_metadata(ParentNodeProvider, around, None)
        return False

    def _add(self, node: cst.CSTNode, said: Advice, name: str) -> None:
        start = self.get_metadata(PositionProvider, node).start
        place = Place(path=self._path, line=start.line, column=start.column + 1)
        self.findings.setdefault(place, Finding(where=place, got=said.got.format(name=name), do=said.do))


def of_division(path: str) -> Finding:
    """The note on a program for Python 2."""
    said = advice.DIVISION
    return Finding(where=Place(path=path), got=said.got, do=said.do, level=Level.NOTE)
