"""Imports by dotted names: `from trainer.compat.v1.estimator.export import X` finds what `tf.estimator.export.X` is.

TensorFlow 1 had a folder for every module of its public names, so that programs imported from any of them. Here most
are attributes of other modules. An import that no file answers gets a module that hands on the names of one of those.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence
from typing import Any


class _Forwarding(types.ModuleType):
    """A module that has the names of another one, which is not changed by being imported by this name."""

    __path__: list[str] = []  # noqa: RUF012  (what makes a module one that imports may go through)

    def __init__(self, name: str, target: types.ModuleType) -> None:
        super().__init__(name, target.__doc__)
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def __dir__(self) -> list[str]:
        return dir(self._target)


class DottedNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules below a package that are modules among its attributes, or theirs.

    Args:
      package: the name of the package.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Of a name that leads to a module; None for others.

        Args:
          fullname: the name.
          path: of the module above it, of no matter.
          target: to be reloaded, of no matter.
        """
        if not fullname.startswith(f"{self._package}.") or self._module(fullname) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The module for a spec that was found."""
        found = self._module(spec.name)
        assert found is not None  # or there would be no spec
        return _Forwarding(spec.name, found)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: its names are there."""

    def answers(self, package: str) -> bool:
        """Whether it finds the modules of a package."""
        return self._package == package

    def _module(self, fullname: str) -> types.ModuleType | None:
        """The module that the attributes of the package lead to."""
        value: Any = sys.modules.get(self._package)
        for part in fullname.removeprefix(f"{self._package}.").split("."):
            value = getattr(value, part, None)
        return value if isinstance(value, types.ModuleType) else None


def offer(package: str) -> None:
    """Lets Python find the modules below a package, after all that files answer; once for each package."""
    if not any(isinstance(finder, DottedNames) and finder.answers(package) for finder in sys.meta_path):
        sys.meta_path.append(DottedNames(package))
