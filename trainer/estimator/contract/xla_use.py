"""Whether XLA may make the steps of a training: the one setting of a `ConfigProto` that has a meaning here.

XLA sums in another order than TensorFlow's kernels. Who compares a training with the numbers of another one, or has a
model that XLA makes slower, keeps it out as in TensorFlow 1:

    session_config = tf.compat.v1.ConfigProto()
    session_config.graph_options.optimizer_options.global_jit_level = tf.compat.v1.OptimizerOptions.OFF
"""

from __future__ import annotations

import enum

import tensorflow as tf


class XlaUse(enum.Enum):
    """When XLA makes the steps of a training."""

    NEVER = "never"
    WHERE_IT_PAYS = "where it pays"
    AT_ONCE = "at once"


def asked_for(session_config: tf.compat.v1.ConfigProto | None) -> XlaUse:
    """What the `global_jit_level` of a session config asks for: OFF, ON_1 and ON_2, or the default."""
    if session_config is None:
        return XlaUse.WHERE_IT_PAYS
    options = session_config.graph_options.optimizer_options
    match options.global_jit_level:
        case options.DEFAULT:
            return XlaUse.WHERE_IT_PAYS
        case options.OFF:
            return XlaUse.NEVER
        case _:
            return XlaUse.AT_ONCE


def asking_for(session_config: tf.compat.v1.ConfigProto | None, use: XlaUse) -> tf.compat.v1.ConfigProto:
    """A session config that asks for a use of XLA where a given one leaves it to the default."""
    made = tf.compat.v1.ConfigProto()
    if session_config is not None:
        made.CopyFrom(session_config)
    options = made.graph_options.optimizer_options
    levels = {XlaUse.NEVER: options.OFF, XlaUse.WHERE_IT_PAYS: options.DEFAULT, XlaUse.AT_ONCE: options.ON_1}
    if options.global_jit_level == options.DEFAULT:
        options.global_jit_level = levels[use]
    return made


def says_no_more(session_config: tf.compat.v1.ConfigProto) -> bool:
    """Whether a session config has a level and nothing else, which would have no meaning here."""
    level = tf.compat.v1.ConfigProto()
    options = session_config.graph_options.optimizer_options
    level.graph_options.optimizer_options.global_jit_level = options.global_jit_level
    return options.global_jit_level != options.DEFAULT and session_config == level
