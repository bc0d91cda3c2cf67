"""The names of `tf.compat.v1` and of `tf`, read from the files of the installed TensorFlow without importing it."""

from __future__ import annotations

import importlib.util
import pathlib
import re

_IMPORTED = re.compile(r"^from (\S+) import (\w+)(?: as (\w+))?", re.MULTILINE)
_LOADED_LATER = frozenset({"keras", "compat", "python", "__version__", "VERSION"})


class Api:
    """The names of one generation of TensorFlow.

    Args:
      folder: that of its API; None where TensorFlow is not installed, and no name is known to be missing.
      loaded_later: what its files do not list, as they add it by assignment or take it from Keras.
    """

    def __init__(self, folder: pathlib.Path | None, loaded_later: frozenset[str]) -> None:
        self._folder = folder
        self._loaded_later = loaded_later
        self._read: dict[pathlib.Path, frozenset[str]] = {}

    def lacks(self, name: str) -> bool:
        """Whether `train.get_global_step`, as an example, is no name of it. What a class has is not looked at."""
        if self._folder is None:
            return False
        folder = self._folder
        for part in name.split("."):
            known = self._names(folder)
            if part in self._loaded_later and folder == self._folder:
                return False
            if part not in known:
                return True
            if not (folder / part).is_dir():
                return False
            folder = folder / part
        return False

    def _names(self, folder: pathlib.Path) -> frozenset[str]:
        """What a folder of the API holds."""
        if folder not in self._read:
            text = (folder / "__init__.py").read_text(encoding="utf-8")
            names = {alias or name for _, name, alias in _IMPORTED.findall(text)}
            self._read[folder] = frozenset(names | {path.name for path in folder.iterdir() if path.is_dir()})
        return self._read[folder]


def version_1() -> Api:
    """`tf.compat.v1`."""
    return Api(_folder("compat/v1"), _LOADED_LATER | {"flags", "app", "layers"})


def version_2() -> Api:
    """`tf` of TensorFlow 2."""
    return Api(_folder("compat/v2"), _LOADED_LATER | {"initializers", "losses", "metrics", "optimizers"})


def _folder(name: str) -> pathlib.Path | None:
    spec = importlib.util.find_spec("tensorflow")
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = pathlib.Path(root) / "_api" / "v2" / name
        if (folder / "__init__.py").is_file():
            return folder
    return None
