"""What every test has: an environment that names no cluster, no study and no cloud; golden files; true marks."""

from __future__ import annotations

import gc
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Generator, Iterator

import hypothesis
import pytest

from tests import slow
from tests.forks.fixtures import forking_python

__all__ = ["forking_python"]

# How long an example takes says nothing on a shared machine.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_OF_A_JOB = ("TF_CONFIG", "CLUSTER_SPEC", "JOB_COMPLETION_INDEX", "TRAINER_REPLICAS", "TRAINER_HOST_PATTERN")

_STARTS_PROCESS = ("subprocess.Popen", "os.fork", "os.posix_spawn")

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew; look at the difference")
    parser.addoption("--update-slow", action="store_true", help="measure the tests and list the slow ones anew")


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, here and by all processes that are started
    if config.getoption("--update-slow"):
        config.pluginmanager.register(slow.Measurement())


@pytest.hookimpl(tryfirst=True)  # before marks select
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow.mark(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps what is imported out of every collection of garbage, which would go through a million objects each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20)  # tracing makes many objects that live on: looking at them so often finds nothing
        gc.enable()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with the golden file of that name below tests/golden; a missing file fails."""

    def compare(name: str, text: str) -> None:
        path = pathlib.Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: pytest --update-golden writes it"
        assert text == path.read_text(encoding="utf-8"), f"not as in {path}: pytest --update-golden, if it is meant"

    return compare


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what a runner would set, so that a test sees only what it sets itself."""
    for name in list(os.environ):
        if name in _OF_A_JOB or name.startswith(("AIP_", "CLOUD_ML_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def started_processes() -> list[str]:
    """Grows with every process that is started, for as long as this one lives."""
    started: list[str] = []

    def notice(event: str, arguments: tuple[object, ...]) -> None:
        if event in _STARTS_PROCESS and arguments[0] != "uname":  # by `platform`, when TensorFlow is imported
            started.append(f"{event}{arguments[:2]}")

    sys.addaudithook(notice)
    return started


@pytest.fixture(autouse=True)
def processes_are_marked(request: pytest.FixtureRequest, started_processes: list[str]) -> Iterator[None]:
    """Fails a test that starts a process, itself or in a fixture, and is not marked so: `--quick` would not skip it."""
    yield
    started = started_processes.copy()
    started_processes.clear()
    assert not started or request.node.get_closest_marker("process"), f"mark it `process`: {started}"
