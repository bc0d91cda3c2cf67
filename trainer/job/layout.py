"""Every path of a job, local or in a bucket."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Mapping

from trainer.job.errors import UsageError

SCHEME = "gs://"
EXPORTS = "export"
"""The folder of the exports in a run's directory."""
GRAPH_FILE, TEXT_GRAPH_FILE = "saved_model.pb", "saved_model.pbtxt"
"""One of them makes a SavedModel of a directory."""
BUCKET_NAMES = "3 to 222 of a-z, 0-9, '-', '_' and '.'"
"""What `is_bucket_name` accepts, for messages."""
_MOUNT = "/gcs/"
_AIP_DIRS = ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The paths below `root`, which holds one run: checkpoints and events are in it.

    Attributes:
      root: local or `gs://`.
      served_model: where Vertex AI looks for the SavedModel of the job; None where there is none.
      tensorboard: where it looks for events, likewise.
    """

    root: str
    served_model: str | None = None
    tensorboard: str | None = None

    @property
    def eval_events(self) -> str:
        """The directory of the events of evaluations."""
        return join(self.root, "eval")

    @property
    def exports(self) -> str:
        """The directory of all exports."""
        return join(self.root, EXPORTS)

    def exports_of(self, exporter: str) -> str:
        """The directory of the exports of one exporter, given its name."""
        return join(self.exports, exporter)

    @property
    def training_done(self) -> str:
        """The record of the end of training."""
        return join(self.root, "training_done.json")

    @property
    def summary(self) -> str:
        """The record of a run that ended well: its metrics and speed."""
        return join(self.root, "summary.json")

    @property
    def report(self) -> str:
        """The page that shows a run that ended well."""
        return join(self.root, "report.html")

    @property
    def failure(self) -> str:
        """The record of a run that ended with an error."""
        return join(self.root, "failure.json")

    @property
    def profiles(self) -> str:
        """The directory of traces, where TensorBoard looks for them."""
        return join(self.root, "plugins", "profile")

    @property
    def generated_data(self) -> str:
        """The directory of the data that the job generates when it is given none."""
        return join(self.root, "data")


def from_environment(output_dir: str | None, environ: Mapping[str, str], trial: str | None = None) -> Layout:
    """The layout below `output_dir`, or where Vertex AI says (AIP_*); a trial of a study gets a folder of its own.

    Without an `output_dir` a run is in AIP_CHECKPOINT_DIR, else in the parent of the AIP_ directory that is set.

    Args:
      output_dir: as the person gave it; None: from AIP_*, which name the trial themselves.
      environ: of the process; CLOUD_ML_TRIAL_ID is the trial's number.
      trial: the trial that TF_CONFIG names, which counts where CLOUD_ML_TRIAL_ID is unset.

    Raises:
      UsageError: on no directory at all, or a trial that cannot be a folder.
    """
    given = {name: _place(environ[name], name) for name in _AIP_DIRS if environ.get(name, "").strip()}
    if output_dir is None:
        root = _vertex_root(given)
    else:
        root, trial = _place(output_dir, "--output_dir"), environ.get("CLOUD_ML_TRIAL_ID") or trial
        root = join(root, _folder(trial)) if trial else root
    return Layout(root=root, served_model=given.get("AIP_MODEL_DIR"), tensorboard=given.get("AIP_TENSORBOARD_LOG_DIR"))


def make_root(layout: Layout) -> None:
    """Creates a local root. Raises UsageError where that cannot be done or nothing can be written there."""
    if is_remote(layout.root):
        _require_bucket(layout.root)
        return
    if read_as_pattern(layout.root):
        raise UsageError(
            f"--output_dir={layout.root}: TensorFlow reads '[' and '\\' in the path of a checkpoint as a pattern",
            "a path without them",
            "Choose another directory",
        )
    root = pathlib.Path(layout.root)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--output_dir={layout.root}: {error.strerror or error}",
            "a directory, or a path for a new one",
            "Change it",
        ) from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise UsageError(
            f"--output_dir={layout.root} is not writable", None, "Change its permissions, or the directory"
        )


def _require_bucket(root: str) -> None:
    bucket = root.removeprefix(SCHEME).partition("/")[0]
    if not is_bucket_name(bucket):
        name = bucket.rpartition("@")[2]  # what is before it may be a password
        raise UsageError(
            f"The output directory is in gs://{name}, which is not the name of a bucket",
            f"gs://BUCKET/FOLDER, BUCKET being {BUCKET_NAMES}",
            "Correct --output_dir",
        )


def is_bucket_name(name: str) -> bool:
    """Whether Cloud Storage may have a bucket of this name."""
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", name) is not None


def read_as_pattern(directory: str) -> bool:
    """Whether TensorFlow would not find a checkpoint in a local directory, because it takes its path for a glob.

    A name with '*' or '?' is a match of itself.
    """
    return not is_remote(directory) and ("[" in directory or "\\" in directory)


def join(directory: str, *names: str) -> str:
    """Path of `names` below a local directory or a URL."""
    return "/".join([directory.rstrip("/"), *names]) if is_remote(directory) else os.path.join(directory, *names)


def is_remote(path: str) -> bool:
    """Whether a path is in a bucket."""
    return path.startswith(SCHEME)


def resolved(path: str, is_dir: Callable[[str], bool] = os.path.isdir) -> str:
    """`/gcs/bucket/name`, as Vertex AI mounts buckets, as `gs://bucket/name` where no such mount is there."""
    if not path.startswith(_MOUNT):
        return path
    bucket = path.removeprefix(_MOUNT).partition("/")[0]
    return path if not bucket or is_dir(_MOUNT + bucket) else SCHEME + path.removeprefix(_MOUNT)


def _place(path: str, source: str) -> str:
    """A directory as someone gave it, without a slash at its end."""
    path = resolved(path.strip())
    if not path.isprintable():
        raise UsageError(f"{source}={path!a}", "a path of printable characters, in UTF-8", "Choose another directory")
    if is_remote(path):
        return SCHEME + path.removeprefix(SCHEME).rstrip("/")
    if "://" in path:
        raise UsageError(
            f"{source} begins with {path.partition('://')[0]}://",
            "a local directory, or gs://bucket/folder",
            "Change it",
        )
    expanded = os.path.expanduser(path)
    return expanded.rstrip(os.sep) or os.sep


def _folder(trial: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", trial):
        raise UsageError(
            f"The trial {trial!r} cannot be a folder",
            "letters, digits, '_', '-' and '.'",
            "Set CLOUD_ML_TRIAL_ID to one",
        )
    return trial


def _vertex_root(given: Mapping[str, str]) -> str:
    """The directory of a run from AIP_MODEL_DIR=<base>/model/ and its fellows."""
    if not given:
        raise UsageError(
            "No --output_dir",
            "a directory, local or gs://; on Vertex AI it comes from AIP_*",
            "Add --output_dir=output",
        )
    if "AIP_CHECKPOINT_DIR" in given:
        return given["AIP_CHECKPOINT_DIR"]
    name, path = next(iter(given.items()))
    root = path.rpartition("/")[0]
    if not root or root.endswith(":/"):
        raise UsageError(f"{name}={path} has no parent directory", "<base>/model/", "Set --output_dir")
    return root
