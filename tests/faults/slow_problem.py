"""The course's problem with steps of a known length, as of a larger model: STEP_SECS in the environment.

Each step notes itself, with the time, in a file of its process below STEP_STAMPS: what a campaign takes for the truth.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import struct
import time
from typing import TYPE_CHECKING, Any

from trainer.model import PROBLEM as COURSE
from trainer.model import model_fn as course_model_fn
from trainer.problems import forecasting

if TYPE_CHECKING:
    import numpy as np

    from trainer.estimator import EstimatorSpec

STAMP = struct.Struct("<qdd")
"""The global step, when it ended in seconds since 1970, and how long it slept."""


def _pause(step: np.ndarray) -> None:
    began = time.monotonic()
    time.sleep(float(os.environ.get("STEP_SECS", "0.05")))
    stamps = os.environ.get("STEP_STAMPS")
    if stamps:
        with open(os.path.join(stamps, str(os.getpid())), "ab") as file:
            file.write(STAMP.pack(int(step), time.time(), time.monotonic() - began))


def model_fn(features: Any, labels: Any, mode: str, params: Any, schema: Any) -> EstimatorSpec:
    """That of the course; a training step takes so much longer."""
    import tensorflow as tf

    spec = course_model_fn(features, labels, mode, params, schema)
    if spec.train_op is None:
        return spec
    with tf.control_dependencies([spec.train_op]):
        pause = tf.numpy_function(_pause, [tf.compat.v1.train.get_global_step()], [])
    return spec._replace(train_op=tf.group(spec.train_op, pause))


PROBLEM = dataclasses.replace(COURSE, make_estimator=functools.partial(forecasting.estimator, model_fn))
