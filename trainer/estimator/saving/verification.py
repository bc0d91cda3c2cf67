"""Whether a local checkpoint is whole: against its manifest, else by what TensorFlow's own files tell."""

from __future__ import annotations

import os

import tensorflow as tf

from trainer.estimator.saving import manifest
from trainer.estimator.saving.manifest import SUFFIX, DamagedManifestError
from trainer.job.errors import DataError
from trainer.storage import checksums
from trainer.storage.commits import Stamp


class DamagedCheckpointError(DataError, ValueError):
    """A checkpoint is not as it was saved."""


def problem(prefix: str) -> str | None:
    """What is wrong with a local checkpoint, in words: a file, and what it is instead. None where it is whole.

    Args:
      prefix: of its files.
    """
    found = manifest_problem(prefix)
    return found if found or os.path.exists(f"{prefix}{SUFFIX}") else _problem_of_tensors(prefix)


def manifest_problem(prefix: str, sizes_only: bool = False) -> str | None:
    """What is wrong with a local checkpoint, as far as its manifest tells; None where that is nothing.

    Args:
      prefix: of its files.
      sizes_only: leaves their content unread.
    """
    name = os.path.basename(prefix)
    try:
        saved = manifest.read(prefix)
    except (DamagedManifestError, OSError) as error:
        return f"{name}{SUFFIX} cannot be believed: {error}"
    if saved is None:
        return None if os.path.exists(f"{prefix}.index") else f"{name}.index is missing"
    try:
        stamps = {
            os.path.basename(file): Stamp(os.path.getsize(file), "" if sizes_only else checksums.of_file(file))
            for file in manifest.files(prefix)
        }
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    return next(saved.mismatches(stamps), None)


def _problem_of_tensors(prefix: str) -> str | None:
    """What is wrong with a checkpoint without a manifest: its index and each tensor are read, with their checksums."""
    name = ""
    try:
        reader = tf.train.load_checkpoint(prefix)
        for name, dtype in sorted(reader.get_variable_to_dtype_map().items()):
            tf.raw_ops.RestoreV2(prefix=prefix, tensor_names=[name], shape_and_slices=[""], dtypes=[dtype])
    except (tf.errors.OpError, RuntimeError, ValueError, LookupError) as error:
        what = f"{name} in it" if name else f"{os.path.basename(prefix)}.index"
        return f"{what} cannot be read: {first_words(error)}"
    return None


def first_words(error: Exception) -> str:
    """TensorFlow's own reason, without the op that it came from."""
    text = getattr(error, "message", None) or str(error)
    reason = str(text).splitlines()[0].rpartition("}}")[2].partition(" [Op:")[0]
    return reason.strip() or type(error).__name__


def require_whole(prefix: str, called: str) -> None:
    """Raises DamagedCheckpointError where a local checkpoint that somebody named is not as its manifest says.

    Args:
      prefix: of its files.
      called: what the person calls it.
    """
    found = manifest_problem(prefix)
    if found:
        raise damaged(called, found)


def damaged(called: str, what: str) -> DamagedCheckpointError:
    """The error for a checkpoint that somebody named.

    Args:
      called: what the person calls it.
      what: is wrong with it.
    """
    return DamagedCheckpointError(
        f"{called} is damaged: {what}",
        "a checkpoint as it was saved",
        "Name another one, or its directory for the newest whole one there, or restore it from a copy",
    )
