"""Imports TensorFlow and what needs it sooner: without garbage collections, and without what nobody has used yet."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from trainer.job import garbage, logs

_DEFERRED = ("googleapiclient", "h5py", "matplotlib", "requests", "rich")
"""Packages that TensorFlow and Keras import wherever they are installed, and that most jobs never use: a tenth
of the import in an environment that has them all, and 28 MB."""


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Around the import of TensorFlow: makes it shorter, and drops the remarks that its C++ code makes meanwhile.

    A process that has imported TensorFlow already is left as it is.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    with logs.without_import_chatter(), _without_collections(), deferred(_DEFERRED):
        yield


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Has no garbage collected, and what is there at the end never looked at again: modules live to the end anyway.

    Else Python would look through the objects that TensorFlow's modules consist of once more while a model function is
    traced, and whenever it looks through everything.
    """
    with garbage.uncollected():
        try:
            yield
        finally:
            gc.freeze()


@contextlib.contextmanager
def deferred(packages: Sequence[str]) -> Iterator[None]:
    """Within it, importing one of these packages, or a module of one, gives a `Deferred` that stands for it.

    After it, imports are as ever. A package that is not installed raises ImportError at once.

    Args:
      packages: top-level names; those that are loaded already are left as they are.
    """
    finder = _Finder(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for package in packages:
            finder.give_up(package)


class Deferred(ModuleType):
    """Stands for a module, and imports it when an attribute is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name in ("__path__", "__file__", "__cached__"):  # the import system asks, before it sets them
            raise AttributeError(name)
        finder: _Finder = self.__dict__["_finder"]
        if finder.finds(f"{self.__name__}.{name}", self.__dict__.get("__path__")):
            return importlib.import_module(f"{self.__name__}.{name}")  # `from package import module`
        finder.give_up(self.__name__.partition(".")[0])
        return getattr(importlib.import_module(self.__name__), name)


class _Finder:
    """Finds the modules of some packages, but does not load them.

    Args:
      packages: top-level names.
    """

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = {package for package in packages if package not in sys.modules}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a `Deferred`; None for modules of other packages, and where there is no such module."""
        if name.partition(".")[0] not in self._packages:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(self)
        return spec

    def finds(self, name: str, path: Sequence[str] | None) -> bool:
        """Whether there is such a module, and nobody has used its package."""
        return path is not None and self.find_spec(name, path) is not None

    def give_up(self, package: str) -> None:
        """From now on this package is imported as any other."""
        if package in self._packages:
            self._packages.discard(package)
            for name in [name for name, module in sys.modules.items() if isinstance(module, Deferred)]:
                if name.partition(".")[0] == package:
                    del sys.modules[name]


class _Loader(importlib.abc.Loader):
    """Makes a `Deferred`.

    Args:
      finder: by which it was found.
    """

    def __init__(self, finder: _Finder) -> None:
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Loads nothing."""
        module.__dict__["_finder"] = self._finder
