"""Rewrites what Python 3 parses and then lacks: names, methods and modules of Python 2."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m
from libcst.codemod import CodemodContext
from libcst.codemod.visitors import AddImportsVisitor
from libcst.metadata import ParentNodeProvider, QualifiedNameProvider

from trainer.migration import imports

_BUILTINS = {
    "xrange": "range",
    "unicode": "str",
    "basestring": "str",
    "raw_input": "input",
    "long": "int",
    "unichr": "chr",
    "reduce": "functools.reduce",
}
_ATTRIBUTES = {
    "itertools.izip": "zip",
    "itertools.imap": "map",
    "itertools.ifilter": "filter",
    "itertools.izip_longest": "itertools.zip_longest",
    "sys.maxint": "sys.maxsize",
    "string.letters": "string.ascii_letters",
    "string.lowercase": "string.ascii_lowercase",
    "string.uppercase": "string.ascii_uppercase",
    "os.getcwdu": "os.getcwd",
    **{
        f"collections.{name}": f"collections.abc.{name}"
        for name in (
            "Callable",
            "Container",
            "Hashable",
            "ItemsView",
            "Iterable",
            "Iterator",
            "KeysView",
            "Mapping",
            "MutableMapping",
            "MutableSequence",
            "MutableSet",
            "Sequence",
            "Set",
            "Sized",
            "ValuesView",
        )
    },
}
_METHODS = {"iteritems": "items", "itervalues": "values", "iterkeys": "keys"}
_MODULES = {
    "cPickle": "pickle",
    "Queue": "queue",
    "ConfigParser": "configparser",
    "StringIO": "io",
    "cStringIO": "io",
    "__builtin__": "builtins",
    "urlparse": "urllib.parse",
    "HTMLParser": "html.parser",
    "httplib": "http.client",
}


class Leftovers(cst.CSTTransformer):
    """Python 2's names for what Python 3 has; a name that the file defines or imports itself is left alone.

    Args:
      context: collects the imports that are needed then.
    """

    METADATA_DEPENDENCIES = (QualifiedNameProvider, ParentNodeProvider)

    def __init__(self, context: CodemodContext) -> None:
        super().__init__()
        self._context = context
        self._has_own_next = False
        self._assigned: set[str] = set()

    def visit_Module(self, node: cst.Module) -> None:  # noqa: N802  (libcst's name)
        """Sees which names the file makes itself, as `except NameError: xrange = range` does."""
        targets = (m.AssignTarget(target=m.Name()), m.Param(), m.AsName(name=m.Name()))
        for found in m.findall(node, m.OneOf(*targets)):
            named = found.target if isinstance(found, cst.AssignTarget) else getattr(found, "name", None)
            self._assigned |= {named.value} if isinstance(named, cst.Name) else set()

    def visit_ClassDef(self, node: cst.ClassDef) -> None:  # noqa: N802
        """Sees a class whose `next` is a method like others."""
        methods = _methods(node)
        self._has_own_next |= "next" in methods and "__iter__" not in methods

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:  # noqa: N802
        """An iterator's `next` is `__next__`."""
        methods = _methods(original_node)
        if "next" not in methods or "__iter__" not in methods or "__next__" in methods:
            return updated_node
        body = [
            statement.with_changes(name=cst.Name("__next__"))
            if isinstance(statement, cst.FunctionDef) and statement.name.value == "next"
            else statement
            for statement in updated_node.body.body
        ]
        return updated_node.with_changes(body=updated_node.body.with_changes(body=body))

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:  # noqa: N802
        """`xrange` is `range`."""
        new = _BUILTINS.get(original_node.value)
        is_own = original_node.value in self._assigned or self._qualified(original_node)
        if new is None or is_own or not self._is_read(original_node):
            return updated_node
        return self._named(new)

    def leave_Attribute(  # noqa: N802
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """`itertools.izip` is `zip`, `sys.maxint` is `sys.maxsize`."""
        new = _ATTRIBUTES.get(self._qualified(original_node))
        return updated_node if new is None else self._named(new)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802
        """`d.iteritems()` is `d.items()`, `d.has_key(k)` is `k in d`, `it.next()` is `next(it)`."""
        function, arguments = updated_node.func, updated_node.args
        if not isinstance(function, cst.Attribute):
            return updated_node
        name = function.attr.value
        if name in _METHODS and not arguments:
            return updated_node.with_changes(func=function.with_changes(attr=cst.Name(_METHODS[name])))
        if name == "next" and not arguments and not self._has_own_next:
            return cst.Call(cst.Name("next"), [cst.Arg(function.value)])
        if name == "has_key" and len(arguments) == 1:
            within = cst.ComparisonTarget(cst.In(), function.value)
            return cst.Comparison(arguments[0].value, [within], [cst.LeftParen()], [cst.RightParen()])
        return updated_node

    def leave_ImportAlias(  # noqa: N802
        self, original_node: cst.ImportAlias, updated_node: cst.ImportAlias
    ) -> cst.ImportAlias:
        """`import cPickle` is `import pickle as cPickle`."""
        name = imports.dotted(updated_node.name)
        if name not in _MODULES or not isinstance(self.get_metadata(ParentNodeProvider, original_node), cst.Import):
            return updated_node
        asname = updated_node.asname or imports.as_name(name)
        if imports.dotted(asname.name) == _MODULES[name]:
            return updated_node.with_changes(name=imports.expression(_MODULES[name]), asname=None)
        return updated_node.with_changes(name=imports.expression(_MODULES[name]), asname=asname)

    def leave_ImportFrom(  # noqa: N802
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        """`from itertools import izip` is not needed; `Queue` is `queue`, `Mapping` is of `collections.abc`."""
        if updated_node.relative or updated_node.module is None or isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        module = imports.dotted(updated_node.module)
        if module in _MODULES:
            return updated_node.with_changes(module=imports.expression(_MODULES[module]))
        kept = [alias for alias in updated_node.names if f"{module}.{imports.dotted(alias.name)}" not in _ATTRIBUTES]
        if module == "collections" and not kept:
            return updated_node.with_changes(module=imports.expression("collections.abc"))
        if module != "itertools" or len(kept) == len(updated_node.names):
            return updated_node
        if not kept:
            return cst.RemoveFromParent()
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(names=kept)

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.RemovalSentinel:
        """`reload(sys)` and `sys.setdefaultencoding("utf-8")` go: text is UTF-8."""
        kept = [statement for statement in updated_node.body if not _sets_encoding(statement)]
        if len(kept) == len(updated_node.body):
            return updated_node
        return updated_node.with_changes(body=kept) if kept else cst.RemoveFromParent()

    def _qualified(self, node: cst.CSTNode) -> str:
        """The full name of what it names; empty for a name that nothing defines."""
        found = self.get_metadata(QualifiedNameProvider, node, ())
        return next((each.name for each in found), "")

    def _is_read(self, node: cst.Name) -> bool:
        """Whether it is a name in an expression, not that of an attribute or of a keyword."""
        parent = self.get_metadata(ParentNodeProvider, node)
        if isinstance(parent, cst.Attribute):
            return parent.value is node
        return not (isinstance(parent, cst.Arg) and parent.keyword is node) and not isinstance(
            parent, cst.ImportAlias | cst.AsName | cst.Param
        )

    def _named(self, new: str) -> cst.BaseExpression:
        module = new.rpartition(".")[0]
        if module in ("functools", "collections.abc"):
            AddImportsVisitor.add_needed_import(self._context, module)
        return imports.expression(new)


def _methods(node: cst.ClassDef) -> set[str]:
    return {each.name.value for each in node.body.body if isinstance(each, cst.FunctionDef)}


def _sets_encoding(statement: cst.BaseSmallStatement) -> bool:
    if not isinstance(statement, cst.Expr) or not isinstance(statement.value, cst.Call):
        return False
    call = statement.value
    name = imports.dotted(call.func)
    is_reload = name in ("reload", "imp.reload", "importlib.reload") and [
        imports.dotted(argument.value) for argument in call.args
    ] == ["sys"]
    return is_reload or name == "sys.setdefaultencoding"
