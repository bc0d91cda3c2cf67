"""Where the value of a name comes from, in its scope."""

from __future__ import annotations

import libcst as cst
from libcst import MetadataDependent
from libcst.metadata import ParentNodeProvider, ScopeProvider


def of(visitor: MetadataDependent, name: cst.Name) -> list[cst.CSTNode]:
    """The values that the name is assigned, and the loops whose variable it is.

    Args:
      visitor: one that depends on `ScopeProvider` and `ParentNodeProvider`.
      name: where it is read.
    """
    scope = visitor.get_metadata(ScopeProvider, name, None)
    nodes = [getattr(each, "node", None) for each in scope[name.value]] if scope else []
    found: list[cst.CSTNode] = []
    for node in nodes:
        parent = visitor.get_metadata(ParentNodeProvider, node, None) if node is not None else None
        if isinstance(parent, cst.AssignTarget):
            parent = visitor.get_metadata(ParentNodeProvider, parent)
            found += [parent.value] if isinstance(parent, cst.Assign) else []
        elif isinstance(parent, cst.CompFor | cst.For):
            found.append(parent)
    return found
