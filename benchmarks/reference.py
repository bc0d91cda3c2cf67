"""The environment of the reference: an interpreter that has tf.estimator 2.15, found or made."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

REQUIREMENT = "tensorflow-cpu==2.15.1"
PYTHON = "python3.11"
HOME = Path(tempfile.gettempdir()) / "trainer_benchmarks"


def interpreter(given: str | None, home: Path) -> str:
    """Path of a Python with tf.estimator.

    Args:
      given: an interpreter of the user's; it is taken as it is.
      home: where the virtual environment is made when none is given; one that is there already is taken.

    Raises:
      SystemExit: no Python 3.11 on this machine, or pip failed.
    """
    if given:
        return given
    python = home / "bin" / "python"
    if not python.exists():
        create(home)
    return str(python)


def create(home: Path) -> None:
    """Makes the virtual environment below a new name and publishes it when it is complete."""
    base = shutil.which(PYTHON)
    if base is None:
        raise SystemExit(
            f"No {PYTHON} on the path. tf.estimator 2.15 has wheels up to Python 3.11. "
            "Install Python 3.11, or give --reference_python."
        )
    shutil.rmtree(home, ignore_errors=True)
    try:
        subprocess.run([base, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(home, ignore_errors=True)
        raise SystemExit(
            f"{' '.join(error.cmd)} exited {error.returncode}. Give --reference_python instead."
        ) from error
