"""What every simulated run has: the source distribution, installed in an environment of its own, and free addresses."""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator

import pytest

from tests.bucket.fixtures import bucket_server  # noqa: F401
from tests.deadlines import JOB_SECS
from tests.forks.fixtures import forking
from trainer.launch.cluster.ports import Reservation
from trainer.launch.packaging import archive


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The Python of a fresh virtual environment in which pip has installed the built source distribution."""
    return install(archive.build(archive.source_root(), {}), tmp_path_factory.mktemp("runner"))


@pytest.fixture(scope="session")
def forking_installed(installed: pathlib.Path) -> Iterator[pathlib.Path]:
    """The same, with TensorFlow imported once for all processes."""
    with forking(installed, environment(), "-P") as executable:
        yield executable


@pytest.fixture
def addresses() -> Iterator[list[str]]:
    """Loopback addresses that nobody listens on."""
    with Reservation(8, random.Random()) as reservation:
        yield reservation.addresses


@pytest.fixture
def environ() -> dict[str, str]:
    return environment()


def environment() -> dict[str, str]:
    """What the processes of a runner get besides: nothing of a source, no proxy between them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", "no_grpc_proxy": "127.0.0.1", "TF_NUM_INTRAOP_THREADS": "1"}


def install(built: archive.Archive, directory: pathlib.Path) -> pathlib.Path:
    """The Python of a new virtual environment in which pip has installed a source distribution.

    What the package depends on comes from the environment of the tests: TensorFlow is not downloaded again.
    """
    sdist = directory / built.file_name
    sdist.write_bytes(built.content)
    venv.create(directory / "venv", with_pip=False, symlinks=True)
    python = directory / "venv" / "bin" / "python"
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    pathlib.Path(site.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--no-compile"]
    subprocess.run([*pip, *offline, str(sdist)], cwd=directory, check=True, timeout=JOB_SECS)
    where = [python, "-P", "-c", "import trainer; print(trainer.__file__)"]
    told = subprocess.check_output(where, env=environment(), text=True)
    assert told.startswith(site.strip()), "what runs is the installed package"
    return python
