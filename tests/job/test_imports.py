"""Packages that are loaded when somebody uses them, and imports without garbage collections."""

from __future__ import annotations

import gc
import importlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from trainer.job import imports
from trainer.job.imports import Deferred

NAME = "a_heavy_package"


@pytest.fixture(autouse=True)
def package(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that is installed, with a module that its own `__init__` does not import."""
    home = tmp_path / NAME
    home.mkdir()
    (home / "__init__.py").write_text("VERSION = 3\n")
    (home / "drawing.py").write_text(f"from {NAME} import VERSION\n\ndef draw():\n    return VERSION + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_a_package_that_nobody_uses_is_not_loaded() -> None:
    with imports.deferred([NAME]):
        package = importlib.import_module(NAME)
        module = importlib.import_module(f"{NAME}.drawing")
    assert isinstance(package, Deferred)
    assert isinstance(module, Deferred)
    assert not any(name.startswith(NAME) for name in sys.modules)


def test_a_package_is_loaded_when_it_is_used() -> None:
    with imports.deferred([NAME]):
        package = importlib.import_module(NAME)
    assert package.VERSION == 3
    assert not isinstance(sys.modules[NAME], Deferred)


@pytest.mark.parametrize("line", [f"import {NAME}.drawing as module", f"from {NAME} import drawing as module"])
def test_a_module_is_loaded_when_it_is_used(line: str) -> None:
    names: dict[str, object] = {}
    with imports.deferred([NAME]):
        exec(line, names)
    module = names["module"]
    assert isinstance(module, Deferred)
    assert module.draw() == 4


def test_what_is_used_at_once_is_loaded_at_once() -> None:
    with imports.deferred([NAME]):
        assert importlib.import_module(f"{NAME}.drawing").draw() == 4
        assert not isinstance(sys.modules[NAME], Deferred)
        assert not isinstance(sys.modules[f"{NAME}.drawing"], Deferred)


def test_afterwards_imports_are_as_ever() -> None:
    with imports.deferred([NAME]):
        earlier = importlib.import_module(NAME)
    package = importlib.import_module(NAME)
    assert not isinstance(package, Deferred)
    assert earlier.__dict__.get("VERSION") is None  # nothing was copied: it asks the package
    assert earlier.VERSION is package.VERSION


def test_a_package_that_is_loaded_already_stays() -> None:
    loaded = importlib.import_module(NAME)
    with imports.deferred([NAME]):
        assert importlib.import_module(NAME) is loaded
    assert sys.modules[NAME] is loaded


def test_a_package_that_is_not_installed_is_missed_at_once() -> None:
    with imports.deferred(["no_such_package"]), pytest.raises(ModuleNotFoundError, match="no_such_package"):
        importlib.import_module("no_such_package")


def test_an_attribute_that_there_is_not_is_missed_in_the_words_of_python() -> None:
    with imports.deferred([NAME]):
        package = importlib.import_module(NAME)
    with pytest.raises(AttributeError, match=f"module '{NAME}' has no attribute 'nothing'"):
        _ = package.nothing


AFTER_A_TRACE = """
import sys, threading
from trainer.job import imports
with imports.quick():
    import trainer.process
import keras, tensorflow as tf
import trainer.estimator

of_moved_programs = {"tf_keras", "trainer.compat"} & set(sys.modules)
assert not of_moved_programs, "others pay for what programs of TensorFlow 1 need: " + str(of_moved_programs)

@tf.function
def step(x):
    while tf.reduce_sum(x) < 10.0:
        x += 1.0
    return x

step(tf.zeros([2]))
assert not {"matplotlib", "h5py", "googleapiclient"} & set(sys.modules), sys.modules.keys()

def use():
    keras.visualization.plot_image_gallery(tf.zeros([1, 4, 4, 3]).numpy(), rows=1, cols=1)
    used.append(True)

used = []
thread = threading.Thread(target=use)
thread.start()
thread.join()
assert used
import matplotlib.pyplot as plt
plt.plot([1, 2])
"""


@pytest.mark.process
def test_what_tensorflow_was_imported_without_is_loaded_by_whoever_uses_it(tmp_path: pathlib.Path) -> None:
    """In a thread, too; and tracing a function, which looks through the modules that are loaded, uses none of it."""
    program = tmp_path / "program.py"
    program.write_text(AFTER_A_TRACE)
    done = subprocess.run([sys.executable, program], env={**os.environ, "MPLBACKEND": "agg"}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_a_process_that_has_tensorflow_is_left_as_it_is() -> None:
    import tensorflow  # noqa: F401

    with imports.quick():
        assert gc.isenabled()
    assert not any(isinstance(module, Deferred) for module in sys.modules.values())
