"""Every path of a job, local or in a bucket."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping

from trainer.job.errors import UsageError

_AIP_DIRS = ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The paths below `root`, which holds one run: checkpoints and events lie in it."""

    root: str

    @property
    def eval_events(self) -> str:
        return join(self.root, "eval")

    @property
    def exports(self) -> str:
        return join(self.root, "export")

    def exports_of(self, exporter: str) -> str:
        return join(self.exports, exporter)

    @property
    def training_done(self) -> str:
        return join(self.root, "training_done.json")

    @property
    def summary(self) -> str:
        return join(self.root, "summary.json")

    @property
    def failure(self) -> str:
        return join(self.root, "failure.json")

    @property
    def generated_data(self) -> str:
        return join(self.root, "data")


def from_environment(output_dir: str | None, environ: Mapping[str, str], trial: str | None = None) -> Layout:
    """The layout below `output_dir`, or where Vertex AI says (AIP_*); a trial of a study gets a folder of its own.

    Args:
      output_dir: as the person gave it; None: from AIP_*, which name the trial themselves.
      environ: of the process; CLOUD_ML_TRIAL_ID is the trial's number.
      trial: the trial that TF_CONFIG names, which counts where CLOUD_ML_TRIAL_ID is unset.

    Raises:
      UsageError: on no directory at all, or a trial that cannot be a folder.
    """
    if output_dir is None:
        return Layout(root=_vertex_root(environ))
    trial = environ.get("CLOUD_ML_TRIAL_ID") or trial
    root = _without_slash(output_dir)
    return Layout(root=join(root, _folder(trial)) if trial else root)


def make_root(layout: Layout) -> None:
    """Creates a local root. Raises UsageError where that cannot be done or nothing can be written there."""
    if is_remote(layout.root):
        return
    root = pathlib.Path(layout.root)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--output_dir={layout.root}: {error.strerror or error}",
            "A directory, or a path for a new one",
            "Change it",
        ) from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise UsageError(
            f"--output_dir={layout.root} is not writable", None, "Change its permissions, or the directory"
        )


def join(directory: str, *names: str) -> str:
    """Path of `names` below a local directory or a URL."""
    return "/".join([directory.rstrip("/"), *names]) if is_remote(directory) else os.path.join(directory, *names)


def is_remote(path: str) -> bool:
    return "://" in path


def _without_slash(path: str) -> str:
    if is_remote(path):
        return path.rstrip("/")
    expanded = os.path.expanduser(path)
    return expanded.rstrip(os.sep) or os.sep


def _folder(trial: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", trial):
        raise UsageError(
            f"The trial {trial!r} cannot be a folder",
            "Letters, digits, '_', '-' and '.'",
            "Set CLOUD_ML_TRIAL_ID to one",
        )
    return trial


def _vertex_root(environ: Mapping[str, str]) -> str:
    """`<base>` of AIP_MODEL_DIR=<base>/model/ and its fellows."""
    given = {name: environ[name].rstrip("/") for name in _AIP_DIRS if environ.get(name, "").strip()}
    roots = {name: path.rpartition("/")[0] for name, path in given.items()}
    if not given:
        raise UsageError(
            "No --output_dir",
            "A directory, local or gs://; on Vertex AI it comes from AIP_*",
            "Add --output_dir=output",
        )
    if len(set(roots.values())) > 1:
        listed = ", ".join(f"{name}={path}" for name, path in given.items())
        raise UsageError(f"{listed} have no common parent", "One base directory", "Set --output_dir")
    name, root = next(iter(roots.items()))
    if not root or root.endswith(":/"):
        raise UsageError(f"{name}={given[name]} has no parent directory", "<base>/model/", "Set --output_dir")
    return root
