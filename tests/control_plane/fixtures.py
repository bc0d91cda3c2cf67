"""Fixtures for tests that need a cluster; a conftest.py, or a test's module, imports them by name."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import pytest

from tests.control_plane.plane import Plane
from tests.launched import ROOT

IMAGE = "registry/trainer:1"
PEER = (sys.executable, str(ROOT / "tests" / "control_plane" / "peer.py"))
"""The entry point of an image in which the stand-in is."""
Start = Callable[..., Plane]


@pytest.fixture
def start_plane(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a plane whose image runs the stand-in, and points kubectl's configuration at it."""
    started: list[Plane] = []
    lives = tmp_path / "lives"
    lives.mkdir()

    def start(**settings: object) -> Plane:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PEER_LIVES": str(lives)}
        chosen = {"images": {IMAGE: PEER}, "environ": environ} | settings
        started.append(Plane(tmp_path / "plane", **chosen))  # type: ignore[arg-type]
        monkeypatch.setenv("KUBECONFIG", str(started[-1].kubeconfig))
        return started[-1]

    yield start
    for plane in started:
        plane.close()


@contextlib.contextmanager
def peers() -> Iterator[pathlib.Path]:
    """An executable called python that is the stand-in whatever it shall run, in milliseconds; until it is closed."""
    here = ROOT / "tests" / "control_plane"
    with tempfile.TemporaryDirectory(prefix="trainer-peers-") as folder:  # the path of a socket has to be short
        path, executable = pathlib.Path(folder, "socket"), pathlib.Path(folder, "python")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(64)  # whoever comes before the server has begun waits
            number = listener.fileno()
            command = [sys.executable, here / "peer_server.py", str(number)]
            environ = {**os.environ, "PYTHONPATH": str(ROOT)}
            server = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, pass_fds=[number])
        with server:
            executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{here}/peer_client.py" "{path}" "$@"\n')
            executable.chmod(0o755)
            yield executable


@pytest.fixture(scope="session")
def peer_python() -> Iterator[pathlib.Path]:
    """The stand-in for tests that start very many of it."""
    with peers() as executable:
        yield executable


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of a program called kubectl, for machines without one."""
    folder = tmp_path_factory.mktemp("kubectl")
    program = folder / "kubectl"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m tests.control_plane.kubectl "$@"\n'
    )
    program.chmod(0o755)
    return folder


@pytest.fixture
def kubectl(stand_in: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is installed, or what stands for it."""
    if shutil.which("kubectl") is None:
        monkeypatch.setenv("PATH", f"{stand_in}{os.pathsep}{os.environ['PATH']}")
