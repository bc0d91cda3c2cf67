"""`tf.contrib.summary`: what a model function notes goes to the events of the Estimator, as by `tf.summary`."""

from __future__ import annotations

import contextlib
from typing import Any

import tensorflow as tf

from trainer.compat import names


class FileWriter:
    """What `create_file_writer` gives: summaries of a model function are written to the directory of its Estimator."""

    def as_default(self) -> Any:
        """A context without a meaning of its own."""
        return contextlib.nullcontext(self)

    def set_as_default(self) -> None:
        """Changes nothing."""

    def flush(self) -> None:
        """Changes nothing: the Estimator writes what was noted."""

    def close(self) -> None:
        """Changes nothing."""


def create_file_writer(logdir: Any, *args: Any, **kwargs: Any) -> FileWriter:
    """A writer in name only.

    Args:
      logdir: not written to.
      args: mean nothing, as the settings of a writer.
      kwargs: likewise.
    """
    return FileWriter()


def always_record_summaries() -> Any:
    """A context in which summaries are noted; `save_summary_steps` of the RunConfig says when they are written."""
    return contextlib.nullcontext()


def record_summaries_every_n_global_steps(n: int, global_step: Any = None) -> Any:
    """See `always_record_summaries`."""
    return contextlib.nullcontext()


def all_summary_ops() -> list[Any]:
    """Nothing that a step would have to run: the Estimator reads the summaries."""
    return []


def scalar(name: str, tensor: Any, family: str | None = None, step: Any = None) -> None:
    """Notes a number.

    Args:
      name: its tag.
      tensor: of one value.
      family: before the tag; None for none.
      step: means nothing: the step of the Estimator is taken.
    """
    tf.compat.v1.summary.scalar(name, tf.reshape(tensor, []), family=family)


def histogram(name: str, tensor: Any, family: str | None = None, step: Any = None) -> None:
    """Notes how values are distributed.

    Args:
      name: its tag.
      tensor: of any shape.
      family: before the tag; None for none.
      step: means nothing: the step of the Estimator is taken.
    """
    tf.compat.v1.summary.histogram(name, tensor, family=family)


def image(
    name: str, tensor: Any, bad_color: Any = None, max_images: int = 3, family: str | None = None, step: Any = None
) -> None:
    """Notes images.

    Args:
      name: their tag.
      tensor: [images, height, width, channels].
      bad_color: means nothing.
      max_images: how many of them.
      family: before the tag; None for none.
      step: means nothing: the step of the Estimator is taken.
    """
    tf.compat.v1.summary.image(name, tensor, max_outputs=max_images, family=family)


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, {}, None, {})
