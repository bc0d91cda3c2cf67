"""The `python` of tests that start processes which import TensorFlow; a conftest.py imports it by name.

from tests.forks.fixtures import forking_python  # noqa: F401
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent


@contextlib.contextmanager
def forking(python: str | os.PathLike[str], environ: Mapping[str, str], *options: str) -> Iterator[pathlib.Path]:
    """An executable for commands with `-m` that `python` would run; until it is closed.

    Args:
      python: imports TensorFlow and the package.
      environ: of that import. TensorFlow's C++ code, which reads once what it may say, is as silent as in a cluster.
      options: of the interpreter, as -P.
    """
    with tempfile.TemporaryDirectory(prefix="trainer-forks-") as folder:  # the path of a socket has to be short
        path = pathlib.Path(folder, "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(64)  # whoever comes before the import is done waits
            number = listener.fileno()
            command = [python, "-u", *options, HERE / "server.py", str(number)]
            server = subprocess.Popen(
                command, env={**environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, stdin=subprocess.PIPE, pass_fds=[number]
            )
        with server:
            executable = pathlib.Path(folder, "python")
            executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{HERE}/client.py" "{path}" "$@"\n')
            executable.chmod(0o755)
            yield executable


@pytest.fixture(scope="session")
def forking_python() -> Iterator[pathlib.Path]:
    """`python` with TensorFlow imported: of each process its memory is a fork's, and all else as if begun anew."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with forking(sys.executable, environ) as executable:
        yield executable
