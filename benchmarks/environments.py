"""The environments of our peers: interpreters that have them, found or made, a virtual environment for each."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import tempfile
from pathlib import Path

HOME = Path(tempfile.gettempdir()) / "trainer_benchmarks"
_STAMP = "requirements.txt"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Environment:
    """What is installed for a peer.

    Attributes:
      requirements: pinned, so that a table can be made again.
      python: the command of the interpreter, of a version for which the peer has wheels.
      options: of `pip install`.
    """

    requirements: tuple[str, ...]
    python: str = "python3"
    options: tuple[str, ...] = ()


ENVIRONMENTS = {
    "reference": Environment(requirements=("tensorflow-cpu==2.15.1",), python="python3.11"),
    # The index of PyTorch has wheels without CUDA, a tenth of the size.
    "torch": Environment(
        requirements=("numpy>=2", "torch==2.14.1"),
        python="python3.11",
        options=("--extra-index-url=https://download.pytorch.org/whl/cpu",),
    ),
    "torch-cuda": Environment(requirements=("numpy>=2", "torch==2.14.1"), python="python3.11"),
    "jax": Environment(requirements=("jax==0.10.2", "optax==0.2.8"), python="python3.11"),
}


def interpreter(name: str, given: str | None = None, home: Path = HOME) -> str:
    """Path of a Python with that peer.

    Args:
      name: a key of ENVIRONMENTS.
      given: an interpreter of the user's; it is taken as it is.
      home: where the virtual environments are made; one that is there already, and complete, is taken.

    Raises:
      SystemExit: no such Python on this machine, or pip failed.
    """
    if given:
        return given
    folder, wanted = home / name, "\n".join(ENVIRONMENTS[name].requirements)
    stamp = folder / _STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        create(folder, ENVIRONMENTS[name])
        stamp.write_text(wanted)
    return str(folder / "bin" / "python")


def create(folder: Path, environment: Environment) -> None:
    """Makes the virtual environment; one that is there, but not complete or of other requirements, is removed."""
    base = shutil.which(environment.python)
    if base is None:
        raise SystemExit(
            f"No {environment.python} on the path, for which {environment.requirements[-1]} has wheels. "
            "Install it, or name an interpreter that has the peer."
        )
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *environment.options, *environment.requirements], check=True)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SystemExit(
            f"{' '.join(error.cmd)} exited {error.returncode}. See what pip says; without a network, name an "
            "interpreter that has the peer."
        ) from error
