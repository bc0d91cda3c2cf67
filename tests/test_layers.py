"""The layers of docs/design.md: who may import whom, without cycles, and no TensorFlow where seconds count."""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests import import_graph

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "trainer"

# What each layer may import of this package; a module's layer is its folder, or its name at the top.
ALLOWED = {
    "job": {"job"},
    "storage": {"storage", "job"},
    "formats": {"formats", "job", "storage"},
    "networks": {"networks", "formats", "job"},
    "estimator": {"estimator", "job", "storage"},
    "compat": {"compat", "exported", "estimator"},
    "problem": {"job"},
    "problem_file": {"problem", "job"},
    "problems": {"problem", "problems", "networks", "formats", "reporting", "estimator", "job"},
    "tracking": {"tracking", "estimator", "job"},
    "reporting": {"reporting", "estimator", "job"},
    "launch": {"launch", "job", "storage", "problem", "problem_file"},
    "exported": {"exported", "estimator", "storage", "job"},
    "predicting": {"predicting", "exported", "formats", "estimator", "storage", "job"},
    "checkpoint_export": {"continuing", "bound_problem", "problem", "estimator", "storage", "job"},
    "serving": {"serving", "exported", "estimator", "storage", "job"},
    "serve": {"serving", "exported", "storage", "job"},
    "predict": {
        "checkpoint_export",
        "predicting",
        "exported",
        "problem_file",
        "formats",
        "storage",
        "job",
    },
    "inputs": {"formats", "estimator", "job"},
    "model": {"inputs", "networks", "problems", "problem", "formats", "estimator", "job"},
    "bound_problem": {"problem", "estimator", "job"},
    "metrics_check": {"bound_problem", "estimator", "job"},
    "continuing": {"metrics_check", "bound_problem", "estimator", "storage", "job"},
    "closing": {"run_report", "bound_problem", "estimator", "storage", "job"},
    "run_report": {"reporting", "continuing", "bound_problem", "problem", "estimator", "job"},
    "report": {"run_report", "bound_problem", "problem_file", "formats", "storage", "job"},
    "end_in_time": {"estimator", "job"},
    "peers": {"estimator", "job"},
    "process": {
        "tracking",
        "bound_problem",
        "closing",
        "end_in_time",
        "metrics_check",
        "peers",
        "stall_watch",
        "estimator",
        "storage",
        "job",
    },
    "failure": {"storage", "job"},
    "last_words": {"job"},
    "migration": {"migration", "job"},
    "migrate": {"migration", "job"},
    "stall_watch": {"estimator", "job"},
    "task": {
        "tracking",
        "failure",
        "last_words",
        "problem",
        "problem_file",
        "bound_problem",
        "continuing",
        "process",
        "formats",
        "estimator",
        "storage",
        "job",
    },
    "fork_server": {
        "bound_problem",
        "model",
        "process",
        "job",
    },  # imported before it is known which trial it is
}
OF_THE_PERSON = {"inputs", "model"}
# The rooms of trainer/estimator in their order: each may import those before it. A module at the top is its own room.
ESTIMATOR_ORDER = [
    "not_given",
    "contract",
    "graph",
    "saving",
    "steps",
    "distribution",
    "exports",
    "inputs",
    "heads",
    "estimator",
    "canned",
    "tpu",
    "evaluation",
    "experimental",
    "keras_config",
    "keras",
    "metrics",
    "forwarding",
    "training",
]
# The rooms of trainer/estimator/steps likewise.
STEPS_ORDER = [
    "timing",
    "monitoring",
    "diagnosis",
    "input",
    "plan",
    "steps",
    "compiling",
    "inner",
    "outer",
    "inference",
]
# The rooms of trainer/formats likewise.
FORMATS_ORDER = [
    "settings",
    "schema",
    "files",
    "text",
    "pipeline",
    "moments",
    "source",
    "sines",
    "sequences",
    "records",
    "series",
    "baselines",
    "resuming",
    "serving",
    "locating",
    "reading",
    "tables",
]
# The rooms of trainer/launch likewise. What all commands share comes first, the commands about all targets last.
LAUNCH_ORDER = [
    "command_line",
    "console",
    "machine",
    "task_flags",
    "files",
    "study",
    "cluster",
    "sweep",
    "packaging",
    "submission",
    "vertex",
    "kubernetes",
    "doctor",
    "validate",
    "jobs",
    "completion",
    "__main__",
]
ORDERS = {
    "estimator": ESTIMATOR_ORDER,
    "estimator.steps": STEPS_ORDER,
    "formats": FORMATS_ORDER,
    "launch": LAUNCH_ORDER,
}
WITHOUT_TENSORFLOW = {"tensorflow", "keras"}
ANSWER_WITHOUT_TENSORFLOW = {
    *("job", "launch", "migrate", "migration", "predict", "report", "serve", "storage", "task"),
    *OF_THE_PERSON,
}


MODULES = import_graph.modules(PACKAGE)


@functools.cache
def imports(module: str, *, everywhere: bool) -> frozenset[str]:
    """Names that the module imports: at import time, or `everywhere` in it (but for type checkers)."""
    return frozenset(import_graph.imports(MODULES[module], MODULES, everywhere=everywhere))


def own(names: Iterable[str]) -> set[str]:
    """Modules of this package among the names."""
    return {name for name in names if name in MODULES}


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def test_modules_import_only_layers_below_them() -> None:
    found = {}
    for module in MODULES.keys() - {"trainer"}:
        met = {layer(name) for name in own(imports(module, everywhere=True))} - {"trainer", layer(module)}
        found[module] = met - ALLOWED[layer(module)]
    assert {module: wrong for module, wrong in found.items() if wrong} == {}


def room(module: str, prefix: str) -> str:
    return module.removeprefix(prefix).split(".")[0]


@pytest.mark.parametrize("name", ORDERS)
def test_modules_import_only_rooms_before_their_own(name: str) -> None:
    order, prefix = ORDERS[name], f"trainer.{name}."
    found = {}
    for module in (module for module in MODULES if module.startswith(prefix)):
        met = {room(other, prefix) for other in own(imports(module, everywhere=True)) if other.startswith(prefix)}
        found[module] = met.intersection(order[order.index(room(module, prefix)) + 1 :])
    assert found and {module: later for module, later in found.items() if later} == {}


def test_no_imports_go_in_a_circle() -> None:
    assert import_graph.cycles({name: own(imports(name, everywhere=True)) - {name} for name in MODULES}) == []


def reached(module: str) -> dict[str, set[str]]:
    """What is imported from outside, by module of ours, when `module` is imported."""
    seen: dict[str, set[str]] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        names = imports(name, everywhere=False)
        seen[name] = {other.partition(".")[0] for other in names} - {"trainer"}
        parents = {name.rpartition(".")[0]} & MODULES.keys()
        pending.extend(own(names) | parents)
    return seen


@pytest.mark.parametrize("name", sorted(ANSWER_WITHOUT_TENSORFLOW))
def test_no_import_of_these_loads_tensorflow(name: str) -> None:
    found = {}
    for module in (module for module in MODULES if layer(module) == name):
        found[module] = {other for other, outside in reached(module).items() if outside & WITHOUT_TENSORFLOW}
    assert found and {module: loads for module, loads in found.items() if loads} == {}


def test_the_job_layer_needs_the_standard_library_and_absl_only() -> None:
    allowed = set(sys.stdlib_module_names) | {"absl"}
    for name in MODULES:
        if layer(name) == "job":
            outside = {other.partition(".")[0] for other in imports(name, everywhere=True)} - {"trainer"}
            assert outside <= allowed, f"{name} imports {outside - allowed}"


@pytest.mark.process
def test_help_and_data_checks_run_without_tensorflow() -> None:
    code = (
        "import sys; from trainer import inputs, task; from trainer.formats.settings import ForecastData; "
        "inputs.describe(ForecastData()); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
